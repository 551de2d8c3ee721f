import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Actor, Bucket } from '../access.ts'
import type { Client, ClientAddresses } from '../client-address.ts'
import type { LimitHeaders } from './headers.ts'
import type { RateLimiter, Verdict } from './limiter.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Where it comes from. */
    client: Client
    /** Whether it counts on its limits already. */
    isCounted: boolean
  }
}

/** Limits of requests that come through Fastify. */
export class RequestLimits {
  readonly #limiter: RateLimiter
  readonly #clients: ClientAddresses
  readonly #onActor: (actor: Actor, client: Client) => void

  /** @param options.onActor told who comes from where, once it is known */
  constructor(options: {
    limiter: RateLimiter
    clients: ClientAddresses
    onActor: (actor: Actor, client: Client) => void
  }) {
    this.#limiter = options.limiter
    this.#clients = options.clients
    this.#onActor = options.onActor
  }

  /**
   * To be called before CORS is set up, which answers preflight requests by itself. They count, but are not refused:
   * scripts could not read the refusal, and it would cost as much as the answer.
   */
  recognize(app: FastifyInstance): void {
    app.decorateRequest('client', null as unknown as Client)
    app.decorateRequest('isCounted', false)
    app.addHook('onRequest', (request, reply, done) => {
      request.client = this.#clients.of(request.raw)
      if (request.method !== 'OPTIONS') return done()
      request.isCounted = true
      const headers = this.#limiter.countOnly(request.client, 'default')
      if (!(headers instanceof Promise)) return done(setHeaders(reply, headers))
      headers.then((later) => done(setHeaders(reply, later)), done)
    })
  }

  /**
   * To be called after CORS is set up, so that scripts can read refusals. Refuses who is blocked or cools down before
   * anything is read from them, and counts requests to routes that ask nobody who they are. The others are counted when it is
   * known whose they are.
   */
  guard(app: FastifyInstance): void {
    app.addHook('onRequest', (request, reply, done) => {
      const { access, countsByAccount } = request.routeOptions.config
      const isPublic = access === undefined || (access === 'public' && !countsByAccount)
      const refusal = this.#limiter.refusal(
        request.client,
        bucketOf(request),
        isPublic ? 'anonymous' : 'anybody',
      )
      if (refusal) {
        request.isCounted = true
        return done(take(reply, refusal))
      }
      if (!isPublic) return done()
      const counted = this.#count(request, reply)
      if (!(counted instanceof Promise)) return done(counted)
      counted.then(done, done)
    })
  }

  /**
   * For what the router cannot take apart, which passes no hook.
   *
   * @throws HttpError 429
   */
  async countUnroutable(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    request.client = this.#clients.of(request.raw)
    const refusal = this.#limiter.refusal(request.client, 'default', 'anonymous')
    const error = take(reply, refusal ?? (await this.#limiter.count(request.client, undefined, 'default')))
    if (error) throw error
  }

  /**
   * Counts a request, unless it was counted already.
   *
   * @throws HttpError 429
   */
  async count(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (request.isCounted) return
    const counted = this.#count(request, reply)
    const error = counted instanceof Promise ? await counted : counted
    if (error) throw error
  }

  #count(request: FastifyRequest, reply: FastifyReply): Error | undefined | Promise<Error | undefined> {
    request.isCounted = true
    const { client, actor } = request
    if (actor) this.#onActor(actor, client)
    const verdict = this.#limiter.count(client, actor?.userId, bucketOf(request))
    return verdict instanceof Promise ? verdict.then((later) => take(reply, later)) : take(reply, verdict)
  }
}

function bucketOf(request: FastifyRequest): Bucket {
  return request.routeOptions.config.bucket ?? 'default'
}

function take(reply: FastifyReply, { headers, error }: Verdict): Error | undefined {
  setHeaders(reply, headers)
  return error
}

function setHeaders(reply: FastifyReply, headers: LimitHeaders): undefined {
  reply.headers(headers)
  return undefined
}
