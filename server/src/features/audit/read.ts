import type { Db } from '#db/database.ts'
import { notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { findEntryPlace, listEntries, type EntryFilter, type EntryWithActor } from './store.ts'

/**
 * A page of the audit log, newest entry first.
 *
 * @param page.before id of the last entry of the page before
 * @returns `more`: whether older entries fit as well
 * @throws HttpError 404 when `before` is no entry (any more)
 */
export async function readAudit(
  db: Db,
  filter: EntryFilter,
  page: { before: string | undefined; limit: number },
): Promise<{ entries: EntryWithActor[]; more: boolean }> {
  const before = page.before === undefined ? undefined : await placeOf(db, page.before)
  const entries = await listEntries(db, filter, { before, limit: page.limit + 1 })
  const more = entries.length > page.limit
  return { entries: more ? entries.slice(0, page.limit) : entries, more }
}

async function placeOf(db: Db, id: string) {
  const place = isId(id) ? await findEntryPlace(db, id) : undefined
  if (!place) throw notFound('Audit entry', id)
  return place
}
