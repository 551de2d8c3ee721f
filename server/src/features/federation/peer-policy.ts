import type { Context } from '#context'
import type { PeerRuleTable } from '#db/tables.ts'
import { LatestReading } from '#lib/latest-reading.ts'
import { PeerError } from './errors.ts'
import { listPeerRules } from './store/peers.ts'

/** What the operator decided about a domain and everything below it. */
export type PeerRule = Pick<PeerRuleTable, 'domain' | 'action'>

export type FederationMode = Context['config']['federation']['mode']

/** Whether we talk to a host, and by which rule. */
export interface PeerVerdict {
  readonly allowed: boolean
  /** Undefined when the mode alone decides. */
  readonly rule: PeerRule | undefined
}

/**
 * The one spelling of a domain: ASCII, lower case, no port, no dot at the end.
 *
 * @returns undefined for what is no domain
 */
export function domainOf(text: string): string | undefined {
  const bare = text.trim().replace(/\.$/, '')
  if (bare === '' || /[/?#@\\\s]/.test(bare) || !URL.canParse(`https://${bare}/`)) return undefined
  return new URL(`https://${bare}/`).hostname.replace(/\.$/, '')
}

/** The rule with the longest domain that the host is in decides; without one, the mode does. Pure. */
export function judge(
  host: string,
  mode: FederationMode,
  ruleOf: (domain: string) => PeerRule | undefined,
): PeerVerdict {
  if (mode === 'off') return { allowed: false, rule: undefined }
  const whole = domainOf(host)
  for (let domain = whole; domain !== undefined;) {
    const rule = ruleOf(domain)
    if (rule) return { allowed: rule.action === 'allow', rule }
    const dot = domain.indexOf('.')
    domain = dot === -1 ? undefined : domain.slice(dot + 1)
  }
  return { allowed: whole !== undefined && mode === 'open', rule: undefined }
}

/** With whom this server talks. Kept in memory: it is asked before anything is looked up. */
export class PeerPolicy implements Disposable {
  readonly #ctx: Pick<Context, 'db' | 'config'>
  readonly #unsubscribe: () => void
  readonly #readings = new LatestReading()
  #rules: ReadonlyMap<string, PeerRule> = new Map()

  private constructor(ctx: Pick<Context, 'db' | 'config' | 'bus' | 'log'>) {
    this.#ctx = ctx
    this.#unsubscribe = ctx.bus.subscribe(({ event }) => {
      if (event.type !== 'peer_rules.changed' && event.type !== 'events.missed') return
      this.reload().catch((error: unknown) =>
        ctx.log.error({ err: error }, 'the rules for peers could not be read'),
      )
    })
  }

  static async open(ctx: Pick<Context, 'db' | 'config' | 'bus' | 'log'>): Promise<PeerPolicy> {
    const policy = new PeerPolicy(ctx)
    await policy.reload()
    return policy
  }

  async reload(): Promise<void> {
    await this.#readings.take(
      () => listPeerRules(this.#ctx.db.read),
      (rules) => {
        this.#rules = new Map(rules.map((rule) => [rule.domain, rule]))
      },
    )
  }

  verdict(host: string): PeerVerdict {
    return judge(host, this.#ctx.config.federation.mode, (domain) => this.#rules.get(domain))
  }

  /** @throws PeerError `refused` */
  admit(host: string): void {
    if (!this.verdict(host).allowed) throw new PeerError('refused', 'this server does not talk to that one')
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }
}
