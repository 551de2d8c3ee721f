import type { Clock } from '#lib/clock.ts'
import { formatNetwork, type Network } from '#lib/ip.ts'
import type { Bucket } from '../access.ts'
import { subjectsAt, type Client } from '../client-address.ts'
import { BlockedError, tooManyRequests, type HttpError } from '../errors.ts'
import type { Block, Blocklist } from './blocklist.ts'
import { limitHeaders, type LimitHeaders } from './headers.ts'
import { MemoryStore } from './memory-store.ts'
import type { LimitRules } from './rules.ts'
import type { Charge, Outcome, RateLimitStore } from './store.ts'

/** Whose limit was reached: the account's, that of people at an address who are not signed in, or the address's. */
export type Scope = 'account' | 'anonymous' | 'address'

/** What to tell a client about its limits, and why it is refused if it is. */
export interface Verdict {
  readonly headers: LimitHeaders
  readonly error: HttpError | undefined
}

/** A refusal that brought a warning. */
export interface Warned {
  readonly scope: Scope
  readonly bucket: string
  readonly client: Client
  readonly userId: string | undefined
  readonly warnings: number
  /** Whether nothing helped: there are more warnings than the ladder has. */
  readonly exhausted: boolean
}

interface Options {
  readonly store: RateLimitStore
  readonly rules: () => LimitRules
  readonly clock: Clock
  readonly blocklist: Blocklist
  /** Told of every warning. */
  readonly onWarning: (warned: Warned) => void
}

/** When to come back to find out that one is still blocked. */
const FOR_GOOD_MS = 24 * 3600 * 1000
const FRAME_TERMS = { windowMs: 10_000 }
/** Accounts with open sockets whose frames are counted: more than any process has. */
const MAX_FRAME_SUBJECTS = 200_000

/**
 * Decides whether a request is one too many. Each counts on two counters of its bucket:
 *
 * - Whoever is signed in counts by account, wherever they are: one account's flood is refused by that counter and so
 *   cannot use up what the others at its address may send.
 * - Whoever is not counts by address.
 * - Both count on a total for the address, several times as large, which many accounts at one address reach only
 *   together.
 */
export class RateLimiter {
  readonly #store: RateLimitStore
  readonly #rules: () => LimitRules
  readonly #clock: Clock
  readonly #blocklist: Blocklist
  readonly #onWarning: (warned: Warned) => void
  readonly #frames = new MemoryStore({ maxSubjects: MAX_FRAME_SUBJECTS })

  constructor({ store, rules, clock, blocklist, onWarning }: Options) {
    this.#store = store
    this.#rules = rules
    this.#clock = clock
    this.#blocklist = blocklist
    this.#onWarning = onWarning
  }

  /**
   * Whether requests of this client are refused, because it is blocked or cools down: whoever sends them, or, with
   * `anonymous`, if nobody is signed in. Costs next to nothing, so it comes before anything else.
   */
  refusal(client: Client, bucket: Bucket, who: 'anybody' | 'anonymous'): Verdict | undefined {
    const block = this.#blocklist.find(client)
    if (block) return this.#blocked(block, bucket)
    if (!this.#store.hasCooldowns) return undefined
    const rules = this.#rules()
    const [own, all] = charges(rules, client, undefined, bucket)
    const now = this.#clock()
    const wait = this.#store.cooldown(all!, now)
    if (wait > 0) return this.#refuse('address', all!, wait, now)
    const ownWait = who === 'anonymous' ? this.#store.cooldown(own!, now) : 0
    return ownWait > 0 ? this.#refuse('anonymous', own!, ownWait, now) : undefined
  }

  /** Counts a request of somebody who is signed in, or of nobody known. */
  count(client: Client, userId: string | undefined, bucket: Bucket): Verdict | Promise<Verdict> {
    const rules = this.#rules()
    const counted = charges(rules, client, userId, bucket)
    const now = this.#clock()
    const outcome = this.#store.hit(counted, rules, now)
    return outcome instanceof Promise
      ? outcome.then((later) => this.#judge(later, counted, { client, userId }, now))
      : this.#judge(outcome, counted, { client, userId }, now)
  }

  /** Counts what is answered in any case, such as a preflight, on the total of its address. */
  countOnly(client: Client, bucket: Bucket): LimitHeaders | Promise<LimitHeaders> {
    const { windowMs, ...rules } = this.#rules()
    const [, all] = charges({ windowMs, ...rules }, client, undefined, bucket)
    const now = this.#clock()
    const outcome = this.#store.hit([all!], { windowMs }, now)
    const headersOf = ({ counts }: Outcome): LimitHeaders =>
      limitHeaders({ bucket, limit: all!.limit, windowMs, ...counts[0]!, now })
    return outcome instanceof Promise ? outcome.then(headersOf) : headersOf(outcome)
  }

  /**
   * Counts something that is tried, such as a password, and refuses it when it was tried too often.
   *
   * @returns takes it back, for what turned out well
   * @throws HttpError 429
   */
  async attempt(counted: readonly Charge[], windowMs: number, detail: string): Promise<() => Promise<void>> {
    const now = this.#clock()
    const { refusedBy, waitMs } = await this.#store.hit(counted, { windowMs }, now)
    if (refusedBy !== -1) throw tooManyRequests(detail, seconds(waitMs))
    return async () => this.#store.refund(counted, { windowMs }, now)
  }

  /** Counts a frame from a socket of this account. @returns false when it is one too many */
  admitsFrame(userId: string): boolean {
    const charge = { subject: userId, bucket: 'frames', limit: this.#rules().frames }
    return this.#frames.hit([charge], FRAME_TERMS, this.#clock()).refusedBy === -1
  }

  /** Forgets warnings of an address or network as a whole. */
  async forgive(network: Network): Promise<void> {
    const { everybody, anonymous } = subjectsAt(formatNetwork(network))
    await Promise.all([this.#store.forgive(everybody), this.#store.forgive(anonymous)])
  }

  #blocked({ expiresAt }: Block, bucket: Bucket): Verdict {
    const { windowMs, limits } = this.#rules()
    const now = this.#clock()
    const limit = limits[bucket]
    const leavesAt = expiresAt ?? now + FOR_GOOD_MS
    return {
      headers: {
        ...limitHeaders({ bucket, limit, windowMs, used: limit, leavesAt, now }),
        connection: 'close',
      },
      error: new BlockedError(expiresAt === null ? undefined : seconds(expiresAt - now)),
    }
  }

  #judge(
    outcome: Outcome,
    counted: readonly Charge[],
    who: { client: Client; userId: string | undefined },
    now: number,
  ): Verdict {
    const { refusedBy, counts, waitMs, warned, warnings } = outcome
    const { windowMs } = this.#rules()
    if (refusedBy === -1) {
      // Of the address's total nothing is told: it would show what others there do.
      const { bucket, limit } = counted[0]!
      return { headers: limitHeaders({ bucket, limit, windowMs, ...counts[0]!, now }), error: undefined }
    }
    const charge = counted[refusedBy]!
    const scope = refusedBy === 1 ? 'address' : who.userId === undefined ? 'anonymous' : 'account'
    const exhausted = warnings > this.#rules().ladder.maxWarnings
    if (warned) this.#onWarning({ ...who, scope, bucket: charge.bucket, warnings, exhausted })
    return this.#refuse(scope, charge, waitMs, now)
  }

  #refuse(scope: Scope, { bucket, limit }: Charge, waitMs: number, now: number): Verdict {
    const { windowMs } = this.#rules()
    const policy = scope === 'address' ? `${bucket}-address` : bucket
    return {
      headers: limitHeaders({ bucket: policy, limit, windowMs, used: limit, leavesAt: now + waitMs, now }),
      error: tooManyRequests('Too many requests', seconds(waitMs)),
    }
  }
}

/** The counter of whoever asks, and the total of their address. */
function charges(
  { limits, addressFactor }: LimitRules,
  { subjects }: Client,
  userId: string | undefined,
  bucket: Bucket,
): Charge[] {
  const limit = limits[bucket]
  return [
    { subject: userId ?? subjects.anonymous, bucket, limit },
    { subject: subjects.everybody, bucket, limit: limit * addressFactor },
  ]
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}
