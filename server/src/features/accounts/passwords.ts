import { hash, verify } from '@node-rs/argon2'
import type { Config } from '#config/schema.ts'
import { invalidField, unavailable } from '#http/errors.ts'
import { QueueFullError, Semaphore } from '#lib/semaphore.ts'
import { characterCount } from '#lib/text.ts'

/** What a hash costs whoever guesses: KiB of memory, and passes over it. */
export interface PasswordCost {
  readonly memoryCost: number
  readonly timeCost: number
  readonly parallelism: number
}

/** Argon2id with the parameters of RFC 9106's successor advice for interactive use (OWASP: 19 MiB, t=2, p=1). */
const COST: PasswordCost = { memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 }
const MAX_BYTES = 1024

/** Hashes and checks passwords off the main thread, a bounded number at a time. */
export class Passwords {
  readonly #slots: Semaphore
  readonly #minLength: number
  readonly #cost: PasswordCost
  /** A hash of nothing anybody knows: checking it makes unknown names cost what known ones cost. */
  #decoy: Promise<string> | undefined

  /** @param cost of new hashes; only tests of what is not about passwords have another */
  constructor(config: Config['accounts'], cost: PasswordCost = COST) {
    this.#slots = new Semaphore(config.password_hash_concurrency, config.password_hash_queue)
    this.#minLength = config.password_min_length
    this.#cost = cost
  }

  /** @throws HttpError 422 when `password` is too short or too long to be one; 503 when too many wait */
  async hash(password: string, field = 'password'): Promise<string> {
    const normal = password.normalize('NFKC')
    // Half a pair cannot be hashed as it is: every other half would pass for it.
    if (!normal.isWellFormed()) {
      throw invalidField(['body', field], 'must be well-formed Unicode', 'string_unicode')
    }
    if (characterCount(normal) < this.#minLength) {
      throw invalidField(
        ['body', field],
        `must have at least ${this.#minLength} characters`,
        'string_too_short',
      )
    }
    if (Buffer.byteLength(normal) > MAX_BYTES) {
      throw invalidField(['body', field], `must have at most ${MAX_BYTES} bytes`, 'string_too_long')
    }
    return this.#run(() => hash(normal, this.#cost))
  }

  /**
   * Whether `password` is the one of `stored`. Takes as long when there is no such account.
   *
   * @throws HttpError 503 when too many wait
   */
  async verify(stored: string | undefined, password: string): Promise<boolean> {
    const normal = password.normalize('NFKC')
    if (Buffer.byteLength(normal) > MAX_BYTES) return false
    this.#decoy ??= hash(crypto.randomUUID(), this.#cost)
    const against = stored ?? (await this.#decoy)
    const matches = await this.#run(() => verify(against, normal))
    return matches && stored !== undefined
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#slots.run(work)
    } catch (error) {
      if (error instanceof QueueFullError) throw unavailable('Too many people sign in right now', 2, error)
      throw error
    }
  }
}
