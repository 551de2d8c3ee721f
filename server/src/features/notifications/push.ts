import type { Context } from '#context'
import type { Db } from '#db/database.ts'
import { whoSees } from '#features/channels/index.ts'
import { rolesByUser } from '#features/roles/index.ts'
import { findConcerning } from './message-store.ts'
import type { Concerning } from './notifications.ts'
import { levelOf } from './policy.ts'
import { candidates, notificationsOf, type Candidate } from './store.ts'
import { attentionOf, livingSubscriptions } from './subscription-store.ts'

/** Few enough that others get their turn in between. */
const BATCH = 200
/** Who has a socket open is told by it; if they have not looked after so long, they are away all the same. */
export const PRESENT_MS = 30_000

/** Why somebody is reached: what a notification is of, or that they want to be told of everything. */
export type PushReason = 'mention' | 'reply' | 'thread' | 'direct' | 'message'

type Deps = Pick<Context, 'db' | 'clock' | 'roles'>

/**
 * Finds out whom to reach because of a message, and leaves a job for each of their devices: some people at a time, each time
 * in one transaction with the job that goes on after them.
 *
 * @param step.after the person after whom to go on
 * @param step.late only these, who had sockets open the first time
 */
export async function planPush(
  ctx: Deps,
  { messageId, after = '', late }: { messageId: string; after?: string; late?: readonly string[] },
): Promise<void> {
  const db = ctx.db.read
  const message = await findConcerning(db, messageId)
  if (!message) return
  const now = ctx.clock()
  const about = { actorId: message.senderId, channelId: message.channelId, now }
  const batch = late
    ? await candidates(db, { ids: late, names: [] }, about)
    : await candidates(db, { of: 'subscribed', after, limit: BATCH }, about)
  const reached = await whomToReach(ctx, db, message, batch)
  const ids = [...reached.keys()]
  const isPresent = (id: string): boolean => late === undefined && reached.get(id)!.isPresent
  const away = ids.filter((id) => !isPresent(id))
  const present = ids.filter(isPresent)
  await ctx.db.transact(async (tx) => {
    for (const { id } of await livingSubscriptions(tx, away, now)) {
      tx.enqueue({ type: 'notifications.deliver', payload: { subscriptionId: id, messageId } })
    }
    if (present.length > 0) {
      const payload = { messageId, late: present }
      tx.enqueue({ type: 'notifications.push', payload, runAt: now + PRESENT_MS })
    }
    if (late === undefined && batch.length === BATCH) {
      tx.enqueue({ type: 'notifications.push', payload: { messageId, after: batch.at(-1)!.id } })
    }
  })
}

/** Why one person is to be reached because of a message at this moment; undefined when they are not (any more). */
export async function reasonToReach(
  ctx: Deps,
  messageId: string,
  userId: string,
): Promise<{ message: Concerning; reason: PushReason } | undefined> {
  const db = ctx.db.read
  const message = await findConcerning(db, messageId)
  if (!message) return undefined
  const about = { actorId: message.senderId, channelId: message.channelId, now: ctx.clock() }
  const people = await candidates(db, { ids: [userId], names: [] }, about)
  const reached = (await whomToReach(ctx, db, message, people)).get(userId)
  return reached && { message, reason: reached.reason }
}

/** Those whom a message concerns, who see it, have not read it, and do not want quiet. */
async function whomToReach(
  ctx: Deps,
  db: Db,
  message: Concerning,
  people: readonly Candidate[],
): Promise<Map<string, { reason: PushReason; isPresent: boolean }>> {
  const { id, channelId, isDirect, seq } = message
  const now = ctx.clock()
  const rows = (await notificationsOf(db, id)).filter(({ withdrawn_at }) => withdrawn_at === null)
  const own = new Map(rows.map((row) => [row.user_id, row]))
  const broadcast = own.get(null)
  const roles = broadcast?.roles
    ? await rolesByUser(
        db,
        people.map((one) => one.id),
      )
    : undefined
  const isSpokenTo = (userId: string): boolean =>
    broadcast !== undefined &&
    (broadcast.roles === null ||
      (roles?.get(userId) ?? []).some((roleId) => broadcast.roles!.includes(` ${roleId} `)))

  const reasonOf = (one: Candidate): PushReason | undefined => {
    const level = levelOf(one, { isDirect, now })
    if (level === 'nothing') return undefined
    const mine = own.get(one.id)
    if (mine) return mine.read_at === null ? mine.type : undefined
    if (isSpokenTo(one.id)) return 'mention'
    if (level !== 'all') return undefined
    return isDirect ? 'direct' : 'message'
  }
  const concerned = people.flatMap((one) => {
    const reason = reasonOf(one)
    return reason ? [{ id: one.id, reason }] : []
  })
  const ids = concerned.map((one) => one.id)
  const attention = await attentionOf(db, ids, channelId)
  const seeing = await whoSees(ctx, db, channelId, ids)
  return new Map(
    concerned.flatMap(({ id: userId, reason }) => {
      const state = attention.get(userId)
      if (!state || state.wantsQuiet || state.readSeq >= seq || !seeing.has(userId)) return []
      return [[userId, { reason, isPresent: state.isPresent }] as const]
    }),
  )
}
