import type { Context } from '#context'
import type { PeerRuleTable } from '#db/tables.ts'
import type { Api } from '#http/endpoint.ts'
import { badRequest } from '#http/errors.ts'
import { messageAnswer } from '#http/schemas.ts'
import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import {
  ChoiceInput,
  CountAnswer,
  DeadLetterInput,
  DeadLetterList,
  DomainInput,
  ExportAnswer,
  HostInput,
  ImportAnswer,
  ImportInput,
  PeerList,
  PeerListInput,
  RuleAnswer,
  RuleInput,
  RuleList,
} from './peer-schema.ts'
import { dropDeadLetters, importRules, removeRule, retryDeadLetters, retryPeer, setRule } from './peers.ts'
import { formatRules, parseRules } from './rule-list.ts'
import { listDeadDeliveries, type DeadLetterChoice } from './store/deliveries.ts'
import { listPeerRules, listPeers, type PeerSeen } from './store/peers.ts'

const manage = { tag: 'Peers', access: 'manage_federation', bucket: 'default' } as const
const base = '/api/v1/federation'
const REMOVED = 'The rule was removed'
const RETRIED = 'The peer is tried again'

/** What operators see of other servers, and decide about them. */
export function peerRoutes(api: Api, ctx: Context): void {
  healthRoutes(api, ctx)
  ruleRoutes(api, ctx)
  deadLetterRoutes(api, ctx)
}

function healthRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      ...manage,
      method: 'GET',
      path: `${base}/peers`,
      summary: 'List other servers, and how it goes with them',
      input: PeerListInput,
      answers: { 200: PeerList },
    },
    async ({ input }) => {
      const rows = await listPeers(ctx.db.read, input.after, input.limit)
      return { mode: ctx.config.federation.mode, peers: rows.map((row) => peerToWire(ctx, row)) }
    },
  )

  api.endpoint(
    {
      ...manage,
      method: 'POST',
      path: `${base}/peers/retry`,
      summary: 'Try a peer again now, though it has failed',
      input: HostInput,
      answers: { 200: messageAnswer(200, RETRIED) },
      errors: [404],
    },
    async ({ input }) => {
      await retryPeer(ctx, input.host)
      return { message: RETRIED }
    },
  )
}

function ruleRoutes(api: Api, ctx: Context): void {
  const path = `${base}/rules`
  api.endpoint(
    {
      ...manage,
      method: 'GET',
      path,
      summary: 'List which domains are allowed and blocked',
      answers: { 200: RuleList },
    },
    async () => ({ rules: (await listPeerRules(ctx.db.read)).map(ruleToWire) }),
  )

  api.endpoint(
    {
      ...manage,
      method: 'PUT',
      path,
      summary: 'Allow or block a domain and everything below it',
      description:
        'The rule with the longest domain decides. Nothing comes from a blocked peer, nothing goes there, and it is ' +
        'not even looked up. Follows end, and what was on its way there is given up.',
      input: RuleInput,
      answers: { 200: RuleAnswer },
    },
    async ({ actor, input }) => ({ rule: ruleToWire(await setRule(ctx, actor.userId, input)) }),
  )

  api.endpoint(
    {
      ...manage,
      method: 'DELETE',
      path,
      summary: 'Take a rule back',
      input: DomainInput,
      placement: 'query or body',
      answers: { 200: messageAnswer(200, REMOVED) },
      errors: [404],
    },
    async ({ actor, input }) => {
      await removeRule(ctx, actor.userId, input.domain)
      return { message: REMOVED }
    },
  )

  api.endpoint(
    {
      ...manage,
      method: 'POST',
      path: `${path}/import`,
      summary: 'Set many rules at once, or see what that would do',
      input: ImportInput,
      answers: { 200: ImportAnswer },
    },
    async ({ actor, input }) => {
      const list = parseRules(input.csv)
      const { hosts, ...counts } = await importRules(ctx, actor.userId, list, { dryRun: input.dry_run })
      return { ...counts, dry_run: input.dry_run, unusable: [...list.unusable], peers: [...hosts] }
    },
  )

  api.endpoint(
    {
      ...manage,
      method: 'GET',
      path: `${path}/export`,
      summary: 'All rules as CSV',
      answers: { 200: ExportAnswer },
    },
    async () => ({ csv: formatRules(await listPeerRules(ctx.db.read)) }),
  )
}

function deadLetterRoutes(api: Api, ctx: Context): void {
  const path = `${base}/dead-letters`
  api.endpoint(
    {
      ...manage,
      method: 'GET',
      path,
      summary: 'List deliveries that were given up, the newest first',
      input: DeadLetterInput,
      answers: { 200: DeadLetterList },
    },
    async ({ input }) => {
      const rows = await listDeadDeliveries(ctx.db.read, { host: input.host, limit: input.limit })
      return {
        dead_letters: rows.map((row) => ({
          id: row.id,
          host: row.host,
          sender_user_id: row.sender_id,
          activity_id: row.activity_id,
          activity_type: row.activity_type,
          inbox: row.inbox,
          attempts: row.attempts,
          reason: row.reason,
          retried_when_reachable: row.is_revivable === 1,
          created_at: isoTime(row.created_at),
          died_at: isoTimeOrNull(row.died_at),
        })),
      }
    },
  )

  api.endpoint(
    {
      ...manage,
      method: 'POST',
      path: `${path}/retry`,
      summary: 'Send again what was given up',
      input: ChoiceInput,
      answers: { 200: CountAnswer },
    },
    async ({ input }) => ({ count: await retryDeadLetters(ctx, choiceOf(input)) }),
  )

  api.endpoint(
    {
      ...manage,
      method: 'POST',
      path: `${path}/drop`,
      summary: 'Forget what was given up',
      input: ChoiceInput,
      answers: { 200: CountAnswer },
    },
    async ({ input }) => ({ count: await dropDeadLetters(ctx, choiceOf(input)) }),
  )
}

/** All of them must be asked for by name, not by leaving the name out. */
function choiceOf(input: DeadLetterChoice): DeadLetterChoice {
  if (input.ids === undefined && input.host === undefined) throw badRequest('Say which: ids or host')
  return input
}

function ruleToWire(rule: PeerRuleTable) {
  return { ...rule, created_at: isoTime(rule.created_at) }
}

function peerToWire(ctx: Pick<Context, 'federation' | 'clock'>, peer: PeerSeen) {
  const { allowed, rule } = ctx.federation.policy.verdict(peer.host)
  const state = !allowed ? ('refused' as const) : peer.failures > 0 ? ('failing' as const) : ('ok' as const)
  return {
    host: peer.host,
    state,
    rule: rule?.domain ?? null,
    first_seen_at: isoTime(peer.first_seen_at),
    last_heard_at: isoTimeOrNull(peer.heard_at),
    last_delivered_at: isoTimeOrNull(peer.delivered_at),
    last_failed_at: isoTimeOrNull(peer.failed_at),
    last_failure: peer.failure,
    failures: peer.failures,
    retry_at: isoTimeOrNull(peer.retry_at),
    latency_ms: peer.latency_ms,
    queued: peer.queued,
    dead_letters: peer.dead,
  }
}
