import { sql, type Kysely } from 'kysely'
import type { Engine } from '../database.ts'
import { migrate, migrateToNothing, migrationStatus, NewerDatabaseError } from '../migrate.ts'
import { travels, type Row, type TableShape } from './shape.ts'

/** SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535. */
const MAX_PARAMETERS = 30_000

/** A database of any shape: which tables and columns there are is known only at run time. */
// oxlint-disable-next-line typescript/no-explicit-any -- see above
export type AnyDatabase = Kysely<any>

/** There is something in the database already. */
export class NotEmptyError extends Error {
  constructor() {
    super('the database is not empty')
  }
}

/**
 * Makes the tables as they were at `migrations`, in a database that has none or whose tables are empty.
 *
 * @throws NotEmptyError, NewerDatabaseError when there are migrations that this program does not know
 */
export async function prepareEmpty(engine: Engine, migrations: readonly string[]): Promise<void> {
  const status = await migrationStatus(engine.schema)
  const known = new Set(status.filter((one) => one.known).map(({ name }) => name))
  const last = migrations.at(-1)
  if (last === undefined || !migrations.every((name) => known.has(name))) throw new NewerDatabaseError()
  if (status.some(({ appliedAt }) => appliedAt !== undefined)) {
    if (!(await isEmpty(engine))) throw new NotEmptyError()
  }
  await migrate(engine.schema, last)
}

async function isEmpty(engine: Engine): Promise<boolean> {
  const db: AnyDatabase = engine.schema
  const tables = await db.introspection.getTables()
  if (tables.some(({ name }) => name === 'database_transfer')) return false
  for (const table of ['user', 'channel', 'message', 'encryption_key']) {
    if (!tables.some(({ name }) => name === table)) continue
    if (
      (await db
        .selectFrom(table)
        .select(sql`1`.as('one'))
        .limit(1)
        .executeTakeFirst()) !== undefined
    )
      return false
  }
  return true
}

/** Removes what migrations have put into a table: it comes from elsewhere. */
export async function emptyTable(engine: Engine, { name }: TableShape): Promise<void> {
  const db: AnyDatabase = engine.schema
  await db.deleteFrom(name).execute()
}

/** Undoes a load that did not come to its end: the database is as empty as one that was never used. */
export async function undoLoad(engine: Engine): Promise<void> {
  await migrateToNothing(engine.schema)
}

/** Writes rows of a table, all or none of them, and with them what `also` writes. */
export async function insertRows(
  engine: Engine,
  { name, columns }: TableShape,
  rows: readonly Row[],
  also?: (tx: AnyDatabase) => Promise<void>,
): Promise<void> {
  const db: AnyDatabase = engine.schema
  const perStatement = Math.max(1, Math.floor(MAX_PARAMETERS / columns.length))
  const into = sql`insert into ${sql.table(name)} (${sql.join(columns.map((column) => sql.ref(column)))})`
  // Given numbers stand, also where PostgreSQL would count by itself.
  const start = engine.dialect === 'postgres' ? sql`${into} overriding system value` : into
  await db.transaction().execute(async (tx) => {
    for (let from = 0; from < rows.length; from += perStatement) {
      const values = rows.slice(from, from + perStatement).map((row) => sql`(${sql.join([...row])})`)
      await sql`${start} values ${sql.join(values)}`.execute(tx)
    }
    await also?.(tx)
  })
}

/**
 * Ends a load: counters go on after the highest number, references are checked, and later migrations are applied.
 *
 * @throws when a row refers to one that is not there
 */
export async function finishLoad(engine: Engine): Promise<string[]> {
  if (engine.dialect === 'postgres') await advanceCounters(engine.schema)
  else {
    const { rows } = await sql<{ table: string }>`pragma foreign_key_check`.execute(engine.schema)
    const [broken] = rows
    if (broken) throw new Error(`a row of ${broken.table} refers to one that is not there`)
  }
  return migrate(engine.schema)
}

async function advanceCounters(db: AnyDatabase): Promise<void> {
  const { rows } = await sql<{ name: string; column: string }>`
    select table_name as name, column_name as "column" from information_schema.columns
    where table_schema = current_schema() and is_identity = 'YES'`.execute(db)
  for (const { name, column } of rows) {
    if (!travels(name)) continue
    await sql`select setval(pg_get_serial_sequence(${`"${name}"`}, ${column}),
      (select coalesce(max(${sql.ref(column)}), 0) + 1 from ${sql.table(name)}), false)`.execute(db)
  }
}

/** How many rows each table has. */
export async function countRows(engine: Engine, tables: readonly TableShape[]): Promise<Map<string, number>> {
  const db: AnyDatabase = engine.schema
  const counts = new Map<string, number>()
  for (const { name } of tables) {
    const { count } = await db
      .selectFrom(name)
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
    counts.set(name, count)
  }
  return counts
}
