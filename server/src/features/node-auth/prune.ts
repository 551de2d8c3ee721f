import type { Context } from '#context'
import { deleteOver } from './store.ts'

const BATCH = 500
/** For whoever looks into an incident. */
const KEPT_MS = 24 * 3600 * 1000

/** Removes challenges and node sessions that were over a day ago. @returns how many */
export async function pruneNodeSessions(
  ctx: Pick<Context, 'db' | 'clock'>,
  signal: AbortSignal,
): Promise<number> {
  let total = 0
  let removed: number
  do {
    signal.throwIfAborted()
    removed = await ctx.db.transact((tx) => deleteOver(tx, ctx.clock() - KEPT_MS, BATCH))
    total += removed
  } while (removed >= BATCH)
  return total
}
