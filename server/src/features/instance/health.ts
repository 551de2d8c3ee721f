import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { hasOwner } from './settings.ts'

const PATIENCE_MS = 2000

const MediaHealth = z
  .object({
    enabled: z.boolean(),
    status: z.enum(['ok', 'error', 'disabled']).meta({
      description: '`ok` also while nobody needs it and it does not run. `error`: it could not be started.',
    }),
    url: z.null().meta({ description: 'It is part of this program.' }),
    healthz: z.null(),
    error: z.string().nullable(),
  })
  .meta({ id: 'MediaHealth' })

const Health = z
  .object({
    status: z.enum(['ok', 'degraded']),
    api_loaded: z.boolean().meta({ description: 'False once the server is stopping.' }),
    server_initialized: z
      .boolean()
      .meta({ description: 'Whether somebody owns the server. False while the database is away.' }),
    components: z.record(z.string(), z.boolean()),
    media_sfu: MediaHealth,
  })
  .meta({ id: 'Health' })

/** How the server is, for process managers, proxies and people. */
export function healthRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/healthz',
      tag: 'Operation',
      summary: 'Whether the process lives: always 200',
      access: 'public',
      bucket: 'default',
      answers: { 200: Health },
    },
    () => healthOf(ctx),
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/readyz',
      tag: 'Operation',
      summary: 'Whether the server can serve: 503 while the database is away or the server stops',
      access: 'public',
      bucket: 'default',
      answers: { 200: Health, 503: Health },
    },
    async ({ reply }) => {
      const health = await healthOf(ctx)
      const ready = health.status === 'ok'
      reply.code(ready ? 200 : 503)
      if (!ready) reply.header('retry-after', '2')
      return health
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/system/instance-health',
      tag: 'Operation',
      summary: 'How the parts of the server are, for people to look at',
      access: 'public',
      bucket: 'default',
      answers: { 200: z.object({ status_code: z.literal(200), instance_health: Health }) },
    },
    async () => ({ instance_health: await healthOf(ctx) }),
  )
}

async function healthOf(ctx: Context): Promise<z.output<typeof Health>> {
  const [database, storage] = await Promise.all([lookAtDatabase(ctx), ctx.storeHealth.works()])
  const api = !ctx.instance.stopping
  const media = mediaHealth(ctx)
  return {
    status: database.works && api ? 'ok' : 'degraded',
    api_loaded: api,
    server_initialized: database.hasOwner,
    components: { api, database: database.works, storage, media: media.status !== 'error' },
    media_sfu: media,
  }
}

/** Whoever asks how a server is does not wait for a database that hangs. */
async function lookAtDatabase({ db }: Context): Promise<{ works: boolean; hasOwner: boolean }> {
  const away = { works: false, hasOwner: false }
  const look = db.ping().then(async () => ({ works: true, hasOwner: await hasOwner(db.read) }))
  return Promise.race([look, sleep(PATIENCE_MS, away, { ref: false })]).catch(() => away)
}

/** Without media, or without its files, a server is not degraded: everything else goes on. */
function mediaHealth({ config, sfu }: Context): z.output<typeof MediaHealth> {
  const { enabled } = config.voice
  const failed = enabled && sfu.isBroken
  return {
    enabled,
    status: enabled ? (failed ? 'error' : 'ok') : 'disabled',
    url: null,
    healthz: null,
    error: failed ? 'The media server could not be started' : null,
  }
}
