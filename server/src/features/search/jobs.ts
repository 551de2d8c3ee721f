import type { Context } from '#context'
import { dropOldGenerations, reindex } from './reindex.ts'

const PAUSE_MS = 5

/** Does the durable work of this feature. */
export function searchJobs(ctx: Context): void {
  ctx.jobs.handle('search.reindex', async (_payload, { signal }) => {
    await reindex(ctx, { signal, pauseMs: PAUSE_MS })
    const again = await dropOldGenerations(ctx)
    if (again === undefined) return
    await ctx.db.transact(async (tx) => {
      tx.enqueue({ type: 'search.reindex', payload: {}, key: 'search.reindex', runAt: again })
    })
  })
}
