import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'

export const UserParams = z.object({ user_id: z.string() })

const reason = z.string().max(4000).nullish().meta({ description: 'At most 500 characters.' })

export const BanInput = z.object({
  reason,
  duration_minutes: z
    .int()
    .min(1)
    .max(5_256_000)
    .nullish()
    .meta({ description: 'When the ban ends by itself; without it, when it is lifted.' }),
})

export const TimeoutInput = z.object({ duration_minutes: z.int().min(1).max(40_320), reason })

export const ReasonInput = z.object({ reason })

export function targetAnswer<const S extends number>(status: S, example: string) {
  return z.object({
    status_code: z.literal(status),
    message: z.string().meta({ example }),
    target_user_id: z.string(),
  })
}

export const TimedOut = targetAnswer(201, 'User timed out successfully').extend({ expires_at: IsoTime })

export const Kicked = targetAnswer(200, 'User kicked successfully').extend({ ended_sessions: z.int() })

export const CleanUpInput = z.object({
  minutes: z
    .int()
    .min(1)
    .max(10_080)
    .default(1440)
    .meta({ description: 'How far back: at most seven days.' }),
  channel_id: z.string().max(100).nullish().meta({ description: 'Only in this channel.' }),
  limit: z.int().min(1).max(1000).default(1000),
})

export const CleanedUp = targetAnswer(200, 'Messages deleted successfully').extend({
  deleted_count: z.int(),
  more: z.boolean().meta({ description: 'Whether the limit was reached: ask again to go on.' }),
})

const Named = z.object({ id: z.string(), username: z.string() })

const category = z.string().min(1).max(400).meta({ description: '1 to 100 characters.', example: 'spam' })
const description = z.string().max(4000).nullish().meta({ description: 'At most 500 characters.' })

export const ReportMessagesInput = z.object({
  message_ids: z.array(z.string().max(100)).min(1).max(100),
  category,
  description,
})

export const MessagesReported = z.object({
  status_code: z.literal(201),
  message: z.string().meta({ example: 'Messages reported successfully' }),
  reported_count: z.int(),
})

export const ReportUserInput = z.object({ target_user_id: z.string().min(1).max(100), category, description })

export const ReportListInput = z.object({
  limit: z.int().min(1).max(500).default(100),
  status: z.enum(['pending', 'resolved']).nullish(),
  before: z.string().max(100).nullish().meta({ description: 'Id of the last report of the page before.' }),
})

const Report = z
  .object({
    id: z.string().meta({ format: 'uuid' }),
    type: z.enum(['message_report', 'user_report']),
    status: z.enum(['pending', 'resolved']),
    category: z.string(),
    description: z.string().nullable(),
    reporter: Named.nullable(),
    reported_at: IsoTime,
    resolved_at: IsoTime.nullable(),
    resolved_by: Named.nullable(),
    action: z.string().nullable(),
    reason: z.string().nullable(),
    message_ids: z.array(z.string()).optional().meta({ description: 'Of a message report.' }),
    channel_ids: z.array(z.string()).optional().meta({ description: 'Of a message report.' }),
    sender: Named.nullable().optional().meta({ description: 'Of a message report.' }),
    messages: z
      .array(
        z.object({ message_id: z.string(), channel_id: z.string(), message: z.string(), sent_at: IsoTime }),
      )
      .optional()
      .meta({ description: 'Of a message report: those that are still there and that the reader may see.' }),
    target_user: Named.nullable().optional().meta({ description: 'Of a user report.' }),
  })
  .meta({ id: 'Report' })

export const ReportList = z.object({
  status_code: z.literal(200),
  reports: z.array(Report).meta({ description: 'Newest first.' }),
  total: z.int().meta({ description: 'How many there are in all that the reader may see.' }),
})

export const ResolveInput = z.object({
  action: z.string().min(1).max(200).meta({ description: '1 to 50 characters.', example: 'user warned' }),
  reason,
})

export const Resolved = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'Report resolved successfully' }),
  report_id: z.string(),
})
