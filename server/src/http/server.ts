import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import cors from '@fastify/cors'
import formbody from '@fastify/formbody'
import multipart from '@fastify/multipart'
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify'
import type { Log } from '#log/log.ts'
import type { Config } from '#config/schema.ts'
import type { Access, Actor, Bucket } from './access.ts'
import { answerErrors, answerUnroutable } from './error-answer.ts'
import { limitBodyTime } from './body-time.ts'
import { badRequest } from './errors.ts'
import type { RequestLimits } from './rate-limit/hooks.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    bucket?: Bucket
    /** A public route that is used with tokens too: it counts by account if there is one. */
    countsByAccount?: true
  }
  interface FastifyRequest {
    /** Whoever's token came with the request, once it was checked. */
    actor: Actor | undefined
  }
}

/** Headers by which scripts of other origins may ask for parts of files, and for what they do not have. */
const CONDITIONS = [
  'Range',
  'If-Range',
  'If-Match',
  'If-None-Match',
  'If-Modified-Since',
  'If-Unmodified-Since',
]

/** Headers that scripts of other origins may read. */
const EXPOSED = [
  'Accept-Ranges',
  'Content-Disposition',
  'Content-Range',
  'ETag',
  'X-Request-ID',
  'Retry-After',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'RateLimit',
  'RateLimit-Policy',
]

/**
 * The HTTP server without routes: body parsers, CORS, request ids, security headers, error answers. Answers
 * that depend on who asks are never stored by caches on the way.
 */
export async function createHttpServer({
  config,
  log,
  limits,
}: {
  config: Config
  log: Log
  limits: RequestLimits
}): Promise<FastifyInstance> {
  const anyOrigin = config.server.cors_origins.includes('*')
  const app = Fastify({
    bodyLimit: config.server.body_limit_kb * 1024,
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 500 },
    logger: false,
    // Input is checked by zod and answers are written by hand: what would compile schemas is not even loaded.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    // Headers have Node's own limit; bodies are looked after below.
    requestTimeout: 0,
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => refuseMalformed(error, socket, { anyOrigin }),
    frameworkErrors: (error, request, reply) => {
      addCommonHeaders(request, reply)
      if (anyOrigin) reply.header('access-control-allow-origin', '*')
      void answerUnroutable(error, { request, reply }, limits)
    },
  })
  app.decorateRequest('actor', undefined)
  // Before CORS, which answers preflight requests by itself.
  app.addHook('onRequest', (request, reply, next) => {
    addCommonHeaders(request, reply)
    next()
  })
  limits.recognize(app)
  await app.register(cors, {
    origin: anyOrigin ? '*' : [...config.server.cors_origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
    allowedHeaders: ['Authorization', 'Content-Type', 'X-Pufferblow-Node-Session', ...CONDITIONS],
    exposedHeaders: EXPOSED,
    maxAge: 86_400,
    strictPreflight: false,
  })
  limits.guard(app)
  limitBodyTime(app, ({ raw: { socket } }) => refuseMalformed(new BodyTimeout(), socket, { anyOrigin }))
  demandDeclarations(app)
  addRequestLog(app, log)
  addBodyParsers(app)
  await app.register(formbody, { bodyLimit: config.server.body_limit_kb * 1024 })
  await app.register(multipart)
  answerErrors(app, log, limits)
  return app
}

function addCommonHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id)
  reply.header('cache-control', 'no-store')
  reply.header('referrer-policy', 'no-referrer')
  reply.header('x-content-type-options', 'nosniff')
}

/** A route that does not say who may call it, or what it counts against, stops the start. */
function demandDeclarations(app: FastifyInstance): void {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => void routes.push(route))
  app.addHook('onReady', async () => {
    const undeclared = routes.filter(({ config }) => !config?.access || !config.bucket)
    if (undeclared.length === 0) return
    throw new Error(`routes without access or rate bucket: ${undeclared.map(({ url }) => url).join(', ')}`)
  })
}

/** A line for each answer: the route's pattern, never the URL, which may carry a token. */
function addRequestLog(app: FastifyInstance, log: Log): void {
  app.addHook('onResponse', (request, reply, next) => {
    const level = reply.statusCode >= 500 ? 'error' : 'debug'
    if (log.isLevelEnabled(level)) {
      log[level](
        {
          request_id: request.id,
          method: request.method,
          route: request.routeOptions.url ?? 'unknown',
          status: reply.statusCode,
          ms: Math.round(reply.elapsedTime * 10) / 10,
          ...(request.actor && { user_id: request.actor.userId }),
        },
        'answered',
      )
    }
    next()
  })
}

/**
 * JSON, also when a beacon calls it text. An empty body is no body, whatever type it claims: clients put the
 * header on every request.
 */
function addBodyParsers(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  const decoder = new TextDecoder('utf-8', { fatal: true })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    ['application/json', 'text/plain'],
    { parseAs: 'buffer' },
    (request, body, done) => {
      if (body.length === 0) return done(null, undefined)
      let text: string
      try {
        text = decoder.decode(body as Buffer)
      } catch {
        return done(badRequest('The body is not UTF-8'))
      }
      void parseJson(request, text, (error, value) =>
        done(error ? badRequest('The body is not valid JSON') : null, value),
      )
    },
  )
}

/** A body that did not come in time, as Node.js would say it. */
class BodyTimeout extends Error {
  readonly code = 'ERR_HTTP_REQUEST_TIMEOUT'
}

/** Answers what is not even HTTP: without a request there is no origin to compare with a list. */
function refuseMalformed(
  error: NodeJS.ErrnoException,
  socket: Socket,
  { anyOrigin }: { anyOrigin: boolean },
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, reason, detail] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? [431, 'Request Header Fields Too Large', 'The request headers are too large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'Request Timeout', 'The request took too long']
        : [400, 'Bad Request', 'The request is malformed']
  const body = JSON.stringify({ detail })
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-ID: ${randomUUID()}`,
    'Cache-Control: no-store',
    ...(anyOrigin ? ['Access-Control-Allow-Origin: *'] : []),
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** No route has a schema of Fastify's own kind. */
function noSchemas(): never {
  throw new Error('routes are declared with Api.endpoint, which checks by itself')
}
