import { setImmediate } from 'node:timers/promises'
import type { Context } from '#context'
import { whoSees } from '#features/channels/index.ts'
import { findConcerning } from './message-store.ts'
import { factsOf, rowOf } from './notifications.ts'
import { levelOf } from './policy.ts'
import { PRESENT_MS } from './push.ts'
import { addNotifications, candidates } from './store.ts'

/** Few enough that others get their turn in between. */
const BATCH = 200

/** Tells those of a message who are online: they are known at this moment only, so each of them gets a row, in batches. */
export async function tellThoseHere(
  ctx: Pick<Context, 'db' | 'clock' | 'roles' | 'notifications'>,
  messageId: string,
  signal: AbortSignal,
): Promise<void> {
  let after = ''
  for (;;) {
    signal.throwIfAborted()
    const message = await findConcerning(ctx.db.read, messageId)
    if (!message) return
    const { channelId, senderId: actorId, isDirect } = message
    const now = ctx.clock()
    const batch = await candidates(
      ctx.db.read,
      { of: 'online', after, limit: BATCH },
      { actorId, channelId, now },
    )
    const willing = batch.filter((one) => levelOf(one, { isDirect, now }) !== 'nothing').map(({ id }) => id)
    const seeing = await whoSees(ctx, ctx.db.read, channelId, willing)
    const rows = [...seeing].map((userId) => rowOf(message, { userId, type: 'mention' }, now))
    await ctx.db.transact(async (tx) => {
      // Deleted meanwhile: then nobody is told.
      if (!(await findConcerning(tx, messageId))) return
      const added = await addNotifications(tx, rows)
      for (const row of rows) {
        if (added.has(row.id)) tx.publish({ type: 'notification.created', notification: factsOf(row) })
      }
      if (!ctx.notifications.interest.isAny || added.size === 0) return
      const late = rows.flatMap(({ id, user_id }) => (added.has(id) ? [user_id] : []))
      tx.enqueue({ type: 'notifications.push', payload: { messageId, late }, runAt: now + PRESENT_MS })
    })
    if (batch.length < BATCH) return
    after = batch.at(-1)!.id
    await setImmediate()
  }
}
