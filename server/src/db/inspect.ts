import { existsSync } from 'node:fs'
import { Kysely, sql } from 'kysely'
import type { DialectName } from './database.ts'
import { openReader } from './dialect/sqlite-connection.ts'
import { sqliteDialect } from './dialect/sqlite-driver.ts'
import { PostgresEngine } from './dialect/postgres.ts'
import { asUnavailable } from './errors.ts'
import { migrationStatus, type MigrationStatus } from './migrate.ts'
import { sqliteFileOf, type DatabaseOptions } from './open.ts'
import type { Tables } from './tables.ts'

/** A data key as it is stored: wrapped by the master key. */
export interface StoredKey {
  readonly kid: string
  readonly purpose: string
  readonly wrapped: Uint8Array
}

/** A database that is looked at without changing anything in it, also while a server uses it. */
export interface Inspection extends AsyncDisposable {
  readonly dialect: DialectName
  /** Of the database product, such as `3.53.1` or `18.0`; `major` alone is a number to compare. */
  readonly version: { readonly text: string; readonly major: number }
  /** The clock of the database, in milliseconds. On SQLite it is ours. */
  clock(): Promise<number>
  migrations(): Promise<MigrationStatus[]>
  /** What is wrong with the file itself. PostgreSQL looks after that by checksums of its own: nothing. */
  damage(): Promise<string[]>
  /** None before the first migration. */
  keys(): Promise<StoredKey[]>
}

/**
 * @returns undefined when there is no database yet
 * @throws DatabaseUnavailableError
 */
export async function inspectDatabase(options: DatabaseOptions): Promise<Inspection | undefined> {
  const file = sqliteFileOf(options.url)
  if (file === undefined) return inspectPostgres(options)
  if (!existsSync(file)) return undefined
  try {
    return inspectSqlite(file, options.cacheMb)
  } catch (error) {
    throw asUnavailable(error)
  }
}

function inspectSqlite(file: string, cacheMb: number): Inspection {
  const reader = openReader({ file, cacheMb })
  const read = new Kysely<Tables>({
    dialect: sqliteDialect((text, parameters) => reader.run(text, parameters)),
  })
  const text = process.versions.sqlite ?? ''
  return {
    dialect: 'sqlite',
    version: { text, major: Number.parseInt(text) },
    clock: async () => Date.now(),
    migrations: () => migrationStatus(read),
    damage: async () => {
      const lines = reader.run('pragma integrity_check', []).rows.map((row) => String(row['integrity_check']))
      const orphans = reader.run('pragma foreign_key_check', []).rows
      return [
        ...lines.filter((line) => line !== 'ok'),
        ...orphans.map(
          (row) =>
            `a row of ${String(row['table'])} refers to a row of ${String(row['parent'])} that is gone`,
        ),
      ]
    },
    keys: () => readKeys(read),
    [Symbol.asyncDispose]: async () => reader[Symbol.dispose](),
  }
}

async function inspectPostgres(options: DatabaseOptions): Promise<Inspection> {
  await using cleanup = new AsyncDisposableStack()
  const { read } = cleanup.use(await PostgresEngine.open({ ...options, poolSize: 1 }))
  const { rows } = await sql<{ text: string; number: string }>`
    select current_setting('server_version') as text, current_setting('server_version_num') as number
  `.execute(read)
  const resources = cleanup.move()
  return {
    dialect: 'postgres',
    version: { text: rows[0]!.text, major: Math.floor(Number(rows[0]!.number) / 10_000) },
    clock: async () => {
      const now = await sql<{ ms: string }>`
        select floor(extract(epoch from clock_timestamp()) * 1000)::text as ms
      `.execute(read)
      return Number(now.rows[0]!.ms)
    },
    migrations: () => migrationStatus(read),
    damage: async () => [],
    keys: () => readKeys(read),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function readKeys(read: Kysely<Tables>): Promise<StoredKey[]> {
  const tables = await read.introspection.getTables()
  if (!tables.some(({ name }) => name === 'encryption_key')) return []
  return read.selectFrom('encryption_key').select(['kid', 'purpose', 'wrapped']).execute()
}
