import type { Context } from '#context'
import { deleteExpiredBlockedIps } from './store.ts'

export function blockedIpTasks(ctx: Pick<Context, 'tasks' | 'db' | 'clock'>): void {
  ctx.tasks.register({
    id: 'blocked_ip_cleanup',
    name: 'Blocked address cleanup',
    description: 'Removes blocks of addresses whose time is over.',
    schedule: '23 * * * *',
    scheduleLabel: 'Every hour',
    run: async () => ({
      removed: await ctx.db.transact((tx) => deleteExpiredBlockedIps(tx, ctx.clock())),
    }),
  })
}
