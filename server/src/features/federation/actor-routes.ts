import type { Context } from '#context'
import { RawJson, type Api } from '#http/endpoint.ts'
import { badRequest, notFound } from '#http/errors.ts'
import { ACTIVITY_JSON, ACTIVITY_STREAMS, actorDocument, JRD_JSON, tombstone } from './actor-document.ts'
import { followersUrl, followingUrl, idInActorUrl, outboxUrl } from './identity.ts'
import type { LocalActor } from './local-actors.ts'
import { nodeInfo, nodeInfoLinks } from './nodeinfo.ts'
import {
  ActorDocument,
  ActorParams,
  Collection,
  NodeInfoDocument,
  OutboxInput,
  ResourceDescriptor,
  Tombstone,
  WebFingerInput,
} from './schema.ts'
import { countFollows } from './store/follows.ts'
import { parseResource, resourceDescriptor } from './webfinger.ts'

const tag = 'Federation'
const open = { method: 'GET', tag, access: 'public', bucket: 'default' } as const
const MAX_PAGE_LENGTH = 100

/** What other servers read of this one. Readable by anybody: two servers that each ask for a signature first wait for ever. */
export function actorRoutes(api: Api, ctx: Context): void {
  webFingerRoute(api, ctx)
  actorRoute(api, ctx)
  collectionRoutes(api, ctx)
  nodeInfoRoutes(api, ctx)
}

function webFingerRoute(api: Api, ctx: Context): void {
  api.endpoint(
    {
      ...open,
      path: '/.well-known/webfinger',
      summary: 'Find the actor of somebody on this server (WebFinger)',
      input: WebFingerInput,
      contentType: JRD_JSON,
      answers: { 200: ResourceDescriptor },
      errors: [404],
    },
    async ({ input }) => {
      const resource = parseResource(input.resource)
      const { instance, federation } = ctx
      let actor: LocalActor | undefined
      if (!federation.isOff) {
        if ('url' in resource) {
          const id = idInActorUrl(instance.origin, resource.url)
          actor = id === undefined ? undefined : await federation.local.byId(id)
        } else if (resource.host === instance.host) {
          actor = await federation.local.byName(resource.name)
        }
      }
      if (!actor) throw notFound('Resource', input.resource)
      return json(200, resourceDescriptor(instance.origin, actor))
    },
  )
}

function actorRoute(api: Api, ctx: Context): void {
  api.endpoint(
    {
      ...open,
      path: '/ap/users/:user_id',
      summary: 'The actor of somebody on this server (ActivityPub)',
      description: 'The same document for every Accept header: there is no page for people.',
      params: ActorParams,
      contentType: ACTIVITY_JSON,
      answers: { 200: ActorDocument, 410: Tombstone },
      errors: [404],
    },
    async ({ params }) => {
      const { instance, federation } = ctx
      const { user_id: id } = params
      const actor = federation.isOff ? undefined : await federation.local.byId(id)
      if (actor) {
        return json(200, actorDocument(instance.origin, actor, await federation.keys.of(actor.id)))
      }
      if (!federation.isOff && (await federation.local.isGone(id)))
        return json(410, tombstone(instance.origin, id))
      throw notFound('Actor', id)
    },
  )
}

function collectionRoutes(api: Api, ctx: Context): void {
  const collection = {
    ...open,
    params: ActorParams,
    contentType: ACTIVITY_JSON,
    answers: { 200: Collection },
    errors: [404] as const,
  }

  api.endpoint(
    {
      ...collection,
      path: '/ap/users/:user_id/outbox',
      summary: 'What somebody has published: nothing, as all they write is to somebody',
      input: OutboxInput,
    },
    async ({ params, input }) => {
      const actor = await demandActor(ctx, params.user_id)
      const id = outboxUrl(ctx.instance.origin, actor.id)
      const { page, limit = 20 } = input
      if (page !== undefined && !(Number.isInteger(page) && page >= 1))
        throw badRequest('page must be 1 or more')
      if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_PAGE_LENGTH)) {
        throw badRequest(`limit must be 1 to ${MAX_PAGE_LENGTH}`)
      }
      const list = { '@context': ACTIVITY_STREAMS, totalItems: 0, orderedItems: [] }
      if (page === undefined) return json(200, { ...list, id, type: 'OrderedCollection' })
      return json(200, {
        ...list,
        id: `${id}?page=${page}&limit=${limit}`,
        type: 'OrderedCollectionPage',
        partOf: id,
      })
    },
  )

  for (const [name, url] of [
    ['followers', followersUrl],
    ['following', followingUrl],
  ] as const) {
    api.endpoint(
      {
        ...collection,
        path: `/ap/users/:user_id/${name}`,
        summary: `How many ${name} somebody has on other servers; who they are is not told`,
      },
      async ({ params }) => {
        const actor = await demandActor(ctx, params.user_id)
        const direction = name === 'followers' ? 'in' : 'out'
        const totalItems = await countFollows(ctx.db.read, actor.id, direction)
        const id = url(ctx.instance.origin, actor.id)
        return json(200, { '@context': ACTIVITY_STREAMS, id, type: 'OrderedCollection', totalItems })
      },
    )
  }
}

function nodeInfoRoutes(api: Api, ctx: Context): void {
  const route = { ...open, answers: { 200: NodeInfoDocument }, errors: [404] as const }
  api.endpoint({ ...route, path: '/.well-known/nodeinfo', summary: 'Where NodeInfo is' }, () => {
    demandFederation(ctx)
    return json(200, nodeInfoLinks(ctx.instance.origin))
  })
  for (const schema of ['2.0', '2.1'] as const) {
    const contentType = `application/json; profile="http://nodeinfo.diaspora.software/ns/schema/${schema}#"; charset=utf-8`
    const summary = `What software this server runs (NodeInfo ${schema})`
    api.endpoint({ ...route, path: `/nodeinfo/${schema}`, summary, contentType }, () => {
      demandFederation(ctx)
      return json(
        200,
        nodeInfo(schema, {
          name: ctx.settings.current.server_name,
          registrationIsOpen: ctx.config.accounts.registration === 'open',
        }),
      )
    })
  }
}

/** @throws HttpError 404 */
async function demandActor(ctx: Context, id: string): Promise<LocalActor> {
  const actor = ctx.federation.isOff ? undefined : await ctx.federation.local.byId(id)
  if (!actor) throw notFound('Actor', id)
  return actor
}

/** @throws HttpError 404 */
function demandFederation(ctx: Context): void {
  if (ctx.federation.isOff) throw notFound('NodeInfo')
}

function json(status: number, document: object): RawJson {
  return new RawJson(status, JSON.stringify(document))
}
