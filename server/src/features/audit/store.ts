import type { Db, Tx } from '#db/database.ts'
import type { AuditEntryTable } from '#db/tables.ts'

/** Its id is new, so the write cannot fail and is not waited for. */
export function insertEntry(tx: Tx, row: AuditEntryTable): void {
  tx.later(tx.insertInto('audit_entry').values(row))
}

export interface EntryFilter {
  readonly actorId?: string | undefined
  readonly action?: string | undefined
  readonly targetType?: string | undefined
  readonly targetId?: string | undefined
  /** Not before this time. */
  readonly since?: number | undefined
  /** Before this time. */
  readonly until?: number | undefined
}

export interface EntryWithActor extends AuditEntryTable {
  actor_name: string | null
}

/** Where a page ends: the next one begins after this entry. */
export type EntryPlace = Pick<AuditEntryTable, 'at' | 'id'>

export function findEntryPlace(db: Db, id: string): Promise<EntryPlace | undefined> {
  return db.selectFrom('audit_entry').select(['at', 'id']).where('id', '=', id).executeTakeFirst()
}

/** Entries that fit `filter`, newest first, older than `before` if given. */
export function listEntries(
  db: Db,
  filter: EntryFilter,
  page: { before: EntryPlace | undefined; limit: number },
): Promise<EntryWithActor[]> {
  let query = db
    .selectFrom('audit_entry')
    .leftJoin('user', 'user.id', 'audit_entry.actor_id')
    .selectAll('audit_entry')
    .select('user.username as actor_name')
  if (filter.actorId !== undefined) query = query.where('actor_id', '=', filter.actorId)
  if (filter.action !== undefined) query = query.where('action', '=', filter.action)
  if (filter.targetType !== undefined) query = query.where('target_type', '=', filter.targetType)
  if (filter.targetId !== undefined) query = query.where('target_id', '=', filter.targetId)
  if (filter.since !== undefined) query = query.where('at', '>=', filter.since)
  if (filter.until !== undefined) query = query.where('at', '<', filter.until)
  const { before } = page
  if (before) {
    query = query.where((where) =>
      where.or([
        where('at', '<', before.at),
        where.and([where('at', '=', before.at), where('audit_entry.id', '<', before.id)]),
      ]),
    )
  }
  return query.orderBy('at', 'desc').orderBy('audit_entry.id', 'desc').limit(page.limit).execute()
}
