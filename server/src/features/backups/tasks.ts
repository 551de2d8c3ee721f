import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createBackup } from '#backup/create.ts'
import { drillBackup } from '#backup/drill.ts'
import { databaseOptionsOf } from '#config/load.ts'
import type { Context } from '#context'

/** The task's own files: others in the folder are left alone. */
const OURS = /^pufferblow-\d{8}T\d{6}Z\.backup(\.part)?$/

type Deps = Pick<Context, 'tasks' | 'config' | 'clock' | 'log'>

/** Backups that the server makes by itself. */
export function backupTasks(ctx: Deps): void {
  ctx.tasks.register({
    id: 'database_backup',
    name: 'Backup',
    description:
      'Writes everything into one encrypted file in `backup.folder`, if that is set, and removes the oldest ones.',
    schedule: '22 1 * * *',
    scheduleLabel: 'Every night',
    run: async ({ signal, progress }) => {
      const { config, log } = ctx
      const { folder, passphrase, keep } = config.backup
      if (folder === '') return { configured: false }
      if (passphrase === '') throw new Error('backup.passphrase is not set')
      await mkdir(folder, { recursive: true, mode: 0o700 })
      // One process makes backups at a time: what is not finished belongs to one that was ended.
      await removeAll(folder, (name) => name.endsWith('.part'))
      const name = nameOf(ctx.clock())
      let steps = 0
      const { totals, missing } = await createBackup({
        config,
        database: databaseOptionsOf(config),
        file: join(folder, name),
        passphrase,
        onProgress: (what) => {
          signal.throwIfAborted()
          progress(++steps, undefined, what)
        },
      })
      if (missing.length > 0) log.warn({ missing: missing.length }, 'a backup lacks files that no store has')
      const removed = await removeOldest(folder, keep)
      return { configured: true, file: name, bytes: totals.bytes, missing: missing.length, removed }
    },
  })
  ctx.tasks.register({
    id: 'backup_drill',
    name: 'Backup drill',
    description:
      'Restores the newest backup of `backup.folder`, if that is set, into a scratch place, reads everything back, and ' +
      'removes the place again.',
    schedule: '52 2 * * 0',
    scheduleLabel: 'Every Sunday night',
    run: async ({ signal, progress }) => {
      const { config, clock } = ctx
      const { folder, passphrase } = config.backup
      if (folder === '') return { configured: false }
      if (passphrase === '') throw new Error('backup.passphrase is not set')
      let steps = 0
      const { name, totals } = await drillBackup({
        config,
        passphrase,
        now: clock,
        signal,
        onProgress: (what) => progress(++steps, undefined, what),
      })
      return { configured: true, file: name, rows: totals.rows, objects: totals.objects, bytes: totals.bytes }
    },
  })
}

/** Names sort by time. */
function nameOf(now: number): string {
  const stamp = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  return `pufferblow-${stamp}.backup`
}

async function removeOldest(folder: string, keep: number): Promise<number> {
  const finished = (await readdir(folder)).filter((name) => OURS.test(name) && !name.endsWith('.part'))
  const old = new Set(finished.toSorted().slice(0, -keep))
  return removeAll(folder, (name) => old.has(name))
}

async function removeAll(folder: string, which: (name: string) => boolean): Promise<number> {
  const names = (await readdir(folder)).filter((name) => OURS.test(name) && which(name))
  for (const name of names) await rm(join(folder, name), { force: true })
  return names.length
}
