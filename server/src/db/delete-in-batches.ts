import type { Database, Tx } from './database.ts'

/** Few enough that others get their turn in between. */
const BATCH = 500

/**
 * Removes rows, a batch in each transaction, until a batch is not full.
 *
 * @param remove removes at most `limit` rows, and says how many
 * @param progress told how many are gone so far
 * @returns how many were removed
 */
export async function deleteInBatches(
  db: Database,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress?: (removed: number) => void },
  remove: (tx: Tx, limit: number) => Promise<number>,
): Promise<number> {
  let total = 0
  let removed: number
  do {
    signal.throwIfAborted()
    removed = await db.transact((tx) => remove(tx, BATCH))
    total += removed
    progress?.(total)
  } while (removed >= BATCH)
  return total
}

/** Removes the oldest rows of a table, of those from before a time. @returns how many */
export async function deleteBefore(
  tx: Tx,
  table: 'audit_entry' | 'activity',
  before: number,
  limit: number,
): Promise<number> {
  const rows = await tx
    .selectFrom(table)
    .select('id')
    .where('at', '<', before)
    .orderBy('at')
    .limit(limit)
    .execute()
  if (rows.length === 0) return 0
  const ids = rows.map(({ id }) => id)
  await tx.deleteFrom(table).where('id', 'in', ids).execute()
  return ids.length
}
