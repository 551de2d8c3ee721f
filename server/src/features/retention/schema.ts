import { z } from 'zod'

const MAX_DAYS = 36_500

export const ServerRetentionInput = z.object({
  days: z.int().min(0).max(MAX_DAYS).meta({ description: '0 keeps messages for ever.' }),
})

export const ServerRetention = z.object({
  status_code: z.literal(200),
  days: z.int().meta({ description: '0: messages are kept for ever.' }),
  channels: z
    .record(z.string(), z.int())
    .meta({ description: 'Days of the channels that have a rule of their own, by channel id.' }),
})

export const ChannelRetentionInput = z.object({
  days: z
    .int()
    .min(0)
    .max(MAX_DAYS)
    .nullable()
    .meta({ description: 'Null follows the server; 0 keeps messages for ever.' }),
})

export const ChannelRetention = z.object({
  status_code: z.literal(200),
  channel_id: z.string(),
  days: z.int().nullable().meta({ description: 'The rule of the channel itself.' }),
  effective_days: z.int().meta({ description: 'What holds; 0: messages are kept for ever.' }),
})
