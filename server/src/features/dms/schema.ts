import { z } from 'zod'
import { Message } from '#features/messages/index.ts'
import { IsoTime } from '#http/schemas.ts'
import { acceptFrom } from './policy.ts'

const PeerName = z
  .string()
  .min(1)
  .max(2048)
  .meta({ description: 'A user id, a username, the address of an actor, or a handle such as `name@host`.' })

export const SendDirectInput = z.object({
  peer: PeerName.meta({ example: 'johndoe' }),
  message: z
    .string()
    .max(1_000_000)
    .optional()
    .meta({ description: 'May be missing when files come along.', example: 'Hello!' }),
  sent_at: z
    .string()
    .max(64)
    .nullish()
    .meta({ description: "Accepted for old clients; the server's time counts." }),
  attachments: z
    .array(z.string().max(2048))
    .max(50)
    .default([])
    .meta({ description: 'Must be empty: files come as parts of a form.' }),
})

export const DirectSent = z.object({
  status_code: z.literal(201),
  message: z.string().meta({ example: 'Direct message sent' }),
  result: z.object({
    conversation_id: z.string().meta({ example: 'dm-0a1b2c3d4e5f60718293a4b5c6d7e8f9' }),
    message_id: z.string(),
    delivered_local: z.boolean(),
    delivered_remote: z.boolean(),
    activity_id: z.string().optional().meta({ description: 'For people on other servers.' }),
    delivery_target: z.string().optional().meta({ description: 'For people on other servers.' }),
  }),
})

export const LoadDirectInput = z.object({
  peer: PeerName,
  page: z.int().min(1).default(1).meta({ description: 'Page 1 is the newest; oldest first inside a page.' }),
  messages_per_page: z.int().min(1).max(50).default(20),
})

export const DirectPage = z.object({
  status_code: z.literal(200),
  conversation_id: z.string(),
  peer_actor_uri: z.string(),
  messages: z.array(Message),
})

const Conversation = z
  .object({
    conversation_id: z.string(),
    channel_id: z.string().meta({
      description: 'The conversation as a channel. The message routes of channels take either id.',
    }),
    kind: z.enum(['direct', 'group']),
    name: z.string().meta({ description: 'Of a group; may be empty.' }),
    participants: z.array(z.object({ user_id: z.string(), username: z.string(), status: z.string() })),
    created_at: IsoTime,
    last_activity_at: IsoTime,
    unread_count: z.int(),
    last_message: Message.nullable(),
  })
  .meta({ id: 'Conversation' })

export const ConversationParams = z.object({ conversation_id: z.string() })

export const ListInput = z.object({
  limit: z.int().min(1).max(100).default(50),
  before: z.string().max(100).optional().meta({ description: '`next` of the page before.' }),
})

export const ConversationList = z.object({
  status_code: z.literal(200),
  conversations: z.array(Conversation),
  next: z.string().nullable().meta({ description: 'Where the next page begins; null on the last one.' }),
})

export const OneConversation = z.object({ status_code: z.literal(200), conversation: Conversation })
export const ConversationMade = z.object({ status_code: z.literal(201), conversation: Conversation })

const Names = z.array(PeerName).min(1).max(50)

export const CreateGroupInput = z.object({ participants: Names, name: z.string().max(400).default('') })
export const AddInput = z.object({ participants: Names })
export const RenameInput = z.object({ name: z.string().max(400) })

export const RequestList = z.object({
  status_code: z.literal(200),
  requests: z.array(
    z
      .object({ from_user_id: z.string(), requested_at: IsoTime, conversation: Conversation })
      .meta({ id: 'ConversationRequest' }),
  ),
})

const AcceptFrom = z.enum(acceptFrom).meta({
  description:
    'From whom new conversations begin at once. `contacts`: people who share a private channel or a conversation; ' +
    'others must ask. `nobody`: others cannot even ask.',
})
const ReadReceipts = z.boolean().meta({
  description: 'Whether the other participants of a conversation see what one has read. On at first.',
})

export const DmSettings = z.object({
  accept_from: AcceptFrom.optional(),
  read_receipts: ReadReceipts.optional(),
})

export const DmSettingsAnswer = z.object({
  status_code: z.literal(200),
  accept_from: AcceptFrom,
  read_receipts: ReadReceipts,
})

export const PersonInput = z.object({ peer: PeerName })

export const BlockList = z.object({
  status_code: z.literal(200),
  blocked: z.array(
    z.object({ user_id: z.string(), username: z.string(), blocked_at: IsoTime }).meta({ id: 'Block' }),
  ),
})
