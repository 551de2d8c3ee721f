import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import { accessChannelToWrite } from '#features/channels/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, invalidField } from '#http/errors.ts'
import { newId } from '#lib/id.ts'
import { characterCount, cleanText } from '#lib/text.ts'
import { sealContent } from './content.ts'
import { insertMessage, readStateAdvance } from './store.ts'
import { parseIsoTime } from '#lib/iso-time.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'keyring' | 'settings' | 'profiles' | 'messages'>

/**
 * Stores a message and announces it. What one writes, one has read.
 *
 * @throws HttpError 400 empty, too long, or a channel for voice only; 403; 404; 422
 */
export async function sendMessage(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  input: { message: string; sent_at?: string | null | undefined },
): Promise<MessageContent> {
  if (input.sent_at && parseIsoTime(input.sent_at) === undefined) {
    throw invalidField(['body', 'sent_at'], 'must be an ISO 8601 time', 'value_error')
  }
  const text = cleanText(input.message)
  if (text.trim() === '') throw badRequest('The message is empty')
  const { max_message_length: limit } = ctx.settings.current
  if (characterCount(text) > limit) throw badRequest(`The message is too long: at most ${limit} characters`)

  const now = ctx.clock()
  const draft = { id: newId(now), channelId, senderId: actor.userId, text }
  const key = ctx.keyring.current('message')
  const sealed = sealContent(key, draft, 1)
  // The gateway shows the author next to the message and should not have to wait for the database then.
  await ctx.profiles.of([actor.userId])
  const sent = await ctx.db.transact(async (tx) => {
    const { type, seq } = await accessChannelToWrite(tx, actor, channelId)
    if (type === 'voice') throw badRequest('This channel is for voice only')
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
    })
    tx.later(readStateAdvance(tx, actor.userId, channelId, seq, now))
    const message = { ...draft, seq, sentAt: now }
    tx.publish({ type: 'message.sent', message })
    return message
  })
  ctx.messages.remember(sent, 1)
  return sent
}
