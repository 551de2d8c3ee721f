import { Command } from 'commander'
import { databaseUrlOf } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { sqliteFileOf } from '#db/open.ts'
import { moveDatabase } from '#db/transfer/move.ts'
import { databaseOptionsFor, loadCommandConfig } from './command-context.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson } from './print.ts'
import { ProgressBar } from './progress-bar.ts'

interface Options {
  readonly from: string
  readonly to: string
  readonly restart?: true
  readonly json?: true
}

/** `pufferblow migrate-database --from <database> --to <database>` */
export function migrateDatabaseCommand(): Command {
  const command = new Command('migrate-database')
    .summary('copy everything from SQLite to PostgreSQL, or back')
    .description(
      'copy the whole database into an empty one of the other product (or of the same) while no server runs, and compare ' +
        'every table. The source stays as it is. A run that was ended goes on where it was when it is started again. ' +
        'A database is `sqlite` (the file in the data folder), `postgres` (the one that is configured), ' +
        '`sqlite:<file>`, or a URL of PostgreSQL; a password that should not be seen in the list of processes ' +
        'goes into PGPASSWORD',
    )
    .requiredOption('--from <database>', 'what to copy')
    .requiredOption(
      '--to <database>',
      'where to: it must be empty, or hold an unfinished run of this command',
    )
    .option('--restart', 'throw away what an unfinished run has copied, and start anew')
    .option('--json', 'print the result as JSON')
    .action(migrateDatabase)
  return withExamples(
    command,
    'pufferblow migrate-database --from sqlite --to postgres',
    'pufferblow migrate-database --from postgres --to sqlite:/var/lib/chat/db/pufferblow.sqlite',
  )
}

async function migrateDatabase({ from, to, restart, json }: Options, command: Command): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  const options = databaseOptionsFor(loaded)
  const urls = [from, to].map((name) => urlOf(name, loaded.config, command))
  using copying = new ProgressBar('copy')
  using comparing = new ProgressBar('verify')
  const bars = { copy: copying, verify: comparing }
  const result = await moveDatabase({
    // Tables may be large: no statement of this command is too long.
    from: { ...options, url: urls[0]!, statementTimeoutMs: 0 },
    to: { ...options, url: urls[1]!, statementTimeoutMs: 0 },
    restart: restart === true,
    onProgress: (step, done, total) => bars[step].show(done, total),
  })
  for (const bar of Object.values(bars)) bar[Symbol.dispose]()
  if (json) return printJson(result)
  const resumed = result.resumed > 0 ? `, ${result.resumed} of them by an earlier run` : ''
  print(
    `Copied ${result.rows} rows of ${result.tables.length} tables${resumed}. Every table is the same in both.`,
  )
  if (result.migrations.length > 0) print(`Applied: ${result.migrations.join(', ')}`)
  print(
    'Set PUFFERBLOW_DATABASE_URL to the new database and start the server. The search index is made again then.',
  )
}

function urlOf(name: string, config: Config, command: Command): string {
  const configured = databaseUrlOf(config)
  if (name === 'sqlite') {
    if (sqliteFileOf(configured) !== undefined) return configured
    return databaseUrlOf({ ...config, database: { ...config.database, url: '' } })
  }
  if (name === 'postgres') {
    if (sqliteFileOf(configured) === undefined) return configured
    return command.error(
      'error: no PostgreSQL is configured; set PUFFERBLOW_DATABASE_URL or name it by its URL',
    )
  }
  if (/^(sqlite:.|postgres(ql)?:\/\/.)/.test(name)) return name
  return command.error(`error: ${name} is no database; say sqlite, postgres, sqlite:<file> or postgres://…`)
}
