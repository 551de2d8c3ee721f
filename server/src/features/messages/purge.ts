import type { Context } from '#context'
import { purgeDeletedChannels } from './store.ts'

/** Few enough that others get their turn in between. */
const BATCH = 200

/** Removes the messages of deleted channels, a batch at a time, until none is left or `signal` says stop. */
export async function purgeMessages(ctx: Pick<Context, 'db'>, signal: AbortSignal): Promise<number> {
  let total = 0
  while (!signal.aborted) {
    const removed = await ctx.db.transact((tx) => purgeDeletedChannels(tx, BATCH))
    total += removed
    if (removed < BATCH) break
  }
  return total
}
