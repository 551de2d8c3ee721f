import { z } from 'zod'
import { Attachment, MessageFile } from '#features/files/index.ts'
import { IsoTime } from '#http/schemas.ts'

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
