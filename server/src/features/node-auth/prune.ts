import type { Context } from '#context'
import { deleteInBatches } from '#db/delete-in-batches.ts'
import { deleteOver } from './store.ts'

/** For whoever looks into an incident. */
const KEPT_MS = 24 * 3600 * 1000

/** Removes challenges and node sessions that were over a day ago. @returns how many */
export function pruneNodeSessions(
  { db, clock }: Pick<Context, 'db' | 'clock'>,
  signal: AbortSignal,
): Promise<number> {
  return deleteInBatches(db, { signal }, (tx, limit) => deleteOver(tx, clock() - KEPT_MS, limit))
}
