import type { Context } from '#context'
import { deleteOldSilences } from './preference-store.ts'
import { deleteOldNotifications } from './store.ts'

const KEPT_MS = 90 * 24 * 3600 * 1000
/** Few enough that others get their turn in between. */
const BATCH = 500

export function notificationTasks(ctx: Pick<Context, 'tasks' | 'db' | 'clock'>): void {
  ctx.tasks.register({
    id: 'notification_cleanup',
    name: 'Notification cleanup',
    description: 'Removes notifications that are older than 90 days.',
    schedule: '41 3 * * *',
    scheduleLabel: 'Every day',
    run: async ({ signal, progress }) => {
      let total = 0
      let removed: number
      do {
        signal.throwIfAborted()
        removed = await ctx.db.transact((tx) => deleteOldNotifications(tx, ctx.clock() - KEPT_MS, BATCH))
        progress((total += removed))
      } while (removed === BATCH)
      await ctx.db.transact((tx) => deleteOldSilences(tx, ctx.clock() - KEPT_MS))
      return { removed: total }
    },
  })
}
