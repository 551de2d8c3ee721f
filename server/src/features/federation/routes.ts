import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { actorRoutes } from './actor-routes.ts'
import { followRoutes } from './follow-routes.ts'
import { inboxRoutes } from './inbox-routes.ts'
import { peerRoutes } from './peer-routes.ts'
import { peopleRoutes } from './people-routes.ts'

export function federationRoutes(api: Api, ctx: Context): void {
  actorRoutes(api, ctx)
  inboxRoutes(api, ctx)
  peopleRoutes(api, ctx)
  followRoutes(api, ctx)
  peerRoutes(api, ctx)
}
