import { lastDrill, newestBackup } from '#backup/drill.ts'
import type { Config } from '#config/schema.ts'
import { isoTime } from '#lib/clock.ts'
import { fail, ok, reasonOf, warn, type Check } from './check.ts'

const HOUR_MS = 3_600_000
/** A night may fail; two are a habit. */
const OLD_MS = 49 * HOUR_MS

/** Whether there is a backup to come back to, and whether anybody has tried. */
export async function checkBackups({ backup }: Config, now: number): Promise<Check[]> {
  const { folder } = backup
  if (folder === '')
    return [ok('backups', 'the server makes none by itself; name a folder in backup.folder to have some')]
  try {
    const newest = await newestBackup(folder)
    if (!newest) {
      const advice = 'wait for the night, or run the task database_backup; then look at its history'
      return [warn('backups', `there is none in ${folder}`, advice)]
    }
    const found = `the newest is ${newest.name}`
    return [
      now - newest.madeAt > OLD_MS
        ? fail('backups', `${found}, which is old`, 'look at the history of the task database_backup')
        : ok('backups', found),
      await checkDrill(folder),
    ]
  } catch (error) {
    return [fail('backups', reasonOf(error), `make ${folder} readable for this user`)]
  }
}

async function checkDrill(folder: string): Promise<Check> {
  const drill = await lastDrill(folder)
  const name = 'last good backup'
  if (!drill) return warn(name, 'none has been restored to try it', 'run: pufferblow backup drill')
  const found = `${drill.file}, tried ${isoTime(Date.parse(drill.at))}`
  if (drill.ok) return ok(name, found)
  return fail(name, `${found}: ${drill.problem}`, 'make a new backup and run: pufferblow backup drill')
}
