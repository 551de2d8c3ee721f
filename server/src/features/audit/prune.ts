import type { Context } from '#context'
import { deleteOldEntries } from './store.ts'

const DAY = 24 * 3600 * 1000
/** Few enough that others get their turn in between. */
const BATCH = 500

/** Removes entries that are older than the operator wants them kept, until none is left. */
export async function pruneAudit(
  ctx: Pick<Context, 'db' | 'clock' | 'config'>,
  signal: AbortSignal,
): Promise<number> {
  const days = ctx.config.audit.retention_days
  if (days === 0) return 0
  let total = 0
  let removed: number
  do {
    signal.throwIfAborted()
    removed = await ctx.db.transact((tx) => deleteOldEntries(tx, ctx.clock() - days * DAY, BATCH))
    total += removed
  } while (removed === BATCH)
  return total
}
