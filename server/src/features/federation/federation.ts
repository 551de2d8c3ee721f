import type { Context } from '#context'
import type { Egress } from '#egress/egress.ts'
import { forbidden } from '#http/errors.ts'
import { Lru } from '#lib/lru.ts'
import { ActorKeys } from './actor-keys.ts'
import { Outcomes } from './delivery/outcomes.ts'
import { Hearing } from './hearing.ts'
import { LocalActors } from './local-actors.ts'
import { PeerPolicy } from './peer-policy.ts'
import { RemoteActors } from './remote-actors.ts'
import { Resolver } from './resolve.ts'
import { TokenBuckets } from './token-buckets.ts'

const REMEMBERED = 5_000
const MINUTE_S = 60

type Deps = Pick<Context, 'db' | 'bus' | 'log' | 'clock' | 'config' | 'instance' | 'keyring' | 'settings'>

/** What this server knows, and remembers, of other servers and of itself as one among them. */
export class Federation implements Disposable {
  readonly egress: Egress
  readonly keys: ActorKeys
  readonly local: LocalActors
  readonly policy: PeerPolicy
  readonly actors: RemoteActors
  readonly resolver: Resolver
  readonly outcomes = new Outcomes()
  readonly hearing: Hearing
  /** Users who stand for actors of other servers, by the id of the actor. */
  readonly shadows = new Lru<string, string>(REMEMBERED)
  /** What one peer may send. */
  readonly inboxBudget: TokenBuckets
  /** How often strangers may make this server ask one other for an actor. */
  readonly fetchBudget = new TokenBuckets({ capacity: 60, perSecond: 1, names: REMEMBERED })
  readonly #ctx: Deps

  private constructor(ctx: Deps, egress: Egress, policy: PeerPolicy) {
    this.#ctx = ctx
    this.egress = egress
    this.policy = policy
    this.keys = new ActorKeys(ctx)
    this.hearing = new Hearing(ctx)
    const perSecond = ctx.config.federation.peer_rate
    this.inboxBudget = new TokenBuckets({ capacity: perSecond * MINUTE_S, perSecond, names: REMEMBERED })
    this.local = new LocalActors(ctx)
    this.actors = new RemoteActors({ ...pick(ctx), egress, policy, keys: this.keys })
    this.resolver = new Resolver({ config: ctx.config, instance: ctx.instance, actors: this.actors })
  }

  static async open(ctx: Deps, egress: Egress): Promise<Federation> {
    return new Federation(ctx, egress, await PeerPolicy.open(ctx))
  }

  get isOff(): boolean {
    return this.#ctx.config.federation.mode === 'off'
  }

  /**
   * Other servers keep our addresses for ever, and believe them by their certificate.
   *
   * @throws HttpError 403 when this server cannot speak to others
   */
  demandReachable(): void {
    if (this.isOff) throw forbidden('Federation is switched off on this server')
    const { allow_private } = this.#ctx.config.federation
    if (!allow_private && !this.#ctx.instance.origin.startsWith('https:')) {
      throw forbidden('Federation needs a public origin with https (server.public_origin)')
    }
  }

  [Symbol.dispose](): void {
    this.keys[Symbol.dispose]()
    this.policy[Symbol.dispose]()
  }
}

function pick({ db, clock, instance }: Deps): Pick<Deps, 'db' | 'clock' | 'instance'> {
  return { db, clock, instance }
}
