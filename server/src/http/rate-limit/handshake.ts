import type { Bucket } from '../access.ts'
import type { Client } from '../client-address.ts'
import type { LimitHeaders } from './headers.ts'
import type { RateLimiter, Verdict } from './limiter.ts'

/** Limits of one WebSocket handshake, which Fastify never sees. */
export class HandshakeLimits {
  readonly #limiter: RateLimiter
  readonly #client: Client
  readonly #bucket: Bucket
  #headers: LimitHeaders | undefined

  constructor(limiter: RateLimiter, client: Client, bucket: Bucket) {
    this.#limiter = limiter
    this.#client = client
    this.#bucket = bucket
  }

  /** Refuses who cools down, before anything else. @throws HttpError 429 */
  admit(): void {
    const refusal = this.#limiter.refusal(this.#client, this.#bucket, 'anybody')
    if (refusal) this.#take(refusal)
  }

  /** Counts the handshake. @param userId whose it is; undefined if that is not known @throws HttpError 429 */
  async count(userId: string | undefined): Promise<void> {
    this.#take(await this.#limiter.count(this.#client, userId, this.#bucket))
  }

  /**
   * What to answer when the handshake failed: what failed before it was known who asks counts too, and may be one too
   * many.
   */
  async settle(failure: unknown): Promise<{ error: unknown; headers: LimitHeaders }> {
    let error = failure
    if (!this.#headers) await this.count(undefined).catch((refusal: unknown) => (error = refusal))
    return { error, headers: this.#headers ?? {} }
  }

  #take({ headers, error }: Verdict): void {
    this.#headers = headers
    if (error) throw error
  }
}
