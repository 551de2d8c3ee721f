import { Command } from 'commander'
import { inspectDatabase } from '#db/inspect.ts'
import { knownMigrations, migrate, migrateDown, type MigrationStatus } from '#db/migrate.ts'
import { openForMigration } from '#db/open.ts'
import { isoTime } from '#lib/clock.ts'
import { databaseOptionsFor, demandDatabase, loadCommandConfig } from './command-context.ts'
import { CommandError } from './fail.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson, printTable } from './print.ts'

interface Options {
  readonly json?: true
  readonly check?: true
  readonly yes?: true
}

export function migrateCommand(): Command {
  return new Command('migrate')
    .summary('look at and change the version of the database')
    .description('look at and change the version of the database; a server migrates by itself when it starts')
    .addCommand(statusCommand())
    .addCommand(upCommand())
    .addCommand(downCommand())
}

function statusCommand(): Command {
  const command = new Command('status')
    .description('list migrations, applied and pending; changes nothing')
    .option('--check', 'exit with code 1 if any is pending')
    .option('--json', 'print JSON')
    .action((options: Options, self: Command) => status(dataDirOf(self), options))
  return withExamples(command, 'pufferblow migrate status --check')
}

async function status(dataDir: string | undefined, { json, check }: Options): Promise<void> {
  const migrations = await readStatus(dataDir)
  const pending = migrations.filter(({ appliedAt }) => appliedAt === undefined).length
  const rows = migrations.map(({ name, appliedAt, known }) => ({
    name,
    state: appliedAt === undefined ? 'pending' : known ? 'applied' : 'applied by a newer version',
    applied_at: appliedAt === undefined ? null : isoTime(appliedAt.getTime()),
  }))
  if (json) {
    printJson({ pending, newer: migrations.some(({ known }) => !known), migrations: rows })
  } else {
    printTable(
      ['MIGRATION', 'STATE', 'SINCE'],
      rows.map(({ name, state, applied_at }) => [name, state, applied_at ?? '']),
    )
  }
  if (check && pending > 0) process.exitCode = 1
}

/** Where there is no database yet, everything is pending. */
async function readStatus(dataDir: string | undefined): Promise<MigrationStatus[]> {
  await using database = await inspectDatabase(databaseOptionsFor(loadCommandConfig(dataDir)))
  return (
    (await database?.migrations()) ??
    knownMigrations.map((name) => ({ name, appliedAt: undefined, known: true }))
  )
}

function upCommand(): Command {
  const command = new Command('up')
    .description('apply what is pending (SQLite: while no server runs)')
    .option('--json', 'print JSON')
    .action((options: Options, self: Command) => up(dataDirOf(self), options))
  return withExamples(command, 'pufferblow migrate up')
}

async function up(dataDir: string | undefined, { json }: Options): Promise<void> {
  await using database = await openForMigration(databaseOptionsFor(loadCommandConfig(dataDir)))
  const applied = await migrate(database.engine.schema)
  if (json) printJson({ applied })
  else print(applied.length === 0 ? 'Nothing is pending' : `Applied: ${applied.join(', ')}`)
}

function downCommand(): Command {
  const command = new Command('down')
    .description('undo the newest migration while no server runs; data that only it knows is lost')
    .option('--yes', 'really do it')
    .option('--json', 'print JSON')
    .action((options: Options, self: Command) => down(self, options))
  return withExamples(command, 'pufferblow migrate down --yes')
}

async function down(command: Command, { json, yes }: Options): Promise<void> {
  if (!yes) command.error('error: undoing a migration loses data: make a backup, then add --yes')
  const loaded = loadCommandConfig(dataDirOf(command))
  demandDatabase(loaded)
  await using database = await openForMigration(databaseOptionsFor(loaded))
  const { engine } = database
  if (engine.dialect === 'postgres' && (await engine.isServed())) {
    throw new CommandError('a server is running on this database; stop it first')
  }
  const undone = await migrateDown(engine.schema)
  if (json) printJson({ undone })
  else print(undone.length === 0 ? 'There is nothing to undo' : `Undone: ${undone.join(', ')}`)
}
