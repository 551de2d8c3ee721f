import type { Context } from '#context'
import type { Db, Tx } from '#db/database.ts'
import type { PeerRuleTable } from '#db/tables.ts'
import { recordAudit } from '#features/audit/index.ts'
import { invalidField, notFound } from '#http/errors.ts'
import { wakeDelivery } from './delivery/enqueue.ts'
import { domainOf, judge, type PeerRule } from './peer-policy.ts'
import { reasonOf, type ListedRule, type RuleList } from './rule-list.ts'
import {
  countQueued,
  dropDeadDeliveries,
  retryDeadDeliveries,
  type DeadLetterChoice,
} from './store/deliveries.ts'
import { countFollowsOfHost, removeFollowsOfHost } from './store/follows.ts'
import { deletePeerRule, findPeer, knownHosts, listPeerRules, notePeer, putPeerRule } from './store/peers.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'config' | 'federation'>

/** What a change of rules does, or would do. */
export interface RuleEffect {
  readonly added: number
  readonly changed: number
  readonly unchanged: number
  /** Peers that we would not talk to any more. */
  readonly hosts: readonly { readonly host: string; readonly follows: number; readonly queued: number }[]
}

/**
 * Sets a rule for a domain and everything below it, which takes effect at once: follows of a peer that we do not talk
 * to any more end, and what was on its way there is given up.
 *
 * @param by who did it; null for the operator of the machine
 * @throws HttpError 422
 */
export async function setRule(
  ctx: Deps,
  by: string | null,
  input: { domain: string; action: PeerRule['action']; reason?: string | null | undefined },
): Promise<PeerRuleTable> {
  const domain = demandDomain(input.domain)
  const rule = { domain, action: input.action, reason: reasonOf(input.reason) }
  await applyRules(ctx, by, [rule])
  const rules = await listPeerRules(ctx.db.read)
  return rules.find((row) => row.domain === domain)!
}

/** Takes a rule back. What ended because of it stays ended. @throws HttpError 404, 422 */
export async function removeRule(ctx: Deps, by: string | null, input: string): Promise<void> {
  const domain = demandDomain(input)
  await ctx.db.transact(async (tx) => {
    if (!(await deletePeerRule(tx, domain))) throw notFound('Rule', domain)
    recordAudit(tx, {
      actorId: by,
      action: 'peer_rule.removed',
      targetType: 'peer',
      targetId: domain,
      at: ctx.clock(),
    })
    tx.publish({ type: 'peer_rules.changed' })
  })
  await ctx.federation.policy.reload()
}

/**
 * Sets many rules at once.
 *
 * @param options.dryRun only tell what it would do
 */
export async function importRules(
  ctx: Deps,
  by: string | null,
  list: RuleList,
  options: { dryRun: boolean },
): Promise<RuleEffect> {
  const effect = await effectOf(ctx, ctx.db.read, list.rules)
  if (!options.dryRun) await applyRules(ctx, by, list.rules)
  return effect
}

/** Sends again what was given up. @returns how much */
export async function retryDeadLetters(ctx: Deps, choice: DeadLetterChoice): Promise<number> {
  const now = ctx.clock()
  return ctx.db.transact(async (tx) => {
    const hosts = await retryDeadDeliveries(tx, choice, now)
    for (const host of new Set(hosts)) closeBreaker(tx, host, now)
    return hosts.length
  })
}

/** Forgets what was given up. @returns how much */
export function dropDeadLetters(ctx: Pick<Context, 'db'>, choice: DeadLetterChoice): Promise<number> {
  return ctx.db.transact((tx) => dropDeadDeliveries(tx, choice))
}

/** Tries a peer again now, though it has failed. @throws HttpError 404 */
export async function retryPeer(ctx: Deps, host: string): Promise<void> {
  await ctx.db.transact(async (tx) => {
    if (!(await findPeer(tx, host))) throw notFound('Peer', host)
    closeBreaker(tx, host, ctx.clock())
  })
}

function closeBreaker(tx: Tx, host: string, now: number): void {
  notePeer(tx, host, now, { retry_at: null })
  wakeDelivery(tx, host, now)
}

async function applyRules(ctx: Deps, by: string | null, rules: readonly ListedRule[]): Promise<void> {
  const now = ctx.clock()
  await ctx.db.transact(async (tx) => {
    const { hosts } = await effectOf(ctx, tx, rules)
    for (const rule of rules) {
      await putPeerRule(tx, { ...rule, created_by: by, created_at: now })
      recordAudit(tx, {
        actorId: by,
        action: `peer_rule.${rule.action}ed`,
        targetType: 'peer',
        targetId: rule.domain,
        details: { reason: rule.reason },
        at: now,
      })
    }
    for (const { host } of hosts) {
      await removeFollowsOfHost(tx, host)
      wakeDelivery(tx, host, now)
    }
    tx.publish({ type: 'peer_rules.changed' })
  })
  await ctx.federation.policy.reload()
}

/** Compares the rules there are with those that would be. */
async function effectOf(
  ctx: Pick<Context, 'config'>,
  db: Db,
  rules: readonly ListedRule[],
): Promise<RuleEffect> {
  const before = new Map((await listPeerRules(db)).map((rule) => [rule.domain, rule]))
  const after = new Map<string, PeerRule>([...before, ...rules.map((rule) => [rule.domain, rule] as const)])
  const { mode } = ctx.config.federation
  const hosts = []
  for (const host of await knownHosts(db)) {
    const isAllowed = (map: ReadonlyMap<string, PeerRule>): boolean =>
      judge(host, mode, (domain) => map.get(domain)).allowed
    if (!isAllowed(before) || isAllowed(after)) continue
    hosts.push({ host, follows: await countFollowsOfHost(db, host), queued: await countQueued(db, host) })
  }
  const known = rules.filter(({ domain }) => before.has(domain))
  const changed = known.filter(({ domain, action }) => before.get(domain)!.action !== action)
  return {
    added: rules.length - known.length,
    changed: changed.length,
    unchanged: known.length - changed.length,
    hosts,
  }
}

function demandDomain(text: string): string {
  const domain = text.includes('*') ? undefined : domainOf(text)
  if (domain === undefined) throw invalidField(['body', 'domain'], 'must be a domain', 'value_error')
  return domain
}
