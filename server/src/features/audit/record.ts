import type { Tx } from '#db/database.ts'
import { newId } from '#lib/id.ts'
import { insertEntry } from './store.ts'

/** Something that somebody with power did, as it is told to the audit log. */
export interface AuditRecord {
  /** Who did it; null for the operator of the machine and for the server itself. */
  readonly actorId: string | null
  /** `noun.verb` in the past tense: `channel.deleted`, `user.banned`. */
  readonly action: string
  /** Noun of the glossary: `user`, `channel`, `role`. */
  readonly targetType: string
  readonly targetId: string
  /** What else a reader must know, small, without secrets and without what people wrote to each other. */
  readonly details?: Readonly<Record<string, unknown>>
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Writes an entry of the audit log, which counts exactly if the transaction of the act does. */
export function recordAudit(tx: Tx, record: AuditRecord): void {
  insertEntry(tx, {
    id: newId(record.at),
    at: record.at,
    actor_id: record.actorId,
    action: record.action,
    target_type: record.targetType,
    target_id: record.targetId,
    details: JSON.stringify(record.details ?? {}),
  })
}
