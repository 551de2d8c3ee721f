import { z } from 'zod'

export const ErrorAnswer = z
  .object({
    detail: z.string().meta({ description: 'What went wrong, for people.' }),
    message: z.string().optional().meta({ description: 'The same, when the address is blocked.' }),
    retry_after_seconds: z.int().optional().meta({ description: 'When the block of the address is over.' }),
    debug: z.looseObject({}).optional().meta({ description: 'Request id and timings, with `?debug=1`.' }),
  })
  .meta({ id: 'Error', example: { detail: 'Channel not found' } })

export const RateLimitAnswer = z
  .object({
    detail: z.string(),
    message: z.string().meta({ description: 'The same as `detail`.' }),
    retry_after_seconds: z.int().meta({ description: 'When to come back; `Retry-After` says the same.' }),
    debug: z.looseObject({}).optional(),
  })
  .meta({
    id: 'RateLimited',
    example: { detail: 'Too many requests', message: 'Too many requests', retry_after_seconds: 60 },
  })

export const ValidationAnswer = z
  .object({
    detail: z.string(),
    errors: z.array(
      z.object({
        loc: z
          .array(z.union([z.string(), z.number()]))
          .meta({ description: '`body`, `query` or `path`, then the field.' }),
        msg: z.string(),
        type: z.string(),
      }),
    ),
    debug: z.looseObject({}).optional(),
  })
  .meta({
    id: 'ValidationError',
    example: {
      detail: 'channel_name: field required',
      errors: [{ loc: ['body', 'channel_name'], msg: 'field required', type: 'missing' }],
    },
  })

/** A success that says only that it was one. */
export function messageAnswer<const S extends number>(status: S, example: string) {
  return z.object({ status_code: z.literal(status), message: z.string().meta({ example }) })
}

export const IsoTime = z.string().meta({ format: 'date-time', example: '2026-02-21T10:00:00.000+00:00' })
