import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'

export const RefreshTokenInput = z.object({
  refresh_token: z.string().min(1).max(4096).meta({ example: 'pbr_kK1oQ…' }),
})

/** What every answer that opens or renews a session carries beside `status_code` and `message`. */
const sessionFields = {
  auth_token: z.string().meta({ description: 'Access token (JWT), for every call.', example: 'eyJhbGciOi…' }),
  refresh_token: z.string().meta({ description: 'Opaque; can be used once.', example: 'pbr_kK1oQ…' }),
  token_type: z.literal('Bearer'),
  auth_token_expire_time: IsoTime,
  refresh_token_expire_time: IsoTime,
}

export function sessionAnswer<const S extends number>(status: S, example: string) {
  return z.object({ status_code: z.literal(status), message: z.string().meta({ example }), ...sessionFields })
}

export const Session = z
  .object({
    session_id: z.string(),
    device: z.string().meta({ description: 'User agent at sign-in.' }),
    created_at: IsoTime,
    last_used_at: IsoTime,
    expires_at: IsoTime,
    is_current: z.boolean(),
  })
  .meta({ id: 'Session' })
