import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Context } from '#context'
import { accessChannel } from '#features/channels/index.ts'
import { SIGNALLING_PATH, signallingAcceptor } from '#features/voice/index.ts'
import { asUnavailable, DatabaseUnavailableError } from '#db/errors.ts'
import { errorBody, HttpError, notFound, unauthorized, unavailable } from '#http/errors.ts'
import type { Client } from '#http/client-address.ts'
import { HandshakeLimits } from '#http/rate-limit/handshake.ts'
import type { LimitHeaders } from '#http/rate-limit/headers.ts'
import { tokenOf } from '#http/token.ts'
import { contains, parseNetwork } from '#lib/ip.ts'
import { channelIdOf } from '#lib/conversation-id.ts'
import { logMark, parseCursor } from './cursor.ts'
import type { Admission, Hub, Resume } from './hub.ts'

interface Target {
  readonly channelId: string | undefined
}

/**
 * Lets WebSockets in. Whoever has no business here gets an HTTP answer instead of a socket: 401 without a good
 * token, 404 for a channel that does not exist or is hidden.
 */
export function acceptSockets(server: Server, ctx: Context, hub: Hub): void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: ctx.config.gateway.max_frame_kb * 1024,
    perMessageDeflate: false,
    clientTracking: false,
    skipUTF8Validation: false,
    // Pings are counted like all that clients send, and answered within the bound of the send queue.
    autoPong: false,
  })
  // Whoever offers another protocol (some clients offer HTTP/2 with every request) is served without it.
  Object.assign(server, {
    shouldUpgradeCallback: ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === 'websocket',
  })
  const acceptSignalling = signallingAcceptor(ctx)
  server.on('upgrade', (request, stream, head) => {
    stream.on('error', () => stream.destroy())
    const client = ctx.clients.of(request)
    const limits = new HandshakeLimits(ctx.limiter, client, 'messages')
    if (URL.parse(request.url ?? '', 'http://localhost')?.pathname === SIGNALLING_PATH) {
      // Whose it is stands in a token of its own, which is looked at after the upgrade.
      return void Promise.try(() => limits.admit())
        .then(() => limits.count(undefined))
        .then(
          () => {
            closeWhenBlocked(ctx, client, stream)
            acceptSignalling(request, stream, head)
          },
          async (error: unknown) => refuse(ctx, request, stream, await limits.settle(error)),
        )
    }
    let answered = false
    const upgrade = (): { socket: WebSocket; stream: Duplex } | undefined => {
      let opened: { socket: WebSocket; stream: Duplex } | undefined
      answered = true
      // Calls back at once, or answers 400 itself when the handshake is wrong.
      sockets.handleUpgrade(request, stream, head, (socket) => {
        opened = { socket, stream }
      })
      return opened
    }
    admission(ctx, request, limits)
      .then((admitted) => hub.open({ ...admitted, client }, upgrade))
      .catch(async (error: unknown) => {
        if (!answered) return refuse(ctx, request, stream, await limits.settle(error))
        ctx.log.error({ err: error }, 'a socket could not be opened')
        stream.destroy()
      })
  })
}

async function admission(
  ctx: Context,
  request: IncomingMessage,
  limits: HandshakeLimits,
): Promise<Omit<Admission, 'client'>> {
  limits.admit()
  const url = URL.parse(request.url ?? '', 'http://localhost')
  const target = url ? targetOf(url.pathname) : undefined
  if (!url || !target) throw notFound('Socket')
  if (ctx.instance.stopping) throw unavailable('The server is stopping', 2)
  const token = tokenOf(undefined, { auth_token: url.searchParams.get('auth_token') }, request.headers)
  if (token === undefined) throw unauthorized()
  const actor = await ctx.authenticator.authenticate(token)
  await limits.count(actor.userId)
  const { channelId } = target
  if (channelId !== undefined) await accessChannel(ctx.db.read, actor, channelId)
  return { actor, channelId, resume: resumeOf(ctx, url.searchParams.get('resume')) }
}

/** Signalling sockets are not the hub's: it cannot close them. */
function closeWhenBlocked({ bus }: Pick<Context, 'bus'>, { address }: Client, stream: Duplex): void {
  const unsubscribe = bus.subscribe(({ event }) => {
    const network = event.type === 'address.blocked' ? parseNetwork(event.network) : undefined
    if (network && contains(network, address)) stream.destroy()
  })
  stream.once('close', unsubscribe)
}

function targetOf(path: string): Target | undefined {
  if (/^\/ws\/?$/.test(path)) return { channelId: undefined }
  const channelId = /^\/ws\/channels\/([^/]+)\/?$/.exec(path)?.[1]
  return channelId === undefined ? undefined : { channelId: channelIdOf(channelId) }
}

function resumeOf({ instance }: Pick<Context, 'instance'>, text: string | null): Resume {
  if (text === null) return undefined
  if (text === '' || text === 'now') return 'now'
  // What is no cursor is one that cannot be resumed; the client learns it by the close code.
  return parseCursor(logMark(instance.serverId), text) ?? new Map([[-1, 0]])
}

function refuse(
  ctx: Context,
  request: IncomingMessage,
  stream: Duplex,
  { error: thrown, headers }: { error: unknown; headers: LimitHeaders },
): void {
  const error = asHttpError(asUnavailable(thrown))
  const { status, retryAfterSeconds } = error
  if (status >= 500) ctx.log.error({ err: error.cause ?? error }, 'a socket was refused')
  const body = JSON.stringify(errorBody(error))
  const all = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': randomUUID(),
    ...allowedOrigin(ctx.config.server.cors_origins, request.headers.origin),
    'cache-control': 'no-store',
    connection: 'close',
    ...headers,
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
  }
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  const line = `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}`
  stream.end(`${[line, ...head].join('\r\n')}\r\n\r\n${body}`)
}

function asHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error
  if (error instanceof DatabaseUnavailableError)
    return unavailable(error.message, error.retryAfterSeconds, error)
  return new HttpError(500, 'Internal server error', { cause: error })
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** The rule of CORS that all other answers follow, see http/server.ts. */
function allowedOrigin(allowed: readonly string[], origin: string | undefined): Record<string, string> {
  if (allowed.includes('*')) return { 'access-control-allow-origin': '*' }
  return origin !== undefined && allowed.includes(origin)
    ? { 'access-control-allow-origin': origin, vary: 'Origin' }
    : {}
}
