import type { Context } from '#context'
import { rollUpChannel } from '#features/stats/index.ts'
import { removeMessages } from './remove.ts'
import { deleteReadStates } from './store.ts'

/** Few enough that others get their turn in between. */
const BATCH = 200

/** Does the durable work of this feature. */
export function messageJobs(ctx: Pick<Context, 'db' | 'clock' | 'jobs'>): void {
  ctx.jobs.handle('messages.purge', async ({ channelId }, { signal }) => {
    await rollUpChannel(ctx, channelId)
    let removed: number
    do {
      signal.throwIfAborted()
      removed = (await ctx.db.transact((tx) => removeMessages(ctx, tx, channelId, { limit: BATCH }))).removed
    } while (removed === BATCH)
    await ctx.db.transact((tx) => deleteReadStates(tx, channelId))
  })
}
