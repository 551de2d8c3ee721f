import { z } from 'zod'
import { channelTypes } from '#events/events.ts'
import { IsoTime } from '#http/schemas.ts'
import { channelIdOf } from '#lib/conversation-id.ts'
import { MAX_SLOW_MODE_SECONDS } from './slow-mode.ts'

const Channel = z
  .object({
    channel_id: z.string().meta({ format: 'uuid' }),
    channel_name: z.string(),
    channel_type: z.enum(channelTypes),
    messages_ids: z.array(z.string()).meta({ description: 'Always empty; load messages instead.' }),
    is_private: z.boolean(),
    allowed_users: z.array(z.string()).nullable().meta({ description: 'Members of a private channel.' }),
    participant_ids: z.array(z.string()),
    slow_mode_seconds: z.int().meta({ description: 'How long everybody waits between two messages.' }),
    topic: z.string().nullable(),
    category_id: z.string().nullable(),
    position: z
      .int()
      .nullable()
      .meta({ description: 'Lower comes first within a category; null, not placed yet, comes last.' }),
    created_at: IsoTime,
  })
  .meta({ id: 'Channel' })

const ChannelCategory = z
  .object({ category_id: z.string(), category_name: z.string(), position: z.int().nullable() })
  .meta({ id: 'ChannelCategory' })

const CategoryName = z.string().min(1).max(400).meta({ example: 'Projects' })
const Position = z.int().min(0).max(1_000_000)

export const CategoryInput = z.object({ category_name: CategoryName })

export const CategoryParams = z.object({ category_id: z.string() })

export const CategoryList = z.object({
  status_code: z.literal(200),
  categories: z.array(ChannelCategory),
})

export const CategoryCreated = z.object({ status_code: z.literal(201), category: ChannelCategory })

export const CategoryRenamed = z.object({ status_code: z.literal(200), category: ChannelCategory })

export const OrderInput = z.object({
  channels: z
    .array(
      z.object({
        channel_id: z.string().max(100),
        position: Position,
        category_id: z
          .string()
          .max(100)
          .nullish()
          .meta({ description: 'null: in none. Without it the channel stays where it is.' }),
      }),
    )
    .max(500)
    .default([]),
  categories: z
    .array(z.object({ category_id: z.string().max(100), position: Position }))
    .max(500)
    .default([]),
})

/** A conversation may be named by its own id, see `lib/conversation-id.ts`. */
export const ChannelParams = z.object({ channel_id: z.string().transform(channelIdOf) })

export const CreateChannelInput = z.object({
  channel_name: z.string().min(1).max(400).meta({ example: 'gaming-discussion' }),
  is_private: z.boolean().default(false),
  channel_type: z.enum(channelTypes).default('text'),
})

export const UpdateChannelInput = z.object({
  channel_name: z.string().min(1).max(400).optional(),
  is_private: z.boolean().optional(),
  slow_mode_seconds: z.int().min(0).max(MAX_SLOW_MODE_SECONDS).optional().meta({
    description: 'How long everybody waits between two messages; 0 ends slow mode.',
  }),
  topic: z
    .string()
    .max(20_000)
    .nullish()
    .meta({ description: 'What the channel is for: at most 1024 characters. null or nothing ends it.' }),
  category_id: z.string().max(100).nullish().meta({ description: 'null: in no category.' }),
  position: Position.optional(),
})

export const ChannelList = z.object({ status_code: z.literal(200), channels: z.array(Channel) })

export const ChannelCreated = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'Channel created successfully' }),
  channel_data: Channel,
})

export const ChannelUpdated = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'Channel updated successfully' }),
  channel_data: Channel,
})

const Override = z
  .object({
    subject_type: z.enum(['role', 'member']),
    subject_id: z.string().meta({ description: 'A role id or a user id.' }),
    allow: z.array(z.string()),
    deny: z.array(z.string()),
  })
  .meta({ id: 'ChannelOverride' })

export const OverrideParams = z.object({
  channel_id: z.string(),
  subject_type: z.enum(['role', 'member']),
  subject_id: z.string(),
})

const privileges = z.array(z.string().max(64)).max(50).default([])

export const OverrideInput = z.object({
  allow: privileges.meta({ example: ['send_messages'] }),
  deny: privileges.meta({ example: ['view_messages'] }),
})

export const OverrideList = z.object({ status_code: z.literal(200), overrides: z.array(Override) })

export const ChannelPrivileges = z.object({
  status_code: z.literal(200),
  channel_id: z.string(),
  privileges: z.array(z.string()).meta({ description: 'What the caller may do in the channel now.' }),
})

export const ExplainInput = z.object({
  privilege_id: z.string().min(1).max(64).meta({ example: 'send_messages' }),
  user_id: z.string().max(100).nullish().meta({ description: 'About whom; the caller without it.' }),
  channel_id: z
    .string()
    .max(100)
    .nullish()
    .meta({ description: 'In which channel; on the whole server without it.' }),
})

const Reason = z.object({
  by: z.enum([
    'owner',
    'role',
    'member_override',
    'role_override',
    'membership',
    'no_role',
    'private',
    'hidden',
    'direct_conversation',
    'timeout',
  ]),
  role_id: z.string().nullable().meta({ description: 'The role that decided, if it was one.' }),
  until: IsoTime.nullable().meta({ description: 'When the timeout ends, if it was that.' }),
})

export const Explanation = z.object({
  status_code: z.literal(200),
  user_id: z.string(),
  privilege_id: z.string(),
  channel_id: z.string().nullable(),
  allowed: z.boolean(),
  reason: Reason,
  hidden_reason: Reason.nullable().meta({ description: 'Why the channel is hidden, when it is.' }),
  explanation: z.string().meta({ example: "The role 'moderator' gives it" }),
})
