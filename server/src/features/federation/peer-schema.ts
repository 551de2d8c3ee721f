import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'

const Domain = z.string().min(1).max(253).meta({ example: 'evil.example' })
const Action = z.enum(['allow', 'block'])

const Rule = z
  .object({
    domain: Domain,
    action: Action,
    reason: z.string(),
    created_by: z.string().nullable(),
    created_at: IsoTime,
  })
  .meta({ id: 'PeerRule' })

const Peer = z
  .object({
    host: z.string(),
    state: z.enum(['ok', 'failing', 'refused']).meta({
      description: '`failing`: the last delivery failed and the next waits. `refused`: we do not talk to it.',
    }),
    rule: z.string().nullable().meta({ description: 'The domain of the rule that decides, if one does.' }),
    first_seen_at: IsoTime,
    last_heard_at: IsoTime.nullable(),
    last_delivered_at: IsoTime.nullable(),
    last_failed_at: IsoTime.nullable(),
    last_failure: z.string().nullable(),
    failures: z.number().int().meta({ description: 'Failures in a row.' }),
    retry_at: IsoTime.nullable(),
    latency_ms: z.number().int().nullable(),
    queued: z.number().int(),
    dead_letters: z.number().int(),
  })
  .meta({ id: 'Peer' })

export const PeerListInput = z.object({
  after: z.string().max(300).default('').meta({ description: 'The last host of the page before.' }),
  limit: z.int().min(1).max(200).default(50),
})

export const PeerList = z.object({
  status_code: z.literal(200),
  mode: z.enum(['open', 'allow_list', 'off']),
  peers: z.array(Peer),
})

export const RuleList = z.object({ status_code: z.literal(200), rules: z.array(Rule) })
export const RuleInput = z.object({ domain: Domain, action: Action, reason: z.string().max(500).nullish() })
export const RuleAnswer = z.object({ status_code: z.literal(200), rule: Rule })
export const DomainInput = z.object({ domain: Domain })

export const ImportInput = z.object({
  csv: z
    .string()
    .max(1_000_000)
    .meta({ description: 'As exported from here, or a list of domain blocks of Mastodon.' }),
  dry_run: z.boolean().default(false),
})

export const ImportAnswer = z.object({
  status_code: z.literal(200),
  dry_run: z.boolean(),
  added: z.number().int(),
  changed: z.number().int(),
  unchanged: z.number().int(),
  unusable: z.array(z.object({ line: z.string(), why: z.string() })),
  peers: z
    .array(z.object({ host: z.string(), follows: z.number().int(), queued: z.number().int() }))
    .meta({ description: 'Peers that this server would not talk to any more, and what would end.' }),
})

export const ExportAnswer = z.object({ status_code: z.literal(200), csv: z.string() })

export const DeadLetterInput = z.object({
  host: z.string().max(300).optional(),
  limit: z.int().min(1).max(500).default(100),
})

export const DeadLetterList = z.object({
  status_code: z.literal(200),
  dead_letters: z.array(
    z.object({
      id: z.string(),
      host: z.string(),
      sender_user_id: z.string(),
      activity_id: z.string(),
      activity_type: z.string(),
      inbox: z.string(),
      attempts: z.number().int(),
      reason: z.string().nullable(),
      retried_when_reachable: z.boolean(),
      created_at: IsoTime,
      died_at: IsoTime.nullable(),
    }),
  ),
})

export const ChoiceInput = z.object({
  ids: z.array(z.string().max(64)).min(1).max(500).optional(),
  host: z.string().max(300).optional(),
})

export const HostInput = z.object({ host: z.string().min(1).max(300) })
export const CountAnswer = z.object({ status_code: z.literal(200), count: z.number().int() })
