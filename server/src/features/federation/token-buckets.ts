import { Lru } from '#lib/lru.ts'

/**
 * Token buckets by name: each holds up to `capacity` and fills again by `perSecond`. At most `names` are remembered;
 * the one that was not asked for the longest is full again.
 */
export class TokenBuckets {
  readonly #capacity: number
  readonly #perSecond: number
  readonly #buckets: Lru<string, { tokens: number; at: number }>

  constructor({ capacity, perSecond, names }: { capacity: number; perSecond: number; names: number }) {
    this.#capacity = capacity
    this.#perSecond = perSecond
    this.#buckets = new Lru(names)
  }

  /** Milliseconds until there is a token; 0 when there is one. Takes none. */
  wait(name: string, now: number): number {
    const { tokens } = this.#filled(name, now)
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / this.#perSecond) * 1000)
  }

  /** Takes a token. @returns false when there is none */
  take(name: string, now: number): boolean {
    const bucket = this.#filled(name, now)
    const enough = bucket.tokens >= 1
    if (enough) bucket.tokens--
    this.#buckets.set(name, bucket)
    return enough
  }

  #filled(name: string, now: number): { tokens: number; at: number } {
    const { tokens, at } = this.#buckets.get(name) ?? { tokens: this.#capacity, at: now }
    const gained = (Math.max(0, now - at) / 1000) * this.#perSecond
    return { tokens: Math.min(this.#capacity, tokens + gained), at: now }
  }
}
