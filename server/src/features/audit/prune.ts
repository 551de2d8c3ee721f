import type { Context } from '#context'
import { deleteBefore, deleteInBatches } from '#db/delete-in-batches.ts'

const DAY = 24 * 3600 * 1000

/** Removes entries that are older than the operator wants them kept. @returns how many */
export async function pruneAudit(
  { db, clock, config }: Pick<Context, 'db' | 'clock' | 'config'>,
  signal: AbortSignal,
): Promise<number> {
  const days = config.audit.retention_days
  if (days === 0) return 0
  const before = clock() - days * DAY
  return deleteInBatches(db, { signal }, (tx, limit) => deleteBefore(tx, 'audit_entry', before, limit))
}
