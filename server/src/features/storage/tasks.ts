import type { Context } from '#context'
import { recoverUploads } from '#features/files/index.ts'
import { collectGarbage } from './orphans.ts'

/** What is done for the stores from time to time. */
export function storageTasks(ctx: Context): void {
  ctx.tasks.register({
    id: 'storage_cleanup',
    name: 'Storage cleanup',
    description:
      'Removes files whose message is gone, uploads that broke off, and objects that nothing refers to.',
    schedule: '52 3 * * *',
    scheduleLabel: 'Every night',
    run: async ({ signal }) => {
      await recoverUploads(ctx)
      return { ...(await collectGarbage(ctx, { dryRun: false, signal })) }
    },
  })
}
