import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'
import { levels } from './policy.ts'

const Notification = z
  .object({
    notification_id: z.string().meta({ format: 'uuid' }),
    user_id: z.string(),
    type: z.enum(['mention', 'reply', 'thread']),
    actor_user_id: z.string().nullable(),
    channel_id: z.string().nullable(),
    message_id: z.string().nullable(),
    created_at: IsoTime.nullable(),
    read_at: IsoTime.nullable(),
  })
  .meta({ id: 'Notification' })

const UnreadCount = z.int().meta({ description: 'Notifications that are unread, all together.' })

export const ListInput = z.object({
  limit: z.int().default(50).meta({ description: '1 to 100.' }),
  unread_only: z.boolean().default(false),
  before: z.string().max(100).nullish().meta({ description: 'The `next` of the page before.' }),
})

export const NotificationPage = z.object({
  status_code: z.literal(200),
  notifications: z.array(Notification).meta({ description: 'Newest first.' }),
  unread_count: UnreadCount,
  next: z
    .string()
    .nullable()
    .meta({ description: 'Give it as `before` for older ones; null: there are none.' }),
})

export const UnreadAnswer = z.object({
  status_code: z.literal(200),
  unread_count: UnreadCount,
  channels: z
    .record(z.string(), z.int())
    .meta({ description: 'By channel id, of channels and conversations that have any.' }),
})

export const NotificationParams = z.object({ notification_id: z.string() })

export const ReadAnswer = z.object({
  status_code: z.literal(200),
  already_read: z.boolean(),
  unread_count: UnreadCount,
})

export const ReadAllAnswer = z.object({
  status_code: z.literal(200),
  marked: z.int(),
  unread_count: z.literal(0),
})

const Preference = z
  .object({
    user_id: z.string(),
    channel_id: z.string(),
    muted: z.boolean(),
    mention_only: z.boolean(),
    muted_until: IsoTime.nullable().meta({
      description: 'When the silence ends by itself; null: it does not.',
    }),
    level: z
      .enum(levels)
      .nullable()
      .meta({ description: 'The choice in one word; null: as everywhere. `nothing` is to be muted.' }),
    updated_at: IsoTime,
  })
  .meta({ id: 'NotificationPreference' })

export const PreferenceInput = z.object({
  muted: z.boolean().default(false),
  mention_only: z.boolean().default(false),
  muted_until: z
    .string()
    .max(64)
    .nullish()
    .meta({ description: 'With `muted`: an ISO 8601 time in the future.' }),
  level: z
    .enum(levels)
    .nullish()
    .meta({ description: 'Instead of `mention_only`; `nothing` is to be muted.' }),
})

export const PreferenceList = z.object({ status_code: z.literal(200), preferences: z.array(Preference) })
export const PreferenceAnswer = z.object({ status_code: z.literal(200), preference: Preference })
export const PreferenceDropped = z.object({ status_code: z.literal(200), existed: z.boolean() })

export const SettingsInput = z.object({
  level: z.enum(levels).meta({
    description:
      'What one is told of where nothing was chosen: `all` messages, `mentions` (the default; direct messages all the same), `nothing`.',
  }),
})

export const SettingsAnswer = z.object({ status_code: z.literal(200), level: z.enum(levels) })

export const PushKeyAnswer = z.object({
  status_code: z.literal(200),
  public_key: z.string().meta({ description: 'The `applicationServerKey` of a subscription, in base64url.' }),
})

/** What `PushSubscription.toJSON()` of a browser gives, and more of it is no error. */
export const SubscribeInput = z.object({
  endpoint: z.string().min(1).max(2048).meta({ example: 'https://push.example.net/wpush/v2/x' }),
  keys: z.object({ p256dh: z.string().min(1).max(200), auth: z.string().min(1).max(100) }),
})

export const Subscribed = z.object({
  status_code: z.literal(201),
  message: z.string().meta({ example: 'Subscribed' }),
  subscription_id: z.string(),
})

export const SubscriptionList = z.object({
  status_code: z.literal(200),
  subscriptions: z.array(
    z.object({
      subscription_id: z.string(),
      session_id: z.string().meta({ description: 'The session it ends with.' }),
      created_at: IsoTime,
    }),
  ),
})

export const SubscriptionParams = z.object({ subscription_id: z.string() })
