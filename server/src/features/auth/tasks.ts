import type { Context } from '#context'
import { deleteOldSessions } from './store.ts'

/** Ended and expired sessions stay for a day, for whoever looks into an incident. */
const KEPT_MS = 24 * 3600 * 1000
/** Few enough that others get their turn in between. */
const BATCH = 500

export function authTasks(ctx: Pick<Context, 'tasks' | 'db' | 'clock'>): void {
  ctx.tasks.register({
    id: 'auth_token_cleanup',
    name: 'Session cleanup',
    description: 'Removes sessions that ended or expired a day ago, with their tokens.',
    schedule: '17 3,15 * * *',
    scheduleLabel: 'Every 12 hours',
    run: async ({ signal, progress }) => {
      let total = 0
      let removed: number
      do {
        signal.throwIfAborted()
        removed = await ctx.db.transact((tx) => deleteOldSessions(tx, ctx.clock() - KEPT_MS, BATCH))
        progress((total += removed))
      } while (removed === BATCH)
      return { removed: total }
    },
  })
}
