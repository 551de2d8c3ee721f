import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { databaseOptionsOf } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import type { Totals } from './archive.ts'
import { BackupError } from './envelope.ts'
import { restoreBackup } from './restore.ts'

/** Files that the server writes into the folder for backups by itself; names sort by time. */
const OURS = /^pufferblow-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.backup$/
const REPORT = 'last-drill.json'

const Report = z.object({
  file: z.string(),
  /** ISO times: when the drill ended, and of the backup. */
  at: z.string(),
  made_at: z.string(),
  ok: z.boolean(),
  /** What was wrong, if anything. */
  problem: z.string().nullable(),
})

/** How the last drill in a folder of backups went. */
export type DrillReport = z.output<typeof Report>

export interface NewestBackup {
  readonly name: string
  /** In milliseconds. */
  readonly madeAt: number
}

/** The newest backup that a server has made by itself in `folder`; undefined when there is none. */
export async function newestBackup(folder: string): Promise<NewestBackup | undefined> {
  const name = (await namesIn(folder))
    .filter((one) => OURS.test(one))
    .toSorted()
    .at(-1)
  if (name === undefined) return undefined
  const [, year, month, day, hour, minute, second] = OURS.exec(name)!
  return { name, madeAt: Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** @returns undefined when there was no drill, or its report cannot be read */
export async function lastDrill(folder: string): Promise<DrillReport | undefined> {
  try {
    return Report.parse(JSON.parse(await readFile(join(folder, REPORT), 'utf8')))
  } catch {
    return undefined
  }
}

export interface DrillOptions {
  readonly config: Config
  readonly passphrase: string
  /** The time, for the report. */
  readonly now: () => number
  /** A drill that is called off leaves no report. */
  readonly signal?: AbortSignal
  readonly onProgress?: (what: string) => void
}

export interface DrillResult {
  readonly name: string
  readonly totals: Totals
}

/**
 * Restores the newest backup of `backup.folder` into a scratch place (SQLite and the disk, whatever the server uses),
 * reads everything back, and removes the place again. Leaves a report in the folder, also when it fails.
 *
 * @throws BackupError, and what restoring throws
 */
export async function drillBackup(options: DrillOptions): Promise<DrillResult> {
  const { folder } = options.config.backup
  if (folder === '') throw new BackupError('backup.folder is not set')
  const newest = await newestBackup(folder)
  if (!newest) throw new BackupError(`there is no backup in ${folder}`)
  const report = async (problem: string | null): Promise<void> =>
    writeReport(folder, {
      file: newest.name,
      at: new Date(options.now()).toISOString(),
      made_at: new Date(newest.madeAt).toISOString(),
      ok: problem === null,
      problem,
    })
  try {
    const totals = await restoreIntoScratch(options, join(folder, newest.name))
    await report(null)
    return { name: newest.name, totals }
  } catch (error) {
    if (!options.signal?.aborted) await report(error instanceof Error ? error.message : String(error))
    throw error
  }
}

async function restoreIntoScratch(
  { config, passphrase, signal, onProgress }: DrillOptions,
  file: string,
): Promise<Totals> {
  const scratch = await mkdtemp(join(tmpdir(), 'pufferblow-drill-'))
  try {
    const place: Config = {
      ...config,
      data_dir: scratch,
      master_key: undefined,
      database: { ...config.database, url: '' },
      storage: { ...config.storage, backend: 'disk', s3_bucket: '' },
    }
    const { totals } = await restoreBackup({
      config: place,
      database: { ...databaseOptionsOf(place), onError: () => {} },
      file,
      passphrase,
      verify: true,
      onProgress: (what) => {
        signal?.throwIfAborted()
        onProgress?.(what)
      },
    })
    return totals
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function writeReport(folder: string, report: DrillReport): Promise<void> {
  const file = join(folder, REPORT)
  await writeFile(`${file}.part`, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.part`, file)
}
