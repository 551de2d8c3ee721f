import type { Redis, Result } from 'ioredis'
import { Generations } from '#lib/generations.ts'
import type { Log } from '#log/log.ts'
import { MemoryStore } from './memory-store.ts'
import { redisClient } from './redis-client.ts'
import { HIT, REFUND } from './redis-script.ts'
import { SLOTS } from './sliding-window.ts'
import { waitOf, warn, type Charge, type Outcome } from './store.ts'
import type { Penalty, RateLimitStore, Terms } from './store.ts'

/** A Redis that does not answer in time is away: a request must not wait for it longer than this. */
const COMMAND_MS = 250
/** After a failure the next attempt comes this much later, so that not every request waits in vain. */
const PAUSE_MS = 500
const KNOWN_PENALTIES = 20_000

declare module 'ioredis' {
  interface RedisCommander<Context> {
    rateLimitHit(keyCount: number, ...keysAndArguments: (string | number)[]): Result<number[], Context>
    rateLimitRefund(keyCount: number, ...keysAndArguments: (string | number)[]): Result<number, Context>
  }
}

/**
 * Counters in Redis, which several processes share and which survive a restart. While Redis is away this process
 * counts by itself: a limit that is less exact is better than none, and than refusing everybody.
 */
export class RedisStore implements RateLimitStore {
  readonly #redis: Redis
  readonly #log: Log
  readonly #prefix: string
  readonly #memory = new MemoryStore()
  /** What is known of penalties from earlier answers. */
  readonly #penalties = new Generations<string, Penalty>(KNOWN_PENALTIES)
  #away = false
  /** By the machine's clock: no attempt before. */
  #nextAttempt = 0

  private constructor(redis: Redis, { prefix, log }: { prefix: string; log: Log }) {
    this.#redis = redis
    this.#prefix = prefix
    this.#log = log
  }

  /**
   * Connects. A Redis that is away now is tried again in the background.
   *
   * @param options.url `redis://`, `rediss://` or `unix:` and a path
   * @param options.prefix begins every key, so that servers can share a Redis
   */
  static async open(options: { url: string; prefix: string; log: Log }): Promise<RedisStore> {
    const redis = await redisClient(options.url, {
      commandTimeout: COMMAND_MS,
      scripts: { rateLimitHit: { lua: HIT }, rateLimitRefund: { lua: REFUND } },
    })
    const store = new RedisStore(redis, options)
    // Connections that break are noticed by the commands that fail.
    redis.on('error', (error) => store.#lost(error))
    await redis.connect().catch((error: unknown) => store.#lost(error))
    return store
  }

  get hasCooldowns(): boolean {
    return this.#penalties.size > 0 || this.#away
  }

  async hit(charges: readonly Charge[], terms: Terms, now: number): Promise<Outcome> {
    const outcome = await this.#ask(() => this.#hit(charges, terms, now))
    if (!outcome) return this.#memory.hit(charges, terms, now)
    if (outcome.refusedBy !== -1 && terms.ladder)
      this.#learn(charges[outcome.refusedBy]!, outcome, terms, now)
    return outcome
  }

  async refund(charges: readonly Charge[], terms: Terms, at: number): Promise<void> {
    const keys = charges.map((charge) => this.#counterKey(charge, terms.windowMs))
    const done = await this.#ask(() =>
      this.#redis.rateLimitRefund(keys.length, ...keys, at, terms.windowMs / SLOTS),
    )
    if (done === undefined) this.#memory.refund(charges, terms, at)
  }

  cooldown(charge: Charge, now: number): number {
    const penalty = this.#penalties.get(charge.subject)
    const known = penalty ? waitOf(penalty, charge, now) : 0
    return this.#away ? Math.max(known, this.#memory.cooldown(charge, now)) : known
  }

  async forgive(subject: string): Promise<void> {
    this.#penalties.delete(subject)
    this.#memory.forgive(subject)
    await this.#ask(() => this.#redis.del(this.#penaltyKey(subject)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect()
  }

  async #hit(charges: readonly Charge[], { windowMs, ladder }: Terms, now: number): Promise<Outcome> {
    const [refusedBy, waitMs, warnings, warned, ...counts] = await this.#redis.rateLimitHit(
      2 * charges.length,
      ...charges.map((charge) => this.#counterKey(charge, windowMs)),
      ...charges.map(({ subject }) => this.#penaltyKey(subject)),
      now,
      windowMs / SLOTS,
      SLOTS,
      ladder?.cooldownMs ?? 0,
      ladder?.maxCooldownMs ?? 0,
      ladder?.maxWarnings ?? -1,
      ladder?.warningMs ?? 0,
      ...charges.map(({ limit }) => limit),
    )
    return {
      refusedBy: refusedBy!,
      waitMs: waitMs!,
      warnings: warnings!,
      warned: warned === 1,
      counts: Array.from({ length: counts.length / 2 }, (_, index) => {
        return { used: counts[2 * index]!, leavesAt: counts[2 * index + 1]! }
      }),
    }
  }

  /** Remembers who cools down, so that what follows is refused without asking. */
  #learn(charge: Charge, { warned, warnings, waitMs }: Outcome, { ladder }: Terms, now: number): void {
    const room = { bucket: charge.bucket, freeAt: now + waitMs }
    if (warned) {
      const before = { ...room, warnings: warnings - 1, warnedAt: now, until: now }
      this.#penalties.set(charge.subject, warn(before, ladder!, room, now))
    } else if (this.cooldown(charge, now) === 0) {
      // Another process has warned it: what is left is all that is known.
      this.#penalties.set(charge.subject, { ...room, warnings, warnedAt: now, until: room.freeAt })
    }
  }

  /** @returns undefined when Redis is away */
  async #ask<T>(command: () => Promise<T>): Promise<T | undefined> {
    if (this.#away && performance.now() < this.#nextAttempt) return undefined
    try {
      const answer = await command()
      if (this.#away) this.#log.info('Redis is back: limits are shared again')
      this.#away = false
      return answer
    } catch (error) {
      this.#lost(error)
      return undefined
    }
  }

  #lost(error: unknown): void {
    this.#nextAttempt = performance.now() + PAUSE_MS
    if (!this.#away) this.#log.warn({ err: error }, 'Redis is away: each process counts limits by itself')
    this.#away = true
  }

  #counterKey({ bucket, subject }: Charge, windowMs: number): string {
    return `${this.#prefix}:${bucket}:${windowMs}:${subject}`
  }

  #penaltyKey(subject: string): string {
    return `${this.#prefix}:penalty:${subject}`
  }
}
