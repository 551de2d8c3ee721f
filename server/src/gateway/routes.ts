import { z } from 'zod'
import { HttpError } from '#http/errors.ts'
import type { Api } from '#http/endpoint.ts'
import { ErrorAnswer } from '#http/schemas.ts'

/** Describes the sockets; the upgrade itself never comes this way. */
export function gatewayRoutes(api: Api): void {
  const resume = z
    .string()
    .max(2000)
    .optional()
    .meta({
      description:
        'A `cursor` from a frame: everything missed since is sent first, each event once, then `ready`. ' +
        '`now` starts with `ready` and nothing missed.',
    })
  const auth_token = z
    .string()
    .optional()
    .meta({ description: 'Access token; `Authorization: Bearer` works too.' })
  const common = {
    method: 'GET',
    tag: 'WebSocket',
    access: 'public',
    bucket: 'messages',
    input: z.object({ auth_token, resume }),
    description:
      'Frames, close codes and resuming are described in docs/sockets.md. A plain GET answers 426.',
    answers: { 426: ErrorAnswer },
    errors: [404],
  } as const
  const refuse = (): never => {
    throw new HttpError(426, 'This address speaks WebSocket')
  }
  api.endpoint({ ...common, path: '/ws', summary: 'Stream of all channels the caller may see' }, refuse)
  api.endpoint(
    {
      ...common,
      path: '/ws/channels/:channel_id',
      params: z.object({ channel_id: z.string() }),
      summary: 'Stream of one channel',
    },
    refuse,
  )
}
