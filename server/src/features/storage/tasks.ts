import type { Context } from '#context'
import { directories, recoverUploads } from '#features/files/index.ts'
import { removeOrphans, removeStrayObjects } from './orphans.ts'

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
      const orphans = await removeOrphans(ctx, { directories, dryRun: false, signal })
      const strays = await removeStrayObjects(ctx, { dryRun: false, signal })
      return { files: orphans.files, objects: strays.objects, bytes: orphans.bytes + strays.bytes }
    },
  })
}
