import type { Context } from '#context'
import { Lru } from '#lib/lru.ts'
import { preferred } from './delivery/signature-choice.ts'
import { wakeDelivery } from './delivery/enqueue.ts'
import type { KnownActor } from './remote-actors.ts'
import type { SignatureClaim } from './signatures/index.ts'
import { hastenDeliveries } from './store/deliveries.ts'
import { findPeer, notePeer } from './store/peers.ts'

const NOTED_EVERY_MS = 60_000
const REMEMBERED = 5_000

/** Notes which peers let themselves be heard, once a minute for each: they are there, so what waits can be sent. */
export class Hearing {
  readonly #ctx: Pick<Context, 'db' | 'clock'>
  readonly #noted = new Lru<string, number>(REMEMBERED)

  constructor(ctx: Pick<Context, 'db' | 'clock'>) {
    this.#ctx = ctx
  }

  /** To be called once the signature of an activity is proven. */
  async heard(host: string, claim: SignatureClaim, { keys }: KnownActor): Promise<void> {
    const { db, clock } = this.#ctx
    const now = clock()
    const name = `${host} ${claim.scheme}`
    if (Math.abs(now - (this.#noted.get(name) ?? -Infinity)) < NOTED_EVERY_MS) return
    this.#noted.set(name, now)
    const peer = await findPeer(db.read, host)
    const isEd25519 = keys.get(claim.keyId)?.asymmetricKeyType === 'ed25519'
    const shown =
      claim.scheme === 'rfc9421' && preferred(peer, isEd25519 ? 'rfc9421-ed25519' : 'rfc9421-rsa', now)
    await db.transact(async (tx) => {
      notePeer(tx, host, now, { heard_at: now, failures: 0, retry_at: null, ...shown })
      if ((peer?.failures ?? 0) === 0) return
      await hastenDeliveries(tx, host, now)
      wakeDelivery(tx, host, now)
    })
  }
}
