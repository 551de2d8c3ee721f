import { hash } from 'node:crypto'
import type { MessageContent } from '#events/events.ts'
import type { Profile } from '#features/accounts/index.ts'
import { filesJson, pictureAddress } from '#features/files/index.ts'
import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import { conversationIdOf } from '#lib/conversation-id.ts'

// Pages and frames are what the server makes most of, so their JSON is put together from two texts that are made
// once: one for each message, one for each author. Both are kept as long as the object they were made from.
const messageTexts = new WeakMap<MessageContent, string>()
const authorTexts = new WeakMap<Profile, string>()

/** A message as JSON text, in the union of the forms that clients know. `author` is undefined once deleted. */
export function messageJson(message: MessageContent, author: Profile | undefined): string {
  return `{${messageFields(message, author)}}`
}

/** The same without the braces, to put further fields beside. */
export function messageFields(message: MessageContent, author: Profile | undefined): string {
  return `${ownFields(message)},${message.isDirect ? originFields(author) : ''}${author ? authorFields(author) : unknownAuthor}`
}

/** Whether a direct message came from another server, and from whom there. */
function originFields(author: Profile | undefined): string {
  if ((author?.originServer ?? null) === null) return '"federated":false,'
  return `"federated":true,"remote_actor_uri":${JSON.stringify(author!.actorUri)},`
}

function ownFields(message: MessageContent): string {
  const known = messageTexts.get(message)
  if (known !== undefined) return known
  const fields = inner({
    message_id: message.id,
    ...placeFields(message),
    seq: message.seq,
    message: message.text,
    raw_message: null,
    hashed_message: hash('sha256', message.text, 'hex'),
    sender_user_id: message.senderId,
    sender_id: message.senderId,
    sent_at: isoTime(message.sentAt),
  })
  const text = `${fields},${filesJson(message.files)}`
  messageTexts.set(message, text)
  return text
}

/** Clients tell direct messages by their `conversation_id`, and that they have no `channel_id`. */
function placeFields({ channelId, isDirect }: MessageContent): object {
  return isDirect
    ? { conversation_id: conversationIdOf(channelId) }
    : { channel_id: channelId, conversation_id: null }
}

function authorFields(author: Profile): string {
  const known = authorTexts.get(author)
  if (known !== undefined) return known
  const text = inner({
    username: author.username,
    sender_username: author.username,
    sender_avatar_url: pictureAddress(author.avatar),
    sender_banner_url: pictureAddress(author.banner),
    sender_about: author.about,
    sender_last_seen: isoTimeOrNull(author.lastSeenAt),
    sender_created_at: isoTime(author.createdAt),
    sender_status: author.status,
    sender_roles: author.roles,
  })
  authorTexts.set(author, text)
  return text
}

const unknownAuthor = inner({
  username: 'Unknown User',
  sender_username: 'Unknown User',
  sender_avatar_url: null,
  sender_banner_url: null,
  sender_about: null,
  sender_last_seen: null,
  sender_created_at: null,
  sender_status: 'offline',
  sender_roles: [],
})

function inner(fields: object): string {
  return JSON.stringify(fields).slice(1, -1)
}
