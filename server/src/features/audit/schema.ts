import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'

const AuditEntry = z
  .object({
    id: z.string().meta({ format: 'uuid' }),
    at: IsoTime,
    actor: z
      .object({ id: z.string(), username: z.string().nullable() })
      .nullable()
      .meta({ description: 'Null when the operator did it by command line, or the server by itself.' }),
    action: z.string().meta({ example: 'channel.deleted' }),
    target: z.object({ type: z.string().meta({ example: 'channel' }), id: z.string() }),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditEntry' })

const filter = z.string().min(1).max(100).nullish()

export const AuditInput = z.object({
  actor_id: filter,
  action: filter.meta({ example: 'user.banned' }),
  target_type: filter,
  target_id: filter,
  since: filter.meta({ description: 'ISO 8601: entries of this time or later.' }),
  until: filter.meta({ description: 'ISO 8601: entries before this time.' }),
  before: filter.meta({ description: 'Id of the last entry of the page before.' }),
  limit: z.int().min(1).max(200).default(50),
})

export const AuditPage = z.object({
  status_code: z.literal(200),
  entries: z.array(AuditEntry).meta({ description: 'Newest first.' }),
  next_before: z.string().nullable().meta({ description: '`before` of the next page; null on the last.' }),
})
