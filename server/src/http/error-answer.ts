import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { asUnavailable, DatabaseUnavailableError } from '#db/errors.ts'
import type { Log } from '#log/log.ts'
import { redactText } from '#log/redact.ts'
import { errorBody, HttpError } from './errors.ts'
import type { RequestLimits } from './rate-limit/hooks.ts'

/**
 * Installs the one place that turns whatever was thrown into the documented shape. What went wrong before it was known
 * who asks counts on the limits of the address.
 */
export function answerErrors(app: FastifyInstance, log: Log, limits: RequestLimits): void {
  const known: { method: string; pattern: RegExp }[] = []
  app.addHook('onRoute', ({ method, url }) => {
    const pattern = new RegExp(`^${url.replace(/:\w+/g, '[^/]+').replace(/\*/g, '.*').replace(/\/$/, '')}/?$`)
    for (const one of [method].flat()) known.push({ method: one, pattern })
  })

  app.setErrorHandler(async (thrown, request, reply) => {
    const error = await limits.count(request, reply).then(() => asHttpError(thrown), asHttpError)
    if (error.status >= 500) {
      log.error(
        { request_id: request.id, route: request.routeOptions.url, err: error.cause ?? error },
        'request failed',
      )
    }
    return send(request, reply, error)
  })

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]!
    const methods = known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)
    if (methods.length === 0) return send(request, reply, new HttpError(404, 'Not Found'))
    reply.header('allow', [...new Set(methods)].join(', '))
    return send(request, reply, new HttpError(405, 'Method Not Allowed'))
  })
}

/** Answers a request whose address the router cannot take apart. It has passed no hook. */
export async function answerUnroutable(
  { code }: { code: string },
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  limits: RequestLimits,
): Promise<void> {
  const tooLong = code === 'FST_ERR_MAX_PARAM_LENGTH'
  const error = tooLong ? new HttpError(404, 'Not Found') : new HttpError(400, 'The address is malformed')
  send(request, reply, await limits.countUnroutable(request, reply).then(() => error, asHttpError))
}

function asHttpError(thrown: unknown): HttpError {
  if (thrown instanceof HttpError) return thrown
  const error = asUnavailable(thrown)
  if (error instanceof DatabaseUnavailableError) {
    return new HttpError(503, error.message, { cause: error, retryAfterSeconds: error.retryAfterSeconds })
  }
  const { statusCode, code } = (error ?? {}) as { statusCode?: unknown; code?: unknown }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new HttpError(statusCode, frameworkDetails[String(code)] ?? 'The request is malformed', {
      cause: error,
    })
  }
  return new HttpError(500, 'Internal server error', { cause: error })
}

const frameworkDetails: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is too large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'The body must be JSON or a form',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body does not have the length that its header says',
}

function send(request: FastifyRequest, reply: FastifyReply, error: HttpError): FastifyReply {
  if (error.status === 401) reply.header('www-authenticate', 'Bearer')
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds))
  return reply
    .code(error.status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify({ ...errorBody(error), ...debugOf(request, reply, error) }))
}

/** `?debug=1`: request id and time for anybody; the cause, without secrets, for the owner of the server only. */
function debugOf(request: FastifyRequest, reply: FastifyReply, error: HttpError): { debug?: object } {
  const { debug } = (request.query ?? {}) as { debug?: unknown }
  if (debug !== '1' && debug !== 'true') return {}
  const timing = { request_id: request.id, elapsed_ms: Math.round(reply.elapsedTime * 10) / 10 }
  if (!request.actor?.roles.includes('owner') || error.cause === undefined) return { debug: timing }
  const { cause } = error
  // oxlint-disable-next-line typescript/no-base-to-string -- whatever was thrown
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
  return { debug: { ...timing, cause: redactText(text) } }
}
