import type { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { invalidField } from '#http/errors.ts'
import { isoTime } from '#lib/clock.ts'
import { parseIsoTime } from '#lib/iso-time.ts'
import { readAudit } from './read.ts'
import { AuditInput, AuditPage } from './schema.ts'
import type { EntryWithActor } from './store.ts'

/** The audit log can be read. Nothing here, or anywhere else in the API, changes or removes an entry. */
export function auditRoutes(api: Api, ctx: Pick<Context, 'db'>): void {
  const common = {
    path: '/api/v1/system/audit-log',
    tag: 'Moderation',
    summary: 'Read the audit log',
    description: 'Who did what to whom, newest first. Entries cannot be changed.',
    access: 'view_audit_logs',
    bucket: 'default',
    input: AuditInput,
    answers: { 200: AuditPage },
    errors: [404],
  } as const
  const handle = async ({ input }: { input: z.output<typeof AuditInput> }) => {
    const { entries, more } = await readAudit(
      ctx.db.read,
      {
        actorId: input.actor_id ?? undefined,
        action: input.action ?? undefined,
        targetType: input.target_type ?? undefined,
        targetId: input.target_id ?? undefined,
        since: timeOf('since', input.since),
        until: timeOf('until', input.until),
      },
      { before: input.before ?? undefined, limit: input.limit },
    )
    return { entries: entries.map(entryToWire), next_before: more ? entries.at(-1)!.id : null }
  }
  api.endpoint({ ...common, method: 'GET' }, handle)
  api.endpoint({ ...common, method: 'POST' }, handle)
}

function timeOf(field: string, text: string | null | undefined): number | undefined {
  if (!text) return undefined
  const time = parseIsoTime(text)
  if (time === undefined) throw invalidField(['query', field], 'must be an ISO 8601 time', 'value_error')
  return time
}

function entryToWire(entry: EntryWithActor) {
  return {
    id: entry.id,
    at: isoTime(entry.at),
    actor: entry.actor_id === null ? null : { id: entry.actor_id, username: entry.actor_name },
    action: entry.action,
    target: { type: entry.target_type, id: entry.target_id },
    details: JSON.parse(entry.details) as Record<string, unknown>,
  }
}
