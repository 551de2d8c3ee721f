import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import { accessChannelToWrite, accessChannelWith, awaitTurn } from '#features/channels/index.ts'
import { storeFiles, type StagedFile } from '#features/files/index.ts'
import { demand, type Actor } from '#http/access.ts'
import { badRequest, HttpError, invalidField } from '#http/errors.ts'
import { newId } from '#lib/id.ts'
import { characterCount, cleanText } from '#lib/text.ts'
import { sealContent } from './content.ts'
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
>

const MB = 1024 * 1024

export interface MessageInput {
  readonly message: string
  readonly sent_at?: string | null | undefined
}

/**
 * Stores a message and announces it. What one writes, one has read.
 *
 * @param files that came with it; they are the message's when it is stored
 * @throws HttpError 400 empty, too long, or a channel for voice only; 403; 404; 413; 422; 429 in slow mode; 507
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
  // The gateway shows the author next to the message and should not have to wait for the database then.
  await ctx.profiles.of([actor.userId])
  const sent = await ctx.db.transact(async (tx) => {
    const channel = await accessChannelToWrite(tx, actor, channelId)
    const { type, seq } = channel
    if (type === 'voice') throw badRequest('This channel is for voice only')
    const isDirect = type === 'dm'
    if (isDirect) await ctx.conversations.admit(tx, channelId, { senderId: actor.userId, seq })
    await awaitTurn(tx, actor, channel, now)
    insertMessage(tx, {
      id: draft.id,
      channel_id: channelId,
      seq,
      sender_id: actor.userId,
      kid: key.kid,
      sealed,
      revision: 1,
      sent_at: now,
      deleted_at: null,
      deleted_by: null,
      has_files: files.length > 0 ? 1 : 0,
    })
    ctx.search.put(tx, indexed)
    tx.later(readStateAdvance(tx, actor.userId, channelId, seq, now))
    const use = { ownerId: actor.userId, purpose: 'attachment', visibility: 'channel' } as const
    const stored =
      files.length === 0 ? [] : await storeFiles(ctx, tx, files, { ...use, channelId, messageId: draft.id })
    const message = { ...draft, isDirect, seq, sentAt: now, files: stored }
    if (isDirect) await ctx.conversations.sent(tx, message)
    tx.publish({ type: 'message.sent', message })
    return message
  })
  for (const file of files) file.kept()
  ctx.messages.remember(sent, 1)
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
  const text = cleanText(input.message)
  if (text.trim() === '' && files.length === 0) throw badRequest('The message is empty')
  expectFitting(ctx, files)
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
