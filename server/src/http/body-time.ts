import type { FastifyInstance, FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set on routes that take files, whose forms may take as long as they come on. */
    takesFiles?: true
  }
}

/** How long the body of a request may take, files aside. */
const BODY_MS = 60_000
const LOOK_MS = 5_000

/**
 * Cuts clients whose bodies do not come. Node.js has one limit for all requests, which would cut large uploads as well;
 * those are held to a pace instead, see {@link FormReader}.
 *
 * @param cut answers, as far as that is possible, and ends the connection
 */
export function limitBodyTime(app: FastifyInstance, cut: (request: FastifyRequest) => void): void {
  const waiting = new Map<FastifyRequest, number>()
  app.addHook('onRequest', (request, _reply, next) => {
    const { headers, routeOptions } = request
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
    const isUpload =
      routeOptions.config.takesFiles === true &&
      headers['content-type']?.startsWith('multipart/form-data') === true
    if (hasBody && !isUpload) waiting.set(request, performance.now() + BODY_MS)
    next()
  })
  app.addHook('preHandler', (request, _reply, next) => {
    // Forms are still to be read here; they have their own pace.
    waiting.delete(request)
    next()
  })
  app.addHook('onResponse', (request, _reply, next) => {
    waiting.delete(request)
    next()
  })
  app.addHook('onRequestAbort', (request, next) => {
    waiting.delete(request)
    next()
  })
  const timer = setInterval(() => {
    const now = performance.now()
    for (const [request, until] of waiting) {
      // In the order in which they came.
      if (until > now) break
      waiting.delete(request)
      cut(request)
    }
  }, LOOK_MS).unref()
  app.addHook('onClose', (_instance, done) => {
    clearInterval(timer)
    done()
  })
}
