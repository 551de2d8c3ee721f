import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Context } from '#context'
import { tokenOf } from '#http/token.ts'
import type { Api } from '#http/endpoint.ts'
import { forbidden } from '#http/errors.ts'
import { version } from '#lib/version.ts'
import { serverPictureRoutes } from './pictures.ts'
import { healthRoutes } from './health.ts'
import { latestReleaseRoutes } from './latest-release.ts'
import { logRoutes } from './log-routes.ts'
import { registrationOf } from './registration.ts'
import { runtimeConfigRoutes } from './runtime-config-routes.ts'
import { serverInfoRoutes } from './server-info.ts'
import { hasOwner } from './settings.ts'
import { usageRoutes } from './usage-routes.ts'

export function instanceRoutes(app: FastifyInstance, api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/info',
      tag: 'General',
      summary: 'About this server',
      access: 'public',
      bucket: 'default',
      answers: {
        200: z.object({
          status_code: z.literal(200),
          server_name: z.string(),
          version: z.string(),
          registration: z.enum(['open', 'invite', 'closed']),
          has_owner: z.boolean().meta({ description: 'While false, the first account becomes the owner.' }),
        }),
      },
    },
    async () => ({
      server_name: ctx.settings.current.server_name,
      version,
      registration: registrationOf(ctx),
      has_owner: await hasOwner(ctx.db.read),
    }),
  )

  for (const path of ['/', '/api/v1']) {
    app.get(path, { config: { access: 'public', bucket: 'default' } }, (_request, reply) =>
      reply.redirect('/api/v1/info', 307),
    )
  }

  serverPictureRoutes(api, ctx)
  serverInfoRoutes(api, ctx)
  usageRoutes(api, ctx)
  latestReleaseRoutes(api, ctx)
  runtimeConfigRoutes(api, ctx)
  logRoutes(api, ctx)
  healthRoutes(api, ctx)
  metricsRoute(app, ctx)
}

/** `/metrics`: with the configured token, or without one from this machine only. */
function metricsRoute(app: FastifyInstance, ctx: Context): void {
  if (!ctx.config.metrics.enabled) return
  app.get('/metrics', { config: { access: 'public', bucket: 'default' } }, async (request, reply) => {
    if (!mayReadMetrics(ctx, request)) throw forbidden('Metrics need the token from the configuration')
    return reply.type(ctx.metrics.registry.contentType).send(await ctx.metrics.registry.metrics())
  })
}

function mayReadMetrics(ctx: Context, request: FastifyRequest): boolean {
  const { token } = ctx.config.metrics
  if (token === '') return isLoopback(request.socket.remoteAddress ?? '') && !cameByProxy(request)
  const given = tokenOf(undefined, undefined, request.headers) ?? ''
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(token))
}

/** A proxy on this machine speaks for the world, whether the configuration trusts it or not. */
function cameByProxy({ headers }: FastifyRequest): boolean {
  return ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip'].some((name) => headers[name] !== undefined)
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}
