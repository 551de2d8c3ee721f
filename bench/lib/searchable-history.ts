import { loadConfig } from '#config/load.ts'
import { createContext, type Context } from '#context'
import { sealContent } from '#features/messages/index.ts'
import { reindex } from '#features/search/index.ts'
import { newId } from '#lib/id.ts'
import { createLog } from '#log/log.ts'
import { seededRandom } from './random.ts'
import { Vocabulary } from './vocabulary.ts'

const YEARS_MS = 2 * 365 * 24 * 3600 * 1000
const WORDS = 60_000
const AUTHORS = 500
const ROWS_PER_STATEMENT = 250

/** A history as a server of some years has it, the same each time but for ids and keys. */
export interface History {
  readonly vocabulary: Vocabulary
  /** Some of the texts that were said. */
  readonly samples: readonly string[]
  readonly random: () => number
}

/** Writes people who cannot sign in: what they said is all that is of interest. @returns their ids */
async function insertPeople(ctx: Context, count: number): Promise<string[]> {
  const rows = Array.from({ length: count }, (_, number) => ({
    id: newId(),
    username: `author${number}`,
    username_key: `author${number}`,
    username_skeleton: `author${number}`,
    password_hash: '',
    about: null,
    status: 'offline',
    chosen_status: 'online',
    avatar: null,
    banner: null,
    created_at: ctx.clock(),
    updated_at: ctx.clock(),
    last_seen_at: null,
    origin_server: null,
  }))
  await ctx.db.transact(async (tx) => tx.later(tx.insertInto('user').values(rows)))
  return rows.map(({ id }) => id)
}

/**
 * Writes `count` messages directly into the tables, and indexes them as an operator would. No server may run.
 *
 * @param options.channelIds by how much is said in them
 * @param options.readerId says something as well
 */
export async function writeSearchableHistory(
  env: Readonly<Record<string, string>>,
  options: { count: number; channelIds: readonly string[]; readerId: string },
): Promise<History> {
  const { config } = loadConfig({ env: { ...env } })
  const log = createLog({
    level: 'warn',
    format: 'json',
    destination: { write: (line) => console.error(line) },
  })
  await using ctx = await createContext({ config, log, role: 'command' })
  const random = seededRandom(1)
  const vocabulary = new Vocabulary(WORDS, random)
  const authorIds = [options.readerId, ...(await insertPeople(ctx, AUTHORS))]
  const samples = await insertMessages(ctx, { ...options, authorIds, random, vocabulary })
  await reindex(ctx, { signal: new AbortController().signal, pauseMs: 0 })
  return { vocabulary, samples, random }
}

async function insertMessages(
  ctx: Context,
  {
    count,
    channelIds,
    authorIds,
    random,
    vocabulary,
  }: {
    count: number
    channelIds: readonly string[]
    authorIds: readonly string[]
    random: () => number
    vocabulary: Vocabulary
  },
): Promise<string[]> {
  const key = ctx.keyring.current('message')
  const lastSeq = new Map<string, number>()
  const samples: string[] = []
  const start = ctx.clock() - YEARS_MS
  const row = (index: number) => {
    const sentAt = start + Math.floor((index / count) * YEARS_MS)
    const channelId = channelIds[Math.floor(random() ** 2 * channelIds.length)]!
    const senderId = authorIds[Math.floor(random() ** 2 * authorIds.length)]!
    const seq = (lastSeq.get(channelId) ?? 0) + 1
    lastSeq.set(channelId, seq)
    const text = vocabulary.text()
    if (index % 97 === 0) samples.push(text)
    const id = newId(sentAt)
    return {
      id,
      channel_id: channelId,
      seq,
      sender_id: senderId,
      kid: key.kid,
      sealed: sealContent(key, { id, channelId, senderId, text }, 1),
      revision: 1,
      sent_at: sentAt,
      deleted_at: null,
      deleted_by: null,
      has_files: 0 as const,
      changes: 0,
      thread_replies: 0,
      reaction_count: 0,
    }
  }
  for (let written = 0; written < count;) {
    const rows = Array.from({ length: Math.min(ROWS_PER_STATEMENT, count - written) }, (_, i) =>
      row(written + i),
    )
    await ctx.db.transact(async (tx) => tx.later(tx.insertInto('message').values(rows)))
    written += rows.length
  }
  await ctx.db.transact(async (tx) => {
    for (const [id, last_seq] of lastSeq)
      tx.later(tx.updateTable('channel').set({ last_seq }).where('id', '=', id))
  })
  return samples
}
