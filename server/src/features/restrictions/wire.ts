import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'
import { isoTimeOrNull } from '#lib/clock.ts'
import type { Restrictions } from './restrictions.ts'

export const ModerationState = z.object({
  is_banned: z.boolean(),
  ban_reason: z.string().nullable().meta({ description: 'For the person and for those who moderate.' }),
  banned_at: IsoTime.nullable(),
  banned_until: IsoTime.nullable().meta({
    description: 'Null while not banned, and for a ban without an end.',
  }),
  is_timed_out: z.boolean(),
  timeout_until: IsoTime.nullable(),
  timeout_reason: z.string().nullable().meta({ description: 'For the person and for those who moderate.' }),
})

/** @param options.withReasons for the person and for those who moderate; nobody else needs to know why */
export function moderationStateOf({ ban, timeout }: Restrictions, { withReasons }: { withReasons: boolean }) {
  return {
    is_banned: ban !== null,
    ban_reason: withReasons ? (ban?.reason ?? null) : null,
    banned_at: isoTimeOrNull(ban?.at ?? null),
    banned_until: isoTimeOrNull(ban?.until ?? null),
    is_timed_out: timeout !== null,
    timeout_until: isoTimeOrNull(timeout?.until ?? null),
    timeout_reason: withReasons ? (timeout?.reason ?? null) : null,
  }
}
