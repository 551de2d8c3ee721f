import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { HttpError, notFound } from '#http/errors.ts'
import { ACCEPT_SIGNATURE } from './delivery/signature-choice.ts'
import { receive } from './inbox/receive.ts'
import { ActorParams, ActivityAccepted } from './schema.ts'

const MAX_BYTES = 256 * 1024
const TYPES = ['application/activity+json', 'application/ld+json', 'application/json']

/** Where other servers bring what their people do. */
export function inboxRoutes(api: Api, ctx: Context): void {
  const inbox = {
    tag: 'Federation',
    description:
      'The request must be signed with a key of the actor (draft-cavage-http-signatures-12 or RFC 9421), covering ' +
      'method, target, host, date and digest. An activity takes effect once. 202 says that it was taken, not that ' +
      'it did something.',
    bucket: 'default',
    types: TYPES,
    limitBytes: MAX_BYTES,
    answers: { 202: ActivityAccepted },
    errors: [400, 401, 403, 404, 421],
    before: (request: FastifyRequest) => checkHead(ctx, request),
  } as const
  const take = async (request: FastifyRequest, body: Buffer, ownerId: string | undefined) => {
    const { url, rawHeaders } = request.raw
    const { type, action, delivered_count } = await receive(ctx, {
      rawHeaders,
      path: pathOf(url ?? ''),
      body,
      ownerId,
    })
    return {
      message: 'Activity accepted',
      result: {
        processed: action !== 'ignored',
        activity_type: type,
        action,
        ...(delivered_count !== undefined && { delivered_count }),
      },
    }
  }

  api.intake(
    {
      ...inbox,
      path: '/ap/inbox',
      summary: 'Deliver an activity to anybody here (ActivityPub)',
      params: z.object({}),
    },
    async ({ request, reply, body }) => {
      const answer = await take(request, body, undefined)
      reply.header('accept-signature', ACCEPT_SIGNATURE)
      return answer
    },
  )

  api.intake(
    {
      ...inbox,
      path: '/ap/users/:user_id/inbox',
      summary: 'Deliver an activity to somebody here (ActivityPub)',
      params: ActorParams,
    },
    async ({ params, request, reply, body }) => {
      const answer = await take(request, body, params.user_id)
      reply.header('accept-signature', ACCEPT_SIGNATURE)
      return answer
    },
  )
}

/**
 * What can be said before the body is there. A request that was signed for another host has no business here, though
 * that may have an inbox of the same path.
 */
function checkHead(ctx: Context, { headers, raw }: FastifyRequest): void {
  if (ctx.federation.isOff) throw notFound('Inbox')
  const { instance } = ctx
  const [scheme] = instance.origin.split(':')
  const stated = `${scheme}://${headers.host ?? ''}`
  const isOurs =
    URL.canParse(stated) && new URL(stated).host === instance.host && !/^\w+:/.test(raw.url ?? '')
  if (!isOurs) throw new HttpError(421, 'The request is meant for another host')
  const type = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (!TYPES.includes(type)) throw new HttpError(415, `The body must be ${TYPES[0]}`)
}

function pathOf(url: string): string {
  return url.split('#', 1)[0]!
}
