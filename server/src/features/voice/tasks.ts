import type { Context } from '#context'
import { deleteOld } from './store.ts'

/** Join tokens and voice sessions stay for a day after they are over, for whoever looks into an incident. */
const KEPT_MS = 24 * 3600 * 1000
/** Few enough that others get their turn in between. */
const BATCH = 500

export function voiceTasks(ctx: Pick<Context, 'tasks' | 'db' | 'clock'>): void {
  ctx.tasks.register({
    id: 'voice_cleanup',
    name: 'Voice cleanup',
    description: 'Removes join tokens and voice sessions that were over a day ago.',
    schedule: '37 3 * * *',
    scheduleLabel: 'Every night',
    run: async ({ signal, progress }) => {
      let total = 0
      let removed: number
      do {
        signal.throwIfAborted()
        removed = await ctx.db.transact((tx) => deleteOld(tx, ctx.clock() - KEPT_MS, BATCH))
        progress((total += removed))
      } while (removed >= BATCH)
      return { removed: total }
    },
  })
}
