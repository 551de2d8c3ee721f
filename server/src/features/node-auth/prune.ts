import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '#context'
import { deleteOver } from './store.ts'

const BATCH = 500
/** For whoever looks into an incident. */
const KEPT_MS = 24 * 3600 * 1000

/** Removes challenges and node sessions that were over a day ago. */
export async function pruneNodeSessions(
  ctx: Pick<Context, 'db' | 'clock'>,
  signal: AbortSignal,
): Promise<void> {
  let removed: number
  do {
    removed = await ctx.db.transact((tx) => deleteOver(tx, ctx.clock() - KEPT_MS, BATCH))
    await sleep(10)
  } while (removed >= BATCH && !signal.aborted)
}
