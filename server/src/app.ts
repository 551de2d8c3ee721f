import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { originOf } from '#config/load.ts'
import type { Context } from '#context'
import { listenForCommands } from '#events/bridge.ts'
import { accountRoutes, resetPresence } from '#features/accounts/index.ts'
import { appearanceRoutes } from '#features/appearance/index.ts'
import { auditRoutes, auditTasks } from '#features/audit/index.ts'
import { authRoutes, authTasks } from '#features/auth/index.ts'
import { backupMetrics, backupTasks } from '#features/backups/index.ts'
import { blockedIpRoutes, blockedIpTasks } from '#features/blocked-ips/index.ts'
import { channelRoutes } from '#features/channels/index.ts'
import {
  announceChanges,
  connectDirectMessages,
  deliveryJobs,
  federationRoutes,
  federationTasks,
  moveJobs,
  wakeDeliveries,
} from '#features/federation/index.ts'
import { handleSweeps, recoverUploads } from '#features/files/index.ts'
import { dmRoutes } from '#features/dms/index.ts'
import { inviteRoutes } from '#features/invites/index.ts'
import { instanceRoutes, instanceTasks } from '#features/instance/index.ts'
import { messageJobs, messageRoutes } from '#features/messages/index.ts'
import { moderationRoutes } from '#features/moderation/index.ts'
import { nodeAuthRoutes, nodeAuthTasks } from '#features/node-auth/index.ts'
import { roleRoutes } from '#features/roles/index.ts'
import { statRoutes, statTasks } from '#features/stats/index.ts'
import { activityRoutes } from '#features/activity/index.ts'
import { retentionRoutes, retentionTasks } from '#features/retention/index.ts'
import { housekeepingTasks, taskRoutes } from '#features/tasks/index.ts'
import { downloadRoutes, storageRoutes, storageTasks } from '#features/storage/index.ts'
import { voiceRoutes, voiceTasks } from '#features/voice/index.ts'
import { acceptSockets, gatewayRoutes, Hub, openCluster } from '#gateway/index.ts'
import { notificationJobs, notificationRoutes, notificationTasks } from '#features/notifications/index.ts'
import { searchJobs, searchRoutes } from '#features/search/index.ts'
import { Api } from '#http/endpoint.ts'
import { RequestLimits } from '#http/rate-limit/hooks.ts'
import { serveDocsPage } from '#http/docs-page.ts'
import { createHttpServer } from '#http/server.ts'
import { can } from '#lib/permission.ts'

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** Where it can be reached on this machine. */
  readonly url: string
  readonly hub: Hub
  /** The OpenAPI document that it serves. */
  openApi(): Record<string, unknown>
  /**
   * Stops: refuses what is new, tells sockets to come back later, finishes what is under way. What is not done
   * after `timeoutMs` is cut.
   */
  stop(timeoutMs: number): Promise<void>
}

/** Puts routes and gateway on a context and listens where the configuration says. */
export async function startServer(
  ctx: Context,
  options: { originIsDefault: boolean },
): Promise<RunningServer> {
  const { app, api } = await declareServer(ctx)
  serveDocumentation(app, api, ctx)

  await resetPresence(ctx)
  await ctx.voice.start()
  const cluster = await openCluster(ctx)
  const hub = await Hub.create(ctx, cluster)
  acceptSockets(app.server, ctx, hub)
  const { host, port } = ctx.config.server
  await app.listen({ host, port })
  const { port: actual } = app.server.address() as AddressInfo
  if (options.originIsDefault) ctx.instance.origin = originOf(host, actual)
  await recoverUploads(ctx)
  declareWork(ctx)
  await wakeDeliveries(ctx)
  await ctx.tasks.start()
  await ctx.jobs.start()
  const commands = await listenForCommands({
    dataDir: ctx.config.data_dir,
    bus: ctx.bus,
    onError: (error) => ctx.log.warn({ err: error }, 'the way for commands is disturbed'),
  })

  let stopped: Promise<void> | undefined
  const stop = async (timeoutMs: number): Promise<void> => {
    ctx.instance.stopping = true
    const deadline = setTimeout(() => app.server.closeAllConnections(), timeoutMs)
    const jobs = ctx.jobs.stop(timeoutMs)
    ctx.voice.close()
    const sockets = hub.close(Math.min(timeoutMs, 3000))
    await app.close()
    await sockets
    clearTimeout(deadline)
    await commands[Symbol.asyncDispose]()
    await jobs
    await hub[Symbol.asyncDispose]()
    await cluster?.[Symbol.asyncDispose]()
  }
  const running: RunningServer = {
    url: originOf(host, actual),
    hub,
    openApi: () => api.openApi.document(ctx.instance.origin),
    stop: (timeoutMs) => (stopped ??= stop(timeoutMs)),
    [Symbol.asyncDispose]: () => running.stop(1000),
  }
  return running
}

/** The OpenAPI document of a server that does not listen. */
export async function describeApi(ctx: Context): Promise<Record<string, unknown>> {
  const { app, api } = await declareServer(ctx)
  await app.close()
  return api.openApi.document(ctx.instance.origin)
}

async function declareServer(ctx: Context): Promise<{ app: FastifyInstance; api: Api }> {
  const { config, log } = ctx
  const limits = new RequestLimits({
    limiter: ctx.limiter,
    clients: ctx.clients,
    onActor: (actor, client) => {
      if (can(actor, 'manage_blocked_ips').allowed) ctx.blockedIps.spare(client)
    },
  })
  const app = await createHttpServer({ config, log, limits })
  observe(app, ctx)
  const api = new Api(app, {
    authenticate: (token) => ctx.authenticator.authenticate(token),
    limits,
    bodyLimit: ctx.config.server.body_limit_kb * 1024,
    bodyOn204: ctx.config.compat.upstream_client,
    personalize: (json, sessionId) => ctx.fileLinks.fill(json, sessionId),
  })
  authRoutes(api, ctx)
  nodeAuthRoutes(api, ctx)
  accountRoutes(api, ctx)
  channelRoutes(api, ctx)
  messageRoutes(api, ctx)
  dmRoutes(api, ctx)
  appearanceRoutes(api, ctx)
  roleRoutes(api, ctx)
  storageRoutes(api, ctx)
  downloadRoutes(api, ctx)
  moderationRoutes(api, ctx)
  auditRoutes(api, ctx)
  federationRoutes(api, ctx)
  voiceRoutes(api, ctx)
  searchRoutes(api, ctx)
  instanceRoutes(app, api, ctx)
  blockedIpRoutes(api, ctx)
  inviteRoutes(api, ctx)
  taskRoutes(api, ctx)
  retentionRoutes(api, ctx)
  statRoutes(api, ctx)
  activityRoutes(api, ctx)
  notificationRoutes(api, ctx)
  gatewayRoutes(api)
  return { app, api }
}

/** What this server does in the background: for requests that are over, and by itself. */
function declareWork(ctx: Context): void {
  messageJobs(ctx)
  connectDirectMessages(ctx)
  announceChanges(ctx)
  deliveryJobs(ctx)
  moveJobs(ctx)
  federationTasks(ctx)
  authTasks(ctx)
  nodeAuthTasks(ctx)
  auditTasks(ctx)
  retentionTasks(ctx)
  voiceTasks(ctx)
  statTasks(ctx)
  blockedIpTasks(ctx)
  housekeepingTasks(ctx)
  instanceTasks(ctx)
  backupTasks(ctx)
  backupMetrics(ctx)
  handleSweeps(ctx)
  storageTasks(ctx)
  searchJobs(ctx)
  notificationJobs(ctx)
  notificationTasks(ctx)
}

/** `/openapi.json` and, for people, `/docs`. */
function serveDocumentation(app: FastifyInstance, api: Api, ctx: Context): void {
  const config = { access: 'public', bucket: 'default' } as const
  app.get('/openapi.json', { config }, (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(api.openApi.document(ctx.instance.origin))),
  )
  serveDocsPage(app)
}

function observe(app: FastifyInstance, ctx: Context): void {
  app.addHook('onResponse', (request, reply, next) => {
    const route = request.routeOptions.url ?? 'unknown'
    ctx.metrics.requests.observe(
      { method: request.method, route, status: String(reply.statusCode) },
      reply.elapsedTime / 1000,
    )
    next()
  })
}
