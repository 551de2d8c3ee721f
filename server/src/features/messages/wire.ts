import { hash } from 'node:crypto'
import type { MessageContent, Reaction, ReplyTarget } from '#events/events.ts'
import type { Profile } from '#features/accounts/index.ts'
import { filesJson, pictureAddress } from '#features/files/index.ts'
import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import { conversationIdOf } from '#lib/conversation-id.ts'

// Pages and frames are what the server makes most of, so their JSON is put together from two texts that are made
// once: one for each message, one for each author. Both are kept as long as the object they were made from.
const messageTexts = new WeakMap<MessageContent, string>()
const authorTexts = new WeakMap<Profile, string>()

/** Finds the profile of somebody, if there is one. */
export interface Authors {
  get(userId: string): Profile | undefined
}

/**
 * A message as JSON text, in the union of the forms that clients know.
 *
 * @param authors of those that {@link peopleOf} names; who is not there was deleted
 * @param viewerId who reads it, to tell which reactions are theirs
 */
export function messageJson(message: MessageContent, authors: Authors, viewerId?: string): string {
  return `{${messageFields(message, authors, viewerId)}}`
}

/** The same without the braces, to put further fields beside. */
export function messageFields(message: MessageContent, authors: Authors, viewerId?: string): string {
  const author = authors.get(message.senderId)
  const answered = message.replyTo ? JSON.stringify(replyToWire(message.replyTo, authors)) : 'null'
  const said = `"reply_to":${answered},"reactions":${reactionsJson(message.reactions, viewerId)}`
  const origin = message.isDirect ? originFields(author) : ''
  return `${ownFields(message)},${said},${origin}${author ? authorFields(author) : unknownAuthor}`
}

/** Whether a direct message came from another server, and from whom there. */
function originFields(author: Profile | undefined): string {
  if ((author?.originServer ?? null) === null) return '"federated":false,'
  return `"federated":true,"remote_actor_uri":${JSON.stringify(author!.actorUri)},`
}

/** Whose profiles are needed to show messages. */
export function peopleOf(messages: readonly MessageContent[]): string[] {
  return messages.flatMap(({ senderId, replyTo }) =>
    replyTo && replyTo.senderId !== null ? [senderId, replyTo.senderId] : [senderId],
  )
}

function ownFields(message: MessageContent): string {
  const known = messageTexts.get(message)
  if (known !== undefined) return known
  const { edited, thread, pinned } = message
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
    edited_at: isoTimeOrNull(edited?.at ?? null),
    edited_by: edited?.by ?? null,
    thread_id: message.threadId,
    thread: thread && { reply_count: thread.replies, last_reply_at: isoTime(thread.lastAt) },
    pinned_at: isoTimeOrNull(pinned?.at ?? null),
    pinned_by: pinned?.by ?? null,
  })
  const text = `${fields},${filesJson(message.files)}`
  messageTexts.set(message, text)
  return text
}

function replyToWire({ id, senderId, excerpt }: ReplyTarget, authors: Authors): object {
  return {
    message_id: id,
    sender_user_id: senderId,
    username: senderId === null ? null : (authors.get(senderId)?.username ?? 'Unknown User'),
    message: excerpt,
    deleted: senderId === null,
  }
}

/** People that a summary names at most; `count` tells of all. */
const MAX_NAMED = 200

/** Reactions as JSON text. @param viewerId adds `viewer_reacted` */
export function reactionsJson(reactions: readonly Reaction[], viewerId?: string): string {
  if (reactions.length === 0) return '[]'
  const items = reactions.map(({ emoji, userIds }) => ({
    emoji,
    count: userIds.length,
    ...(viewerId !== undefined && { viewer_reacted: userIds.includes(viewerId) }),
    user_ids: userIds.slice(0, MAX_NAMED),
  }))
  return JSON.stringify(items)
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
