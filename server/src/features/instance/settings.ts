import { z } from 'zod'
import type { Db, Tx } from '#db/database.ts'
import { limitRulesOf, type LimitRules } from '#http/rate-limit/rules.ts'
import { newId } from '#lib/id.ts'
import { LatestReading } from '#lib/latest-reading.ts'

const megabytes = z.int().min(1).max(100_000)
const extensions = z.array(z.string().regex(/^(\*|[a-z\d]{1,10})$/)).max(100)

/** Settings that the owner changes while the server runs. They live in the database; each has a default. */
export const serverSettings = z.object({
  server_name: z.string().min(1).max(100).default('PufferBlow'),
  server_description: z.string().max(1000).nullable().default(null),
  welcome_message: z.string().max(2000).nullable().default(null),
  /** Who may sign up; null: what the configuration says. */
  registration: z.enum(['open', 'invite', 'closed']).nullable().default(null),
  /** A private server takes new accounts by invite only. */
  is_private: z.boolean().default(false),
  /** How many accounts there may be; 0: no limit. */
  max_users: z.int().min(0).max(100_000_000).default(0),
  max_message_length: z.int().min(1).max(50_000).default(50_000),
  /** Days after which messages are removed; 0 keeps them for ever. */
  message_retention_days: z.int().min(0).max(36_500).default(0),
  /** Whether push messages say what was written and by whom. They are encrypted for the device either way. */
  push_message_text: z.boolean().default(false),
  // Sizes are in MB, that is 1024 * 1024 bytes.
  max_image_size: megabytes.default(5),
  max_gif_size: megabytes.default(10),
  max_sticker_size: megabytes.default(5),
  max_video_size: megabytes.default(50),
  max_audio_size: megabytes.default(10),
  max_document_size: megabytes.default(50),
  max_file_size: megabytes.default(10),
  allowed_images_extensions: extensions.default(['png', 'jpg', 'jpeg', 'gif', 'webp']),
  allowed_gif_extensions: extensions.default(['gif']),
  allowed_stickers_extensions: extensions.default(['png', 'gif']),
  allowed_videos_extensions: extensions.default(['mp4', 'webm']),
  allowed_doc_extensions: extensions.default(['pdf', 'doc', 'docx', 'txt', 'zip']),
  /** Of whatever is none of these; `*` allows anything, to be downloaded and never shown. */
  allowed_file_extensions: extensions.default(['*']),
  max_attachments: z.int().min(0).max(50).default(10),
  /** Of all files of a message together, in MB. */
  max_attachments_size: megabytes.default(100),
  /** What a user may have stored, in MB; 0: no limit. */
  user_storage_quota: z.int().min(0).max(100_000_000).default(1024),
  /** What everybody together may have stored, in GB; 0: no limit. */
  server_storage_quota: z.int().min(0).max(1_000_000).default(10),
  /** Whether files of public channels can be fetched without a token or link. */
  public_channel_files: z.boolean().default(false),
  /** `<id>.<extension>` of a file. */
  server_avatar: z.string().max(40).nullable().default(null),
  server_banner: z.string().max(40).nullable().default(null),
  /** Minutes in which requests are counted together. */
  rate_limit_duration: z.int().min(1).max(1440).default(5),
  max_rate_limit_requests: z.int().min(5).max(10_000_000).default(6000),
  max_rate_limit_warnings: z.int().min(0).max(1000).default(15),
  /** What some kinds of requests may take of the whole, in percent. */
  rate_limit_auth_percent: z.int().min(1).max(100).default(20),
  rate_limit_uploads_percent: z.int().min(1).max(100).default(15),
  rate_limit_messages_percent: z.int().min(1).max(100).default(50),
  /** How many times the limit of one account all accounts at one address have together. */
  rate_limit_address_factor: z.int().min(1).max(1000).default(10),
  /** After so many minutes without another one, a warning is forgotten. */
  rate_limit_warning_minutes: z.int().min(1).max(10_080).default(60),
  /** How long an address is blocked that goes on after its last warning. */
  rate_limit_block_minutes: z.int().min(1).max(525_600).default(60),
  /** Frames from all sockets of an account in ten seconds. */
  rate_limit_frames: z.int().min(10).max(100_000).default(200),
  /** Wrong passwords for an account from one address within 15 minutes; from all addresses, five times as many. */
  max_sign_in_failures: z.int().min(3).max(1000).default(20),
})

export type ServerSettings = z.output<typeof serverSettings>

/** What a server begins with. */
export const defaultSettings: ServerSettings = serverSettings.parse({})

/** All settings, with defaults for those that were never changed. */
export async function readSettings(db: Db): Promise<ServerSettings> {
  const rows = await db.selectFrom('server_setting').select(['key', 'value']).execute()
  const known = rows.filter(({ key }) => key in serverSettings.shape)
  return serverSettings.parse(
    Object.fromEntries(known.map(({ key, value }) => [key, JSON.parse(value) as unknown])),
  )
}

export async function writeSettings(tx: Tx, change: Partial<ServerSettings>, now: number): Promise<void> {
  const checked = serverSettings.partial().parse(change)
  for (const key of Object.keys(change) as (keyof ServerSettings)[]) {
    await putValue(tx, key, checked[key], now)
  }
}

/** Whoever else asks in a transaction waits until this one is over. */
export async function lockSettings(tx: Tx): Promise<void> {
  // Changes nothing, but locks a row on both databases: SQLite knows no `for update`.
  await tx
    .updateTable('server_setting')
    .set(({ ref }) => ({ updated_at: ref('updated_at') }))
    .where('key', '=', 'server_id')
    .execute()
}

/** When this server was made: the row of its id is never changed. */
export async function readCreationTime(db: Db): Promise<number> {
  const { updated_at } = await db
    .selectFrom('server_setting')
    .select('updated_at')
    .where('key', '=', 'server_id')
    .executeTakeFirstOrThrow()
  return updated_at
}

/** How many accounts there are, and how many of them are not offline. */
export async function countMembers(db: Db): Promise<{ total: number; online: number }> {
  const rows = await db
    .selectFrom('user')
    .select(({ fn }) => ['status', fn.countAll<number | string>().as('count')])
    .groupBy('status')
    .execute()
  const sum = (some: typeof rows): number => some.reduce((total, { count }) => total + Number(count), 0)
  return { total: sum(rows), online: sum(rows.filter(({ status }) => status !== 'offline')) }
}

/** The id of this server, made at its first start. */
export async function readServerId(db: Db): Promise<string | undefined> {
  return (await readValue(db, 'server_id')) as string | undefined
}

export async function createServerId(tx: Tx, now: number): Promise<void> {
  await insertOnce(tx, 'server_id', newId(now), now)
}

/**
 * Makes `userId` the owner if nobody is yet. Of people who sign up at the same moment one wins.
 *
 * @returns whether it was done
 */
export async function claimOwnership(tx: Tx, userId: string, now: number): Promise<boolean> {
  return insertOnce(tx, 'first_owner', userId, now)
}

/** Whether somebody has become the owner. */
export async function hasOwner(db: Db): Promise<boolean> {
  return (await readValue(db, 'first_owner')) !== undefined
}

async function insertOnce(tx: Tx, key: string, value: unknown, now: number): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('server_setting')
    .values({ key, value: JSON.stringify(value), updated_at: now })
    .onConflict((c) => c.column('key').doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

async function putValue(tx: Tx, key: string, value: unknown, now: number): Promise<void> {
  const text = JSON.stringify(value ?? null)
  await tx
    .insertInto('server_setting')
    .values({ key, value: text, updated_at: now })
    .onConflict((c) => c.column('key').doUpdateSet({ value: text, updated_at: now }))
    .execute()
}

async function readValue(db: Db, key: string): Promise<unknown> {
  const row = await db.selectFrom('server_setting').select('value').where('key', '=', key).executeTakeFirst()
  return row && (JSON.parse(row.value) as unknown)
}

/** The settings in force, read without waiting. A change is seen as soon as `reload` has run. */
export class Settings {
  readonly #db: Db
  #current: ServerSettings
  #limits: LimitRules
  readonly #readings = new LatestReading()

  private constructor(db: Db, current: ServerSettings) {
    this.#db = db
    this.#current = current
    this.#limits = limitRulesOf(current)
  }

  static async open(db: Db): Promise<Settings> {
    return new Settings(db, await readSettings(db))
  }

  get current(): ServerSettings {
    return this.#current
  }

  /** What follows from them for rate limits. */
  get limits(): LimitRules {
    return this.#limits
  }

  async reload(): Promise<void> {
    await this.#readings.take(
      () => readSettings(this.#db),
      (read) => {
        this.#current = read
        this.#limits = limitRulesOf(read)
      },
    )
  }
}
