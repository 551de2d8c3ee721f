import { resolve } from 'node:path'
import { Command } from 'commander'
import type { Totals } from '#backup/archive.ts'
import { createBackup } from '#backup/create.ts'
import { drillBackup } from '#backup/drill.ts'
import { checkBackup, restoreBackup } from '#backup/restore.ts'
import { databaseOptionsFor, demandDatabase, loadCommandConfig } from './command-context.ts'
import { dataDirOf, withExamples } from './options.ts'
import { takePassphrase, withPassphrase, type PassphraseOptions } from './passphrase.ts'
import { print, printJson, remark } from './print.ts'
import { Progress } from './progress.ts'

interface Options extends PassphraseOptions {
  readonly json?: true
  readonly verify?: true
  readonly dryRun?: true
}

/** `pufferblow backup <file>` */
export function backupCommand(): Command {
  const command = new Command('backup')
    .summary('write everything into one encrypted file, while the server runs')
    .description(
      'write everything into one encrypted file, while the server runs: database, files, master key and configuration. ' +
        'Whoever has the file and the passphrase has all of it',
    )
    .argument('<file>', 'the file to write; it must not exist yet')
    .option('--json', 'print the result as JSON')
    .action(backup)
    .addCommand(drillCommand())
  return withExamples(
    withPassphrase(command),
    'pufferblow backup /mnt/backup/chat.backup --passphrase-file ./passphrase',
  )
}

async function backup(file: string, options: Options, command: Command): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  demandDatabase(loaded)
  const passphrase = await takePassphrase(options, { isNew: true })
  using progress = new Progress()
  const { totals, missing } = await createBackup({
    config: loaded.config,
    database: databaseOptionsFor(loaded),
    file: resolve(file),
    passphrase,
    onProgress: (what) => progress.show(what),
  })
  progress.clear()
  if (options.json) printJson({ file: resolve(file), ...totals, missing })
  else print(`${file}: ${inWords(totals)}`)
  if (missing.length > 0) {
    remark(
      `${missing.length} files that the database names are in no store; look into it with: pufferblow storage verify`,
    )
    process.exitCode = 1
  }
}

/** `pufferblow backup drill` */
function drillCommand(): Command {
  const command = new Command('drill')
    .summary('restore the newest backup into a scratch place, to see that it can be done')
    .description(
      'restore the newest backup of `backup.folder` into a scratch place in the folder for temporary files, read ' +
        'everything back, and remove the place again. The server does it every Sunday night; `doctor` and the metrics ' +
        'tell how it went',
    )
    .option('--json', 'print the result as JSON')
    .action(drill)
  return withExamples(withPassphrase(command), 'pufferblow backup drill')
}

async function drill(options: Options, command: Command): Promise<void> {
  const { config } = loadCommandConfig(dataDirOf(command))
  const given = options.passphraseFile === undefined ? config.backup.passphrase : ''
  const passphrase = given || (await takePassphrase(options, { isNew: false }))
  using progress = new Progress()
  const { name, totals } = await drillBackup({
    config,
    passphrase,
    now: Date.now,
    onProgress: (what) => progress.show(what),
  })
  progress.clear()
  if (options.json) return printJson({ file: name, ...totals })
  print(`${name}: ${inWords(totals)}. It was restored and read back; nothing was left behind.`)
}

/** `pufferblow restore <file>` */
export function restoreCommand(): Command {
  const command = new Command('restore')
    .summary('put a backup into an empty place')
    .description(
      'put a backup into an empty data folder and an empty database, which may be of the other product. A backup of an ' +
        'earlier version is brought up to date',
    )
    .argument('<file>', 'the backup')
    .option('--verify', 'read everything back afterwards and compare')
    .option('--dry-run', 'only check that the backup is whole and can be opened')
    .option('--json', 'print the result as JSON')
    .action(restore)
  return withExamples(
    withPassphrase(command),
    'pufferblow restore chat.backup --dry-run',
    'pufferblow restore chat.backup --verify --data-dir ./new',
  )
}

async function restore(file: string, options: Options, command: Command): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  const passphrase = await takePassphrase(options, { isNew: false })
  using progress = new Progress()
  const { manifest, totals } = options.dryRun
    ? await checkBackup(resolve(file), passphrase)
    : await restoreBackup({
        config: loaded.config,
        database: databaseOptionsFor(loaded),
        file: resolve(file),
        passphrase,
        verify: options.verify === true,
        onProgress: (what) => progress.show(what),
      })
  progress.clear()
  const { version, created_at } = manifest
  if (options.json) return printJson({ file: resolve(file), version, created_at, ...totals })
  print(`${file}: ${inWords(totals)}, made by version ${version} at ${created_at}`)
  print(
    options.dryRun ? 'The backup is whole. Nothing was changed.' : `Restored into ${loaded.config.data_dir}.`,
  )
}

function inWords({ tables, rows, objects, bytes }: Totals): string {
  const megabytes = (bytes / 1024 / 1024).toFixed(1)
  return `${rows} rows of ${tables} tables, ${objects} files (${megabytes} MiB)`
}
