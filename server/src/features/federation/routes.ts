import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { actorRoutes } from './actor-routes.ts'
import { peopleRoutes } from './people-routes.ts'

export function federationRoutes(api: Api, ctx: Context): void {
  actorRoutes(api, ctx)
  peopleRoutes(api, ctx)
}
