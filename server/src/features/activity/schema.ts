import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'

const Activity = z
  .object({
    id: z.string().meta({ format: 'uuid' }),
    type: z.string().meta({
      description:
        '`user_joined`, `user_signed_in`, `user_left`, `channel_created`, `server_settings_updated`, ' +
        '`server_avatar_updated`, `file_upload` or `logs_viewed`.',
    }),
    title: z.string(),
    description: z.string(),
    timestamp: IsoTime,
    user: z
      .object({ id: z.string(), username: z.string(), avatar_url: z.string().nullable() })
      .nullable()
      .meta({ description: 'Null when the operator did it, or the account is gone.' }),
    metadata: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Activity' })

export const ActivityInput = z.object({ limit: z.int().min(1).max(100).default(10) })

export const ActivityList = z.object({
  status_code: z.literal(200),
  activities: z.array(Activity).meta({ description: 'Newest first.' }),
})
