import { z } from 'zod'
import { Attachment, MessageFile } from '#features/files/index.ts'
import { IsoTime } from '#http/schemas.ts'
import { channelIdOf } from '#lib/conversation-id.ts'

const ReplyTo = z
  .object({
    message_id: z.string(),
    sender_user_id: z.string().nullable(),
    username: z.string().nullable(),
    message: z.string().nullable().meta({ description: 'The first 200 characters.' }),
    deleted: z.boolean(),
  })
  .meta({ id: 'ReplyTo', description: 'The message that another one answers.' })

const Reaction = z
  .object({
    emoji: z.string(),
    count: z.int(),
    viewer_reacted: z.boolean().optional().meta({ description: 'Whether it is also the caller’s.' }),
    user_ids: z.array(z.string()).meta({ description: 'The first 200 people, in the order they came.' }),
  })
  .meta({ id: 'Reaction' })

export const Message = z
  .object({
    message_id: z.string().meta({ format: 'uuid' }),
    channel_id: z.string().optional().meta({ description: 'Not in direct messages.' }),
    conversation_id: z.string().nullable().meta({ description: 'Of direct messages.' }),
    federated: z
      .boolean()
      .optional()
      .meta({ description: 'Of direct messages: whether the sender is on another server.' }),
    remote_actor_uri: z
      .string()
      .nullable()
      .optional()
      .meta({ description: 'Of direct messages from another server: the address of the sender.' }),
    seq: z.int().meta({ description: 'Number of the message in its channel, from 1, without gaps.' }),
    message: z.string().meta({ example: 'Hello everyone!' }),
    raw_message: z.null(),
    hashed_message: z.string().meta({ description: 'SHA-256 of the text, hex.' }),
    sender_user_id: z.string(),
    sender_id: z.string(),
    username: z.string().meta({ example: 'johndoe' }),
    sender_username: z.string(),
    sender_avatar_url: z.string().nullable(),
    sender_banner_url: z.string().nullable(),
    sender_about: z.string().nullable(),
    sender_last_seen: IsoTime.nullable(),
    sender_created_at: IsoTime.nullable(),
    sender_status: z.string(),
    sender_roles: z.array(z.string()),
    sent_at: IsoTime,
    edited_at: IsoTime.nullable(),
    edited_by: z.string().nullable().meta({ description: 'The sender, or a moderator.' }),
    reply_to: ReplyTo.nullable(),
    thread_id: z
      .string()
      .nullable()
      .meta({ description: 'The message that began the thread which this one is in.' }),
    thread: z
      .object({ reply_count: z.int(), last_reply_at: IsoTime })
      .nullable()
      .meta({ description: 'Of a message that began a thread.' }),
    pinned_at: IsoTime.nullable(),
    pinned_by: z.string().nullable(),
    reactions: z.array(Reaction).meta({ example: [] }),
    attachments: z.array(z.union([z.string(), Attachment])).meta({
      description: 'Addresses of the files; objects on servers that serve the original web client.',
      example: [],
    }),
    files: z.array(MessageFile).meta({ example: [] }),
  })
  .meta({ id: 'Message' })

const Place = z
  .string()
  .max(100)
  .nullish()
  .meta({ description: 'A message id, the `seq` of a message, or an ISO 8601 time.' })

export const LoadInput = z.object({
  page: z.int().default(1).meta({ description: 'Page 1 is the newest; oldest first inside a page.' }),
  messages_per_page: z.int().default(20).meta({ description: '1 to 50.' }),
  before: Place,
  after: Place,
  around: Place,
})

export const MessagePage = z.object({ status_code: z.literal(200), messages: z.array(Message) })

export const SendInput = z.object({
  message: z.string().max(1_000_000).default(''),
  sent_at: z
    .string()
    .max(64)
    .nullish()
    .meta({ description: "Accepted for old clients; the server's time counts." }),
  reply_to: z.string().max(100).nullish().meta({ description: 'Id of the message that this one answers.' }),
  thread_id: z.string().max(100).nullish().meta({
    description: 'Id of a message whose thread this one belongs to; begins the thread if there is none.',
  }),
})

export const MessageParams = z.object({
  channel_id: z.string().transform(channelIdOf),
  message_id: z.string(),
})

export const EditInput = z.object({ message: z.string().max(1_000_000) })

export const OneMessage = z.object({ status_code: z.literal(200), message_data: Message })

export const MessageEdited = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'The message has been edited' }),
  message_data: Message,
})

export const MessageHistory = z.object({
  status_code: z.literal(200),
  message_id: z.string(),
  revisions: z
    .array(z.object({ revision: z.int(), message: z.string(), written_at: IsoTime, written_by: z.string() }))
    .meta({ description: 'The first text first; the last one is what it says now.' }),
})

export const EmojiInput = z.object({
  emoji: z.string().max(1_000_000).meta({ description: '1 to 32 characters.', example: '👍' }),
})

const reacted = {
  message_id: z.string(),
  channel_id: z.string(),
  emoji: z.string(),
  reactions: z.array(Reaction),
}

export const ReactionAdded = z.object({
  status_code: z
    .union([z.literal(201), z.literal(200)])
    .meta({ description: '200 if it was there already.' }),
  already_present: z.boolean(),
  ...reacted,
})

export const ReactionRemoved = z.object({
  status_code: z.literal(200),
  already_absent: z.boolean(),
  ...reacted,
})

export const PinAnswer = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'The message has been pinned' }),
  changed: z.boolean().meta({ description: 'False when nothing was to be done.' }),
})

export const MessageList = z.object({ status_code: z.literal(200), messages: z.array(Message) })

export const ThreadInput = z.object({
  limit: z.int().default(20).meta({ description: '1 to 50.' }),
  before: z.int().optional().meta({ description: 'Only messages with a lower `seq`.' }),
  after: z.int().optional().meta({ description: 'Only messages with a higher `seq`.' }),
})

export const ThreadAnswer = z.object({
  status_code: z.literal(200),
  thread_id: z.string(),
  root: Message.nullable().meta({ description: 'The message that began it; null when it was deleted.' }),
  messages: z.array(Message).meta({ description: 'Oldest first.' }),
})

export const MessageSent = z.object({
  status_code: z.literal(201),
  message: z.string().meta({ example: 'message sent successfully' }),
  message_id: z.string(),
  attachments: z.array(z.string()),
  message_data: Message,
})

export const MessageIdInput = z.object({ message_id: z.string().min(1).max(100) })

export const ReadHistory = z.object({
  status_code: z.literal(200),
  viewed_message_ids: z
    .array(z.string())
    .meta({ description: 'The newest 50 read messages of each channel.' }),
  unread_counts: z.record(z.string(), z.int()).meta({ description: 'By channel id.' }),
})
