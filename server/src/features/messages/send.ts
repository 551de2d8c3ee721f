import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import { accessChannelToWrite, accessChannelWith, awaitTurn, noteChange } from '#features/channels/index.ts'
import { storeFiles, type StagedFile } from '#features/files/index.ts'
import { demand, type Actor } from '#http/access.ts'
import { badRequest, HttpError, invalidField } from '#http/errors.ts'
import { newId } from '#lib/id.ts'
import { characterCount, cleanText } from '#lib/text.ts'
import { sealContent, untouched } from './content.ts'
import { countThreadReply } from './conversation-store.ts'
import { referencesOf } from './replies.ts'
import { insertMessage, readStateAdvance } from './store.ts'
import { parseIsoTime } from '#lib/iso-time.ts'

type Deps = Pick<
  Context,
  | 'db'
  | 'clock'
  | 'config'
  | 'keyring'
  | 'settings'
  | 'profiles'
  | 'messages'
  | 'vault'
  | 'conversations'
  | 'search'
  | 'notifications'
>

const MB = 1024 * 1024

export interface MessageInput {
  readonly message: string
  readonly sent_at?: string | null | undefined
  /** The message that it answers, and the one that began the thread it is in. */
  readonly reply_to?: string | null | undefined
  readonly thread_id?: string | null | undefined
}

/**
 * Stores a message and announces it. What one writes, one has read.
 *
 * @param files that came with it; they are the message's when it is stored
 * @throws HttpError 400 empty, too long, or a channel for voice only; 403; 404 also of what it refers to; 413; 422; 429
 *   in slow mode; 507
 */
export async function sendMessage(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  input: MessageInput,
  files: readonly StagedFile[] = [],
): Promise<MessageContent> {
  const text = checkMessage(ctx, input, files)
  const now = ctx.clock()
  const draft = { id: newId(now), channelId, senderId: actor.userId, text }
  const key = ctx.keyring.current('message')
  const sealed = sealContent(key, draft, 1)
  const indexed = ctx.search.entryOf({ ...draft, sentAt: now, files })
  const mentions = ctx.notifications.read(text)
  // The gateway shows the author next to the message and should not have to wait for the database then.
  await ctx.profiles.of([actor.userId])
  const sent = await ctx.db.transact(async (tx) => {
    const channel = await accessChannelToWrite(tx, actor, channelId)
    const { type, seq } = channel
    if (type === 'voice') throw badRequest('This channel is for voice only')
    const isDirect = type === 'dm'
    if (isDirect) await ctx.conversations.admit(tx, channelId, { senderId: actor.userId, seq })
    await awaitTurn(tx, actor, channel, now)
    const { replyTo, threadId } = await referencesOf(ctx, tx, channelId, input)
    insertMessage(tx, {
      id: draft.id,
      channel_id: channelId,
      seq,
      sender_id: actor.userId,
      kid: key.kid,
      sealed,
      sent_at: now,
      has_files: files.length > 0 ? 1 : 0,
      ...(replyTo && { reply_to_id: replyTo.id }),
      ...(threadId !== null && { thread_id: threadId }),
    })
    if (threadId !== null) {
      countThreadReply(tx, threadId, now)
      noteChange(tx, channelId)
    }
    ctx.search.put(tx, indexed)
    tx.later(readStateAdvance(tx, actor.userId, channelId, seq, now))
    const use = { ownerId: actor.userId, purpose: 'attachment', visibility: 'channel' } as const
    const stored =
      files.length === 0 ? [] : await storeFiles(ctx, tx, files, { ...use, channelId, messageId: draft.id })
    const message = { ...draft, ...untouched, isDirect, seq, sentAt: now, files: stored, replyTo, threadId }
    if (isDirect) await ctx.conversations.sent(tx, message)
    tx.publish({ type: 'message.sent', message })
    const sender = { person: actor, standing: channel.standing }
    await ctx.notifications.sent(tx, message, sender, mentions, { answered: replyTo?.senderId, threadId })
    return message
  })
  for (const file of files) file.kept()
  ctx.messages.remember(sent, 0)
  return sent
}

/**
 * What may be said, made safe to store and show.
 *
 * @throws HttpError 400 empty or too long, 413 too large, 422
 */
export function checkMessage(
  ctx: Pick<Context, 'settings'>,
  input: MessageInput,
  files: readonly StagedFile[] = [],
): string {
  if (input.sent_at && parseIsoTime(input.sent_at) === undefined) {
    throw invalidField(['body', 'sent_at'], 'must be an ISO 8601 time', 'value_error')
  }
  expectFitting(ctx, files)
  return cleanMessage(ctx, input.message, { mayBeEmpty: files.length > 0 })
}

/** A text made safe to store and show. @throws HttpError 400 empty or too long */
export function cleanMessage(
  ctx: Pick<Context, 'settings'>,
  input: string,
  { mayBeEmpty }: { mayBeEmpty: boolean },
): string {
  const text = cleanText(input)
  if (text.trim() === '' && !mayBeEmpty) throw badRequest('The message is empty')
  const { max_message_length: limit } = ctx.settings.current
  if (characterCount(text) > limit) throw badRequest(`The message is too long: at most ${limit} characters`)
  return text
}

function expectFitting({ settings }: Pick<Context, 'settings'>, files: readonly StagedFile[]): void {
  const { max_attachments_size: limit } = settings.current
  const bytes = files.reduce((sum, { main }) => sum + main.size, 0)
  if (bytes > limit * MB) throw new HttpError(413, `All files together are too large: at most ${limit} MB`)
}

/**
 * Whether somebody may upload files for a channel: asked before the first byte of them is taken.
 *
 * @throws HttpError 403, 404
 */
export async function expectMayAttach(
  ctx: Pick<Context, 'db'>,
  actor: Actor,
  channelId: string,
): Promise<void> {
  const { standing } = await accessChannelWith(ctx.db.read, actor, 'send_messages', channelId)
  demand(actor, 'upload_files', standing)
}
