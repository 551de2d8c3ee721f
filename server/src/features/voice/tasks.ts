import type { Context } from '#context'
import { deleteInBatches } from '#db/delete-in-batches.ts'
import { deleteOld } from './store.ts'

/** Join tokens and voice sessions stay for a day after they are over, for whoever looks into an incident. */
const KEPT_MS = 24 * 3600 * 1000

export function voiceTasks(ctx: Pick<Context, 'tasks' | 'db' | 'clock'>): void {
  ctx.tasks.register({
    id: 'voice_cleanup',
    name: 'Voice cleanup',
    description: 'Removes join tokens and voice sessions that were over a day ago.',
    schedule: '37 3 * * *',
    scheduleLabel: 'Every night',
    run: async (run) => ({
      removed: await deleteInBatches(ctx.db, run, (tx, limit) => deleteOld(tx, ctx.clock() - KEPT_MS, limit)),
    }),
  })
}
