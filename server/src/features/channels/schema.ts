import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'

const channelTypes = ['text', 'voice', 'mixed'] as const

const Channel = z
  .object({
    channel_id: z.string().meta({ format: 'uuid' }),
    channel_name: z.string(),
    channel_type: z.enum(channelTypes),
    messages_ids: z.array(z.string()).meta({ description: 'Always empty; load messages instead.' }),
    is_private: z.boolean(),
    allowed_users: z.array(z.string()).nullable().meta({ description: 'Members of a private channel.' }),
    participant_ids: z.array(z.string()),
    created_at: IsoTime,
  })
  .meta({ id: 'Channel' })

export const ChannelParams = z.object({ channel_id: z.string() })

export const CreateChannelInput = z.object({
  channel_name: z.string().min(1).max(400).meta({ example: 'gaming-discussion' }),
  is_private: z.boolean().default(false),
  channel_type: z.enum(channelTypes).default('text'),
})

export const ChannelList = z.object({ status_code: z.literal(200), channels: z.array(Channel) })

export const ChannelCreated = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'Channel created successfully' }),
  channel_data: Channel,
})
