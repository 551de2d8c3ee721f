import type { Context } from '#context'
import type { Db, Tx } from '#db/database.ts'
import type { NotificationPreferenceTable } from '#db/tables.ts'
import { accessChannel, listVisibleChannels } from '#features/channels/index.ts'
import type { Actor } from '#http/access.ts'
import { invalidField } from '#http/errors.ts'
import { parseIsoTime } from '#lib/iso-time.ts'
import { isMuted, type Level } from './policy.ts'
import {
  deletePreference,
  findPreference,
  insertSilence,
  listPreferences,
  putPreference,
  writeEverywhere,
} from './preference-store.ts'

type Deps = Pick<Context, 'db' | 'clock'>

export interface PreferenceInput {
  readonly muted: boolean
  readonly mention_only: boolean
  readonly muted_until?: string | null | undefined
  readonly level?: Level | null | undefined
}

/** What the caller has chosen for single channels that they see, the last choice first. */
export async function preferencesOf(db: Db, actor: Actor): Promise<NotificationPreferenceTable[]> {
  const channels = await listVisibleChannels(db, actor, { direct: true })
  return listPreferences(
    db,
    actor.userId,
    channels.map(({ id }) => id),
  )
}

/** Chooses what the caller wants to be told of in one channel. @throws HttpError 404, 422 */
export async function choosePreference(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  input: PreferenceInput,
): Promise<NotificationPreferenceTable> {
  const now = ctx.clock()
  const until = mutedUntil(input, now)
  const level = input.level ?? (input.mention_only ? 'mentions' : null)
  const muted = input.muted || until !== null || level === 'nothing'
  return ctx.db.transact(async (tx) => {
    await accessChannel(tx, actor, channelId)
    const before = await findPreference(tx, actor.userId, channelId)
    const since = before && isMuted(before, now) ? before.muted_at : now
    const row: NotificationPreferenceTable = {
      user_id: actor.userId,
      channel_id: channelId,
      level: level === 'nothing' ? null : level,
      muted_at: muted ? since : null,
      muted_until: until,
      updated_at: now,
    }
    if (before && before.muted_at !== row.muted_at) await keepSilence(tx, before, now)
    await putPreference(tx, row)
    tx.publish({ type: 'notification.preferences_changed', userId: actor.userId, channelId })
    return row
  })
}

/** Takes back what the caller chose for a channel. @returns whether there was a choice @throws HttpError 404 */
export async function dropPreference(ctx: Deps, actor: Actor, channelId: string): Promise<boolean> {
  return ctx.db.transact(async (tx) => {
    await accessChannel(tx, actor, channelId)
    const before = await deletePreference(tx, actor.userId, channelId)
    if (!before) return false
    await keepSilence(tx, before, ctx.clock())
    tx.publish({ type: 'notification.preferences_changed', userId: actor.userId, channelId })
    return true
  })
}

/** A silence ends, or has ended: what came in it stays silent. */
async function keepSilence(tx: Tx, before: NotificationPreferenceTable, now: number): Promise<void> {
  const { user_id, channel_id, muted_at, muted_until } = before
  if (muted_at === null) return
  await insertSilence(tx, { user_id, channel_id, muted_at, muted_until: Math.min(muted_until ?? now, now) })
}

/** Chooses what the caller wants to be told of where they have not said otherwise. */
export async function chooseEverywhere(ctx: Deps, actor: Actor, level: Level): Promise<void> {
  await ctx.db.transact(async (tx) => {
    await writeEverywhere(tx, actor.userId, level, ctx.clock())
    tx.publish({ type: 'notification.preferences_changed', userId: actor.userId, channelId: null })
  })
}

function mutedUntil({ muted, muted_until: text }: PreferenceInput, now: number): number | null {
  if (text === null || text === undefined) return null
  const until = parseIsoTime(text)
  const refuse = (message: string): never => {
    throw invalidField(['body', 'muted_until'], message, 'value_error')
  }
  if (until === undefined) return refuse('must be an ISO 8601 time')
  if (!muted) return refuse('goes with muted only')
  return until > now ? until : refuse('must be in the future')
}
