import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { Release } from './releases.ts'

export function latestReleaseRoutes(api: Api, ctx: Pick<Context, 'releases'>): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/system/latest-release',
      tag: 'General',
      summary: 'The newest release of this program',
      description: 'Null unless `releases.url` is set and answers.',
      access: 'public',
      bucket: 'default',
      answers: {
        200: z.object({
          status_code: z.literal(200),
          release: Release.nullable(),
          message: z.string().optional().meta({ description: 'Why there is none.' }),
        }),
      },
    },
    () => ctx.releases.latest(),
  )
}
