import type { Context } from '#context'
import type { PeerTable } from '#db/tables.ts'
import type { OutgoingAnswer } from '#egress/egress.ts'
import { decrypt } from '#keys/aead.ts'
import { keyIdOf } from '../actor-document.ts'
import { PeerError } from '../errors.ts'
import { actorUrl } from '../identity.ts'
import { signRequest } from '../signatures/index.ts'
import {
  changeDelivery,
  dueDeliveries,
  giveUpAll,
  giveUpOld,
  hasRevivable,
  nextDueDelivery,
  removeDelivery,
  reviveDeliveries,
  revivableInbox,
  type DeliveryRow,
} from '../store/deliveries.ts'
import { findPeer, notePeer } from '../store/peers.ts'
import { associatedData, wakeDelivery } from './enqueue.ts'
import {
  breakerUntil,
  HORIZON_MS,
  judgeAnswer,
  judgeError,
  LADDER,
  nextAttempt,
  type Outcome,
} from './outcome.ts'
import { betterSignature } from './signature-choice.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'keyring' | 'instance' | 'egress' | 'federation' | 'jobs'>

/** Peers that are written to at the same time. Each takes a socket and little else. */
const PEERS_AT_ONCE = 64
const AT_ONCE_PER_PEER = 2
const BATCH = 100
/** After so long the others get a turn. */
const SLICE_MS = 20_000
/** All steps of the ladder: as long as a delivery lives that is never taken. */
const LIFE_MS = LADDER.reduce((sum, step) => sum + step, 0)
const SMOOTHING = 0.2
const ACTIVITY_TYPE = 'application/activity+json'

/** Does the durable work of this feature. */
export function deliveryJobs(ctx: Deps): void {
  ctx.jobs.handle('federation.deliver', ({ host }, { signal }) => new Delivery(ctx, host, signal).run(), {
    concurrency: PEERS_AT_ONCE,
    apart: true,
  })
}

/** Sends to one peer what waits for it. */
class Delivery {
  readonly #ctx: Deps
  readonly #host: string
  readonly #signal: AbortSignal
  #peer: PeerTable | undefined

  constructor(ctx: Deps, host: string, signal: AbortSignal) {
    this.#ctx = ctx
    this.#host = host
    this.#signal = signal
  }

  async run(): Promise<void> {
    const { db, clock, federation } = this.#ctx
    const end = clock() + SLICE_MS
    for (;;) {
      this.#signal.throwIfAborted()
      if (!federation.policy.verdict(this.#host).allowed) return this.#giveUpAll()
      const now = clock()
      if (now > end) return this.#wake(now)
      this.#peer = await findPeer(db.read, this.#host)
      const { failures = 0, retry_at: retryAt = null } = this.#peer ?? {}
      if (retryAt !== null && retryAt > now && retryAt < now + HORIZON_MS) return this.#wakeIfNeeded(retryAt)
      if ((await hasRevivable(db.read, this.#host)) && !(await this.#revive())) continue
      // While nobody knows whether the peer is back, one delivery finds out.
      const rows = await dueDeliveries(db.read, this.#host, now, failures > 0 ? 1 : BATCH)
      if (rows.length === 0)
        return this.#wakeIfNeeded((await nextDueDelivery(db.read, this.#host)) ?? Infinity)
      await this.#sendAll(rows)
    }
  }

  /** Lanes side by side, each in order. What comes after a failure in the same lane, or at the same peer, waits. */
  async #sendAll(rows: readonly DeliveryRow[]): Promise<void> {
    const lanes = [...Map.groupBy(rows, ({ lane }) => lane).values()]
    let isDown = false
    const worker = async (): Promise<void> => {
      for (let lane = lanes.shift(); lane; lane = lanes.shift()) {
        for (const row of lane) {
          if (isDown) return
          this.#signal.throwIfAborted()
          const outcome = await this.#send(row)
          if (outcome.kind !== 'failed') continue
          isDown ||= outcome.isDown
          break
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE_PER_PEER }, worker))
  }

  async #send(row: DeliveryRow): Promise<Outcome> {
    const start = performance.now()
    const startedAt = this.#ctx.clock()
    let answer: OutgoingAnswer | undefined
    let outcome: Outcome
    try {
      answer = await this.#post(row, await this.#open(row))
      outcome = judgeAnswer(answer.status, answer.headers['retry-after'], this.#ctx.clock())
    } catch (error) {
      // What the server ends by stopping is no failure of the peer.
      this.#signal.throwIfAborted()
      outcome = judgeError(error)
    }
    await this.#settle(row, outcome, { answer, startedAt, ms: performance.now() - start })
    this.#ctx.federation.outcomes.tell(row.id, outcome)
    return outcome
  }

  /** @throws PeerError when nothing can be done with a row: it must not hold up the others for ever */
  async #open(row: DeliveryRow): Promise<Buffer> {
    const dataKey = await this.#ctx.keyring.find(row.kid)
    try {
      if (!dataKey) throw new Error(`the data key ${row.kid} is missing`)
      return decrypt(dataKey.key, row.sealed, associatedData(row))
    } catch (cause) {
      throw new PeerError('invalid', 'what is to be sent cannot be decrypted', { cause })
    }
  }

  async #post(row: DeliveryRow, body: Buffer): Promise<OutgoingAnswer> {
    const { egress, federation, instance, clock } = this.#ctx
    const pairs = await federation.keys.of(row.sender_id)
    const signature = this.#peer?.signature ?? 'draft-cavage'
    const algorithm = signature === 'rfc9421-ed25519' ? 'ed25519' : 'rsa'
    const signer = {
      keyId: keyIdOf(actorUrl(instance.origin, row.sender_id), algorithm),
      key: pairs[algorithm].privateKey,
      scheme: signature === 'draft-cavage' ? ('draft-cavage' as const) : ('rfc9421' as const),
    }
    return egress.request({
      method: 'POST',
      url: row.inbox,
      body,
      redirects: 0,
      admit: (target) => federation.policy.admit(target.host),
      // Signed now, as a signature carries the time: an old one would be refused.
      headers: (target) => ({
        'content-type': ACTIVITY_TYPE,
        accept: ACTIVITY_TYPE,
        ...signRequest({ method: 'POST', target, body }, { ...signer, now: clock() }),
      }),
    })
  }

  async #settle(
    row: DeliveryRow,
    outcome: Outcome,
    { answer, startedAt, ms }: { answer: OutgoingAnswer | undefined; startedAt: number; ms: number },
  ): Promise<void> {
    const { db, clock } = this.#ctx
    const now = clock()
    const attempts = row.attempts + 1
    const signature = answer && betterSignature(this.#peer, answer, now)
    await db.transact(async (tx) => {
      switch (outcome.kind) {
        case 'delivered':
          await removeDelivery(tx, row.id)
          return notePeer(tx, this.#host, now, {
            ...reached,
            delivered_at: now,
            latency_ms: smooth(this.#peer?.latency_ms, ms),
            ...signature,
          })
        case 'refused':
          await changeDelivery(tx, row.id, {
            attempts,
            state: 'dead',
            died_at: now,
            is_revivable: 0,
            reason: outcome.reason,
          })
          return notePeer(tx, this.#host, now, {
            ...(answer && reached),
            failed_at: now,
            failure: outcome.reason,
          })
        case 'failed': {
          const next = nextAttempt(attempts, now)
          await changeDelivery(tx, row.id, {
            attempts,
            reason: outcome.reason,
            ...(next === undefined
              ? { state: 'dead', died_at: now }
              : { next_at: now + Math.max(next - now, outcome.retryAfterMs) }),
            is_revivable: outcome.isDown ? 1 : 0,
          })
          notePeer(tx, this.#host, now, { ...this.#failure(outcome, startedAt), ...signature })
        }
      }
    })
    this.#peer = await findPeer(db.read, this.#host)
  }

  #failure(outcome: Extract<Outcome, { kind: 'failed' }>, startedAt: number): Partial<PeerTable> {
    const now = this.#ctx.clock()
    const { failures: before = 0, failed_at: failedAt = null } = this.#peer ?? {}
    // Two that were under way when the peer went down are one failure of it.
    const isKnown = before > 0 && failedAt !== null && failedAt >= startedAt
    const failures = isKnown ? before : before + 1
    return {
      failures,
      failed_at: now,
      failure: outcome.reason,
      retry_at: breakerUntil(failures, outcome, now) ?? null,
    }
  }

  /**
   * Queues again what was given up because the peer was away, once it is back: ahead of what came later.
   *
   * @returns false when the peer is still away
   */
  async #revive(): Promise<boolean> {
    const { db, clock } = this.#ctx
    if ((this.#peer?.failures ?? 0) > 0) {
      const outcome = await this.#probe()
      if (outcome.kind === 'failed') {
        const now = clock()
        await db.transact(async (tx) => {
          notePeer(tx, this.#host, now, this.#failure(outcome, now))
          await giveUpOld(tx, this.#host, { before: now - LIFE_MS, now, reason: outcome.reason })
        })
        return false
      }
    }
    const now = clock()
    await db.transact(async (tx) => {
      await reviveDeliveries(tx, this.#host, now)
      notePeer(tx, this.#host, now, reached)
    })
    return true
  }

  /** Whether the peer answers at all. Asks for the page an inbox is at, which costs nobody anything. */
  async #probe(): Promise<Outcome> {
    const { db, egress, federation, clock } = this.#ctx
    const inbox = await revivableInbox(db.read, this.#host)
    if (inbox === undefined) return { kind: 'delivered' }
    try {
      const answer = await egress.request({
        method: 'GET',
        url: new URL('/', inbox).href,
        redirects: 0,
        admit: (target) => federation.policy.admit(target.host),
      })
      const outcome = judgeAnswer(answer.status, answer.headers['retry-after'], clock())
      return outcome.kind === 'failed' && outcome.isDown ? outcome : { kind: 'delivered' }
    } catch (error) {
      this.#signal.throwIfAborted()
      return judgeError(error)
    }
  }

  async #giveUpAll(): Promise<void> {
    const { db, clock, federation } = this.#ctx
    const reason = 'this server does not talk to that one'
    const ids = await db.transact((tx) => giveUpAll(tx, this.#host, clock(), reason))
    for (const id of ids) federation.outcomes.tell(id, { kind: 'refused', reason })
  }

  async #wakeIfNeeded(at: number): Promise<void> {
    const { db } = this.#ctx
    const queued = (await nextDueDelivery(db.read, this.#host)) !== undefined
    const revivable = await hasRevivable(db.read, this.#host)
    if (!queued && !revivable) return
    const retryAt = this.#peer?.retry_at ?? 0
    await this.#wake(queued ? at : Math.max(at === Infinity ? 0 : at, retryAt))
  }

  async #wake(at: number): Promise<void> {
    await this.#ctx.db.transact(async (tx) => wakeDelivery(tx, this.#host, at))
  }
}

/** Whatever the peer said, it is there. */
const reached = { failures: 0, retry_at: null } as const satisfies Partial<PeerTable>

function smooth(before: number | null | undefined, ms: number): number {
  return Math.round(before === null || before === undefined ? ms : before + SMOOTHING * (ms - before))
}
