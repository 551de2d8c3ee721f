import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import { lockChannel, type AccessibleChannel } from '#features/channels/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { demand, type Actor } from '#http/access.ts'
import { conflict, forbidden } from '#http/errors.ts'
import { can } from '#lib/permission.ts'
import { listRevisions } from './conversation-store.ts'
import { accessMessage, messageNotFound } from './mark.ts'
import { revisionOf, reviseText, storeRevision } from './revise.ts'
import { cleanMessage } from './send.ts'
import type { LivingMessage } from './store.ts'

type Deps = Pick<
  Context,
  'db' | 'clock' | 'keyring' | 'settings' | 'messages' | 'search' | 'conversations' | 'notifications'
>

/**
 * Gives a message another text. What it said before is kept, encrypted, for moderators. Authors edit their own messages,
 * and who has `edit_messages` in the channel anybody's, which everybody can see.
 *
 * @throws HttpError 400 empty, too long, or its reader is gone; 403; 404; 409 when it was edited at the same time
 */
export async function editMessage(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  messageId: string,
  input: string,
): Promise<MessageContent> {
  const { message, channel } = await accessMessage(ctx.db.read, actor, channelId, messageId)
  expectMayEdit(actor, message, channel)
  const [before] = await ctx.messages.readFresh(ctx.db.read, [message])
  const text = cleanMessage(ctx, input, { mayBeEmpty: message.has_files === 1 })
  if (!before) throw messageNotFound(messageId)
  if (before.text === text) return before
  const edited = { at: ctx.clock(), by: actor.userId }
  const revised = reviseText(ctx, before, { text, revision: message.revision + 1, edited })

  return ctx.db.transact(async (tx) => {
    await lockChannel(tx, channelId)
    const now = await accessMessage(tx, actor, channelId, messageId)
    expectMayEdit(actor, now.message, now.channel)
    if (channel.type === 'dm') {
      await ctx.conversations.admitEdit(tx, channelId, { userId: actor.userId, authorId: message.sender_id })
    }
    const content = await storeRevision(ctx, tx, message, revised)
    if (!content) throw conflict('Somebody else has edited this message at the same time')
    if (channel.type === 'dm') await ctx.conversations.edited(tx, content)
    if (message.sender_id !== actor.userId) {
      recordAudit(tx, {
        actorId: actor.userId,
        action: 'message.edited',
        targetType: 'message',
        targetId: messageId,
        details: { channel_id: channelId, sender_id: message.sender_id },
        at: edited.at,
      })
    }
    await ctx.notifications.edited(
      tx,
      content,
      { person: actor, standing: now.channel.standing },
      { before: before.text, after: text },
      { answered: content.replyTo?.senderId, threadId: content.threadId },
    )
    return content
  })
}

function expectMayEdit(actor: Actor, message: LivingMessage, channel: AccessibleChannel): void {
  if (message.sender_id === actor.userId) return demand(actor, 'send_messages', channel.standing)
  if (!can(actor, 'edit_messages', channel.standing).allowed)
    throw forbidden('Only the author or a moderator can edit this message')
}

/** A text that a message has or had. */
export interface Revision {
  readonly revision: number
  readonly text: string
  readonly writtenAt: number
  readonly writtenBy: string
}

/** All texts of a message, the first one first. @throws HttpError 403, 404 */
export async function messageHistory(
  ctx: Pick<Context, 'db' | 'messages'>,
  actor: Actor,
  channelId: string,
  messageId: string,
): Promise<Revision[]> {
  const db = ctx.db.read
  const { message, channel } = await accessMessage(db, actor, channelId, messageId)
  demand(actor, 'moderate_content', channel.standing)
  const revisions = [...(await listRevisions(db, messageId)), revisionOf(message)]
  return Promise.all(
    revisions.map(async ({ revision, kid, sealed, written_at, written_by }) => ({
      revision,
      text: await ctx.messages.textOf({ ...message, revision, kid, sealed }),
      writtenAt: written_at,
      writtenBy: written_by,
    })),
  )
}
