import type { Context } from '#context'
import { deleteInBatches } from '#db/delete-in-batches.ts'
import { deleteOldSessions } from './store.ts'

/** Ended and expired sessions stay for a day, for whoever looks into an incident. */
const KEPT_MS = 24 * 3600 * 1000

export function authTasks(ctx: Pick<Context, 'tasks' | 'db' | 'clock'>): void {
  ctx.tasks.register({
    id: 'auth_token_cleanup',
    name: 'Session cleanup',
    description: 'Removes sessions that ended or expired a day ago, with their tokens.',
    schedule: '17 3,15 * * *',
    scheduleLabel: 'Every 12 hours',
    run: async (run) => ({
      removed: await deleteInBatches(ctx.db, run, (tx, limit) =>
        deleteOldSessions(tx, ctx.clock() - KEPT_MS, limit),
      ),
    }),
  })
}
