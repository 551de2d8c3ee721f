import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import { accessChannel, lockChannel, noteChange, type AccessibleChannel } from '#features/channels/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { demand, type Actor } from '#http/access.ts'
import { badRequest } from '#http/errors.ts'
import { noteMessageChange, pinMessage, pinnedRefs } from './conversation-store.ts'
import { accessMessage } from './mark.ts'

/** Pinned messages of a channel: more than these nobody looks through. */
const MAX_PINS = 50

type Deps = Pick<Context, 'db' | 'clock' | 'conversations'>

/**
 * Pins a message, or unpins it. In a channel that takes `moderate_content`; in a direct conversation, whoever may write.
 *
 * @returns false when nothing was to be done
 * @throws HttpError 400 too many, 403, 404
 */
export function setPinned(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  messageId: string,
  { isPinned }: { isPinned: boolean },
): Promise<boolean> {
  return ctx.db.transact(async (tx) => {
    await lockChannel(tx, channelId)
    const { channel, message } = await accessMessage(tx, actor, channelId, messageId)
    expectMayPin(actor, channel)
    if (channel.type === 'dm') await ctx.conversations.admitReaction(tx, channelId, actor.userId)
    const now = ctx.clock()
    if (!(await pinMessage(tx, messageId, isPinned ? { at: now, by: actor.userId } : null))) return false
    if (isPinned && (await pinnedRefs(tx, channelId)).length > MAX_PINS)
      throw badRequest(`A channel has at most ${MAX_PINS} pinned messages: unpin one first`)
    noteMessageChange(tx, messageId)
    noteChange(tx, channelId)
    const type = isPinned ? 'message.pinned' : 'message.unpinned'
    tx.publish({ type, channelId, messageId, userId: actor.userId })
    if (channel.type !== 'dm') {
      recordAudit(tx, {
        actorId: actor.userId,
        action: type,
        targetType: 'message',
        targetId: messageId,
        details: { channel_id: channelId, sender_id: message.sender_id },
        at: now,
      })
    }
    return true
  })
}

function expectMayPin(actor: Actor, channel: AccessibleChannel): void {
  demand(actor, channel.type === 'dm' ? 'send_messages' : 'moderate_content', channel.standing)
}

/** The pinned messages of a channel, what was pinned last first. @throws HttpError 404 */
export async function listPins(
  ctx: Pick<Context, 'db' | 'messages'>,
  actor: Actor,
  channelId: string,
): Promise<MessageContent[]> {
  const db = ctx.db.read
  await accessChannel(db, actor, channelId)
  return ctx.messages.read(db, await pinnedRefs(db, channelId))
}
