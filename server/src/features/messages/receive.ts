import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { MessageContent } from '#events/events.ts'
import { accessChannelToWrite, lockChannel } from '#features/channels/index.ts'
import { storeFiles, type StagedFile } from '#features/files/index.ts'
import { noOverrides, type Standing } from '#lib/permission.ts'
import { newId } from '#lib/id.ts'
import type { Right } from '#lib/rights.ts'
import { sealContent, untouched } from './content.ts'
import { withdrawMessage } from './mark.ts'
import { reviseText, storeRevision } from './revise.ts'
import {
  advanceReadState,
  findConversationMessage,
  findMessages,
  insertMessage,
  readStateAdvance,
} from './store.ts'

type Deps = Pick<
  Context,
  'clock' | 'config' | 'keyring' | 'settings' | 'vault' | 'conversations' | 'search' | 'notifications'
>

/** What somebody on another server may do in a conversation that they take part in; they have no role here. */
const rights: ReadonlySet<Right> = new Set(['view_messages', 'send_messages', 'upload_files'])
const HELD = [{ id: 'elsewhere', name: 'elsewhere', rights, isSystem: true }]

/** A message from another server, as it is to be stored. */
export interface ReceivedMessage {
  readonly channelId: string
  readonly senderId: string
  readonly text: string
  readonly sentAt: number
  readonly files: readonly StagedFile[]
}

/**
 * Stores a message of somebody on another server, in a conversation that they take part in, and announces it.
 *
 * @throws HttpError 507 there is no room for its files
 */
export async function receiveMessage(
  ctx: Deps,
  tx: Tx,
  { channelId, senderId, text, sentAt, files }: ReceivedMessage,
): Promise<MessageContent> {
  const now = ctx.clock()
  const sender: Standing = { userId: senderId, held: HELD, rights, timedOutUntil: null }
  const { seq, standing } = await accessChannelToWrite(tx, sender, channelId)
  const draft = { id: newId(now), channelId, senderId, text }
  const key = ctx.keyring.current('message')
  insertMessage(tx, {
    id: draft.id,
    channel_id: channelId,
    seq,
    sender_id: senderId,
    kid: key.kid,
    sealed: sealContent(key, draft, 1),
    sent_at: sentAt,
    has_files: files.length > 0 ? 1 : 0,
  })
  ctx.search.put(tx, ctx.search.entryOf({ ...draft, sentAt, files }))
  tx.later(readStateAdvance(tx, senderId, channelId, seq, now))
  const use = { ownerId: senderId, purpose: 'attachment', visibility: 'channel' } as const
  const stored =
    files.length === 0 ? [] : await storeFiles(ctx, tx, files, { ...use, channelId, messageId: draft.id })
  const references = { replyTo: null, threadId: null }
  const message = { ...draft, ...untouched, ...references, isDirect: true, seq, sentAt, files: stored }
  tx.publish({ type: 'message.sent', message })
  await ctx.notifications.sent(tx, message, { person: sender, standing }, ctx.notifications.read(text))
  return message
}

/**
 * Gives messages another text that their sender on another server has given them.
 *
 * @returns how many say something else now
 */
export async function reviseReceived(
  ctx: Pick<Context, 'clock' | 'keyring' | 'messages' | 'search' | 'conversations' | 'notifications'>,
  tx: Tx,
  { messageIds, senderId, text }: { messageIds: readonly string[]; senderId: string; text: string },
): Promise<number> {
  let revised = 0
  for (const { channel_id: channelId } of await findMessages(tx, messageIds)) await lockChannel(tx, channelId)
  for (const message of await findMessages(tx, messageIds)) {
    if (message.sender_id !== senderId) continue
    const [before] = await ctx.messages.readFresh(tx, [message])
    if (!before || before.text === text || (text === '' && before.files.length === 0)) continue
    if (await ctx.conversations.isCutOff(tx, message.channel_id, senderId)) continue
    const edited = { at: ctx.clock(), by: senderId }
    const after = reviseText(ctx, before, { text, revision: message.revision + 1, edited })
    const content = await storeRevision(ctx, tx, message, after)
    if (!content) continue
    revised++
    const involved = { answered: content.replyTo?.senderId, threadId: content.threadId }
    const person = { userId: senderId, held: HELD, rights, timedOutUntil: null }
    const standing = { type: 'dm', isPrivate: true, isMember: true, overrides: noOverrides }
    await ctx.notifications.edited(
      tx,
      content,
      { person, standing },
      { before: before.text, after: text },
      involved,
    )
  }
  return revised
}

/** Takes messages away that their sender on another server takes back. @returns how many were there */
export async function withdrawReceived(
  ctx: Pick<Context, 'clock' | 'notifications'>,
  tx: Tx,
  messageIds: readonly string[],
  senderId: string,
): Promise<number> {
  let withdrawn = 0
  for (const message of await findMessages(tx, messageIds)) {
    if (message.sender_id !== senderId) continue
    if (await withdrawMessage(ctx, tx, message, senderId)) withdrawn++
  }
  return withdrawn
}

/**
 * Notes that a participant of a conversation, on another server, has read a message in it, and with it all before.
 *
 * @returns false if they take no part, or it is no news
 */
export async function noteReadElsewhere(
  ctx: Pick<Context, 'clock'>,
  tx: Tx,
  { messageId, userId }: { messageId: string; userId: string },
): Promise<boolean> {
  const message = await findConversationMessage(tx, messageId, userId)
  if (!message) return false
  const { channel_id: channelId, seq } = message
  if (!(await advanceReadState(tx, userId, channelId, seq, ctx.clock()))) return false
  tx.publish({ type: 'conversation.read', channelId, userId, messageId, seq })
  return true
}
