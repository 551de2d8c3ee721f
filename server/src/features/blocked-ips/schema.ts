import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'

const ip = z
  .string()
  .min(2)
  .max(49)
  .meta({ description: 'IPv4 or IPv6 address, or a block such as `192.0.2.0/24`.', example: '192.0.2.7' })

export const BlockIpInput = z.object({
  ip,
  reason: z.string().trim().min(1).max(500),
  duration_minutes: z
    .int()
    .min(1)
    .max(5_256_000)
    .nullish()
    .meta({ description: 'After so long the block is over; without it, never.' }),
})

export const BlockIpAnswer = z.object({
  status_code: z.literal(201),
  message: z.string().meta({ example: 'IP 192.0.2.7 has been blocked' }),
  reason: z.string(),
  ip: z.string().meta({ description: 'The one spelling of what was blocked.' }),
  expires_at: IsoTime.nullable(),
})

export const UnblockIpInput = z.object({ ip })

export const BlockedIpList = z.object({
  status_code: z.literal(200),
  blocked_ips: z.array(
    z.object({
      ip: z.string().meta({ description: 'Address or block.' }),
      reason: z.string(),
      blocked_at: IsoTime,
      expires_at: IsoTime.nullable(),
      automatic: z.boolean().meta({ description: 'Whether rate limits led to it.' }),
      blocked_by: z.object({ id: z.string(), username: z.string() }).nullable(),
      block_attempts_count: z.int().meta({ description: 'Requests that were refused since.' }),
      last_attempt_at: IsoTime.nullable(),
    }),
  ),
})
