import { Command, Option } from 'commander'
import {
  collectGarbage,
  isSound,
  migrateStorage,
  rekeyStorage,
  storageUsage,
  verifyStorage,
  type Findings,
  type Share,
} from '#features/storage/index.ts'
import type { StoreKind } from '#storage/blob-store.ts'
import { loadCommandConfig, withCommandContext } from './command-context.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson, printTable } from './print.ts'
import { bytesText, ProgressBar } from './progress-bar.ts'

interface Options {
  readonly json?: true
}

export function storageCommand(): Command {
  return new Command('storage')
    .summary('look after the files that people send')
    .description('look after the files that people send; everything here can run beside the server')
    .addCommand(usageCommand())
    .addCommand(verifyCommand())
    .addCommand(migrateCommand())
    .addCommand(gcCommand())
    .addCommand(rekeyCommand())
}

function usageCommand(): Command {
  const command = new Command('usage')
    .description('show what takes the space: by kind, channel and person')
    .option('--top <count>', 'how many channels and people to show', '20')
    .option('--json', 'print JSON')
    .action((options: Options & { top: string }, self: Command) => usage(self, options))
  return withExamples(command, 'pufferblow storage usage --top 5')
}

async function usage(self: Command, { json, top }: Options & { top: string }): Promise<void> {
  const limit = Number(top)
  if (!Number.isInteger(limit) || limit < 1) self.error('error: --top takes a number from 1 on')
  const found = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
    storageUsage(ctx, limit),
  )
  if (json) return printJson(found)
  print(`${found.stored.objects} objects, ${bytesText(found.stored.bytes)} (the same content counts once)\n`)
  printShares('KIND', found.by_kind)
  printShares('CHANNEL', found.by_channel)
  printShares('PERSON', found.by_person)
}

function printShares(title: string, shares: readonly Share[]): void {
  printTable(
    [title, 'FILES', 'SIZE'],
    shares.map(({ name, files, bytes }) => [name, String(files), bytesText(bytes)]),
  )
  print('')
}

function verifyCommand(): Command {
  const command = new Command('verify')
    .description('read every file and hold it against the database; exit code 1 if anything is wrong')
    .option('--json', 'print JSON')
    .action((options: Options, self: Command) => verify(self, options))
  return withExamples(command, 'pufferblow storage verify --json')
}

async function verify(self: Command, { json }: Options): Promise<void> {
  using progress = new ProgressBar('verify', bytesText)
  const findings = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
    verifyStorage(ctx, { onProgress: progress.show }),
  )
  progress[Symbol.dispose]()
  if (json) printJson({ ok: isSound(findings), ...findings })
  else printFindings(findings)
  if (!isSound(findings)) process.exitCode = 1
}

function printFindings(findings: Findings): void {
  print(`${findings.blobs} objects, ${bytesText(findings.bytes)}`)
  for (const object of findings.missing) print(`missing: ${object}`)
  for (const object of findings.damaged) print(`damaged: ${object}`)
  for (const { store, object } of findings.extra) print(`extra: ${object} in ${store}`)
  for (const { name, counted, actual } of findings.wrong_references) {
    print(`wrong count of references: ${name} has ${actual}, not ${counted}`)
  }
  for (const { name, counted, actual } of findings.wrong_usage) {
    print(`wrong usage: ${name} uses ${actual} bytes, not ${counted}`)
  }
  if (findings.orphans > 0) print(`files whose message is gone: ${findings.orphans}`)
  if (findings.waiting > 0) print(`waiting to be removed: ${findings.waiting}`)
  print(isSound(findings) ? 'Everything is as it should be' : 'Something is wrong')
}

function migrateCommand(): Command {
  const command = new Command('migrate')
    .description(
      'move all files to the disk or to S3; both must be configured. Can be interrupted and repeated',
    )
    .addOption(new Option('--to <store>', 'where to').choices(['disk', 's3']).makeOptionMandatory())
    .option('--json', 'print JSON')
    .action((options: Options & { to: StoreKind }, self: Command) => migrate(self, options))
  return withExamples(command, 'pufferblow storage migrate --to s3')
}

async function migrate(self: Command, { json, to }: Options & { to: StoreKind }): Promise<void> {
  using progress = new ProgressBar(`migrate to ${to}`)
  const result = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
    migrateStorage(ctx, to, { onProgress: progress.show }),
  )
  progress[Symbol.dispose]()
  if (json) printJson(result)
  else {
    print(`Moved ${result.moved} objects, ${bytesText(result.bytes)}`)
    for (const object of result.failed) print(`could not be moved (missing or damaged): ${object}`)
  }
  if (result.failed.length > 0) process.exitCode = 1
}

function gcCommand(): Command {
  const command = new Command('gc')
    .description('remove files whose message is gone, and objects that nothing refers to')
    .option('--dry-run', 'say what would be removed, and change nothing')
    .option('--json', 'print JSON')
    .action((options: Options & { dryRun?: true }, self: Command) => gc(self, options))
  return withExamples(command, 'pufferblow storage gc --dry-run')
}

async function gc(self: Command, { json, dryRun = false }: Options & { dryRun?: boolean }): Promise<void> {
  const result = await withCommandContext(loadCommandConfig(dataDirOf(self)), async (ctx) => {
    return { ...(await collectGarbage(ctx, { dryRun })), dry_run: dryRun }
  })
  if (json) return printJson(result)
  const verb = dryRun ? 'Would remove' : 'Removed'
  print(`${verb} ${result.files} files and ${result.objects} objects, ${bytesText(result.bytes)}`)
}

function rekeyCommand(): Command {
  const command = new Command('rekey')
    .description(
      'take a new key for files and wrap the keys of all objects with it; the objects stay as they are',
    )
    .option('--resume', 'go on with the key of a run that was interrupted')
    .option('--json', 'print JSON')
    .action((options: Options & { resume?: true }, self: Command) => rekey(self, options))
  return withExamples(command, 'pufferblow storage rekey')
}

async function rekey(self: Command, { json, resume = false }: Options & { resume?: boolean }): Promise<void> {
  using progress = new ProgressBar('rekey')
  const changed = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
    rekeyStorage(ctx, { newKey: !resume, onProgress: progress.show }),
  )
  progress[Symbol.dispose]()
  if (json) printJson({ changed })
  else print(`Changed ${changed} keys and names`)
}
