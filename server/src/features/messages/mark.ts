import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import { accessChannel, lockChannel, noteChange, type AccessibleChannel } from '#features/channels/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { removeFilesOfMessages } from '#features/files/index.ts'
import type { Db, Tx } from '#db/database.ts'
import type { Actor } from '#http/access.ts'
import { can, type Standing } from '#lib/permission.ts'
import { forbidden, HttpError, notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { deleteAttributes, noteMessageChange, recountThread } from './conversation-store.ts'
import { advanceReadState, channelOfMessage, eraseMessage, findMessage, type LivingMessage } from './store.ts'

type Deps = Pick<Context, 'db' | 'clock'>

/** A message in a channel that `actor` may see. @throws HttpError 404 */
export async function accessMessage(
  db: Db,
  actor: Standing,
  channelId: string,
  messageId: string,
): Promise<{ message: LivingMessage; channel: AccessibleChannel }> {
  const channel = await accessChannel(db, actor, channelId)
  const message = isId(messageId) ? await findMessage(db, channelId, messageId) : undefined
  if (!message) throw messageNotFound(messageId)
  return { message, channel }
}

/** One message. @throws HttpError 404 */
export async function oneMessage(
  ctx: Pick<Context, 'db' | 'messages'>,
  actor: Actor,
  channelId: string,
  messageId: string,
): Promise<MessageContent> {
  const { message } = await accessMessage(ctx.db.read, actor, channelId, messageId)
  const [content] = await ctx.messages.read(ctx.db.read, [message])
  if (!content) throw messageNotFound(messageId)
  return content
}

/** A message wherever it is. Whether it or its channel is out of reach must not show. @throws HttpError 404 */
export async function accessMessageAnywhere(
  db: Db,
  actor: Standing,
  messageId: string,
): Promise<{ message: LivingMessage; channel: AccessibleChannel }> {
  const channelId = isId(messageId) ? await channelOfMessage(db, messageId) : undefined
  if (channelId === undefined) throw messageNotFound(messageId)
  try {
    return await accessMessage(db, actor, channelId, messageId)
  } catch (error) {
    throw error instanceof HttpError && error.status === 404 ? messageNotFound(messageId) : error
  }
}

/**
 * Marks a message, and with it all before it, as read by the caller.
 *
 * @param named the channel the caller takes it to be in, if said
 * @throws HttpError 404
 */
export async function markAsRead(
  ctx: Deps & Pick<Context, 'conversations'>,
  actor: Standing,
  named: string | undefined,
  messageId: string,
): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const { message, channel } =
      named === undefined
        ? await accessMessageAnywhere(tx, actor, messageId)
        : await accessMessage(tx, actor, named, messageId)
    const { seq, channel_id: channelId } = message
    const { userId } = actor
    if (!(await advanceReadState(tx, userId, channelId, seq, ctx.clock()))) return
    tx.publish({ type: 'message.read', userId, channelId, messageId, seq })
    if (channel.type !== 'dm') return
    const place = { id: messageId, channelId, senderId: message.sender_id, readerId: userId, seq }
    await ctx.conversations.read(tx, place)
  })
}

/** Deletes a message: its author may, and who may delete anybody's. @throws HttpError 403, 404 */
export async function deleteMessage(
  ctx: Deps & Pick<Context, 'conversations' | 'notifications'>,
  actor: Actor,
  channelId: string,
  messageId: string,
): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const { message, channel } = await accessMessage(tx, actor, channelId, messageId)
    const isAuthor = message.sender_id === actor.userId
    if (!isAuthor && !can(actor, 'delete_messages', channel.standing).allowed) {
      throw forbidden('Only the author or a moderator can delete this message')
    }
    if (!(await withdrawMessage(ctx, tx, message, actor.userId))) throw messageNotFound(messageId)
    if (channel.type === 'dm') {
      await ctx.conversations.deleted(tx, { id: messageId, channelId, senderId: message.sender_id })
    }
    if (isAuthor) return
    recordAudit(tx, {
      actorId: actor.userId,
      action: 'message.deleted',
      targetType: 'message',
      targetId: messageId,
      details: { channel_id: channelId, sender_id: message.sender_id },
      at: ctx.clock(),
    })
  })
}

/** Takes a message away from everybody, with its files, and leaves a tombstone, once it is known that it may be. @returns false if it was gone already */
export async function withdrawMessage(
  ctx: Pick<Context, 'clock' | 'notifications'>,
  tx: Tx,
  message: Pick<LivingMessage, 'id' | 'channel_id' | 'seq' | 'has_files' | 'thread_id'>,
  by: string,
): Promise<boolean> {
  const { id, channel_id: channelId, seq, thread_id: threadId } = message
  // Whoever answers it at this moment waits, and then finds it gone.
  await lockChannel(tx, channelId)
  if (message.has_files === 1) await removeFilesOfMessages(ctx, tx, [id])
  if (!(await eraseMessage(tx, id, by, ctx.clock()))) return false
  deleteAttributes(tx, id)
  if (threadId !== null) recountThread(tx, threadId)
  noteMessageChange(tx, id)
  noteChange(tx, channelId)
  await ctx.notifications.deleted(tx, id)
  tx.publish({ type: 'message.deleted', channelId, messageId: id, seq })
  return true
}

export function messageNotFound(messageId: string): HttpError {
  return notFound('message_id', messageId)
}
