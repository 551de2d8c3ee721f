import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Context } from '#context'
import { recordAudit } from '#features/audit/index.ts'
import { accessChannel, listVisibleChannels, lockChannel } from '#features/channels/index.ts'
import { recentMessagesOf, withdrawMessage } from '#features/messages/index.ts'
import type { Actor } from '#http/access.ts'
import { demand } from '#http/access.ts'
import { can } from '#lib/permission.ts'
import { accessTarget } from './target.ts'

const MINUTE = 60_000
/** Few enough that others get their turn in between, and that sockets keep up. */
const BATCH = 100

/**
 * Deletes what one person sent lately, newest first, wherever `actor` may delete messages of others. Never in direct
 * conversations.
 *
 * @returns how many went, and whether there may be more
 * @throws HttpError 400, 403, 404
 */
export async function deleteRecentMessages(
  ctx: Pick<Context, 'db' | 'clock' | 'notifications'>,
  actor: Actor,
  userId: string,
  which: { minutes: number; channelId: string | undefined; limit: number },
): Promise<{ deleted: number; more: boolean }> {
  const until = ctx.clock()
  const since = until - which.minutes * MINUTE
  const channelIds = await channelsToClean(ctx, actor, which.channelId)
  let deleted = 0
  for (;;) {
    const limit = Math.min(BATCH, which.limit - deleted)
    const removed = await ctx.db.transact(async (tx) => {
      // In every batch anew: power that is lost meanwhile deletes nothing more.
      await accessTarget(tx, actor, userId, 'delete_messages')
      const batch = await recentMessagesOf(tx, userId, channelIds, { since, until, limit })
      const touched = [...new Set(batch.map((row) => row.channel_id))].toSorted()
      // All of them before the first file, so that senders and this do not wait for each other.
      for (const id of touched) await lockChannel(tx, id)
      for (const message of batch) await withdrawMessage(ctx, tx, message, actor.userId)
      if (batch.length > 0) {
        recordAudit(tx, {
          actorId: actor.userId,
          action: 'user.messages_deleted',
          targetType: 'user',
          targetId: userId,
          details: { count: batch.length, channel_ids: touched },
          at: ctx.clock(),
        })
      }
      return batch.length
    })
    deleted += removed
    if (removed < limit) return { deleted, more: false }
    if (deleted === which.limit) return { deleted, more: true }
    await nextTurn()
  }
}

async function channelsToClean(
  ctx: Pick<Context, 'db'>,
  actor: Actor,
  channelId: string | undefined,
): Promise<string[]> {
  if (channelId !== undefined) {
    const { standing } = await accessChannel(ctx.db.read, actor, channelId)
    demand(actor, 'delete_messages', standing)
    return [channelId]
  }
  const channels = await listVisibleChannels(ctx.db.read, actor)
  return channels
    .filter(({ standing }) => can(actor, 'delete_messages', standing).allowed)
    .map(({ id }) => id)
}
