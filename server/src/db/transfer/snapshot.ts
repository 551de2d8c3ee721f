import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { asUnavailable, DatabaseUnavailableError } from '../errors.ts'
import { sqliteFileOf, type DatabaseOptions } from '../open.ts'
import {
  inDependencyOrder,
  travels,
  type KeyedTable,
  type Row,
  type TableShape,
  type Value,
} from './shape.ts'

/** Rows that are read, and handed on, at a time. */
const BATCH = 500

/** A whole database as of one moment, read while a server goes on working on it. */
export interface Snapshot extends AsyncDisposable {
  /** Migrations that it has, in their order. */
  readonly migrations: readonly string[]
  /** Every table that travels, in an order in which each comes after those that it refers to. */
  readonly tables: readonly KeyedTable[]
  /** All rows of a table, in batches. */
  rows(table: TableShape): AsyncIterable<readonly Row[]>
  /** The rows after that with the key `after`, in the order of their keys, in batches. */
  rowsAfter(table: KeyedTable, after: readonly Value[] | undefined): AsyncIterable<readonly Row[]>
}

/** @throws DatabaseUnavailableError, also when there is no database */
export async function openSnapshot(options: Pick<DatabaseOptions, 'url'>): Promise<Snapshot> {
  const file = sqliteFileOf(options.url)
  try {
    return file === undefined ? await PostgresSnapshot.open(options.url) : openSqlite(file)
  } catch (error) {
    throw asUnavailable(error)
  }
}

/** A read transaction on a connection of its own: in WAL mode it sees one moment and holds nobody up. */
function openSqlite(file: string): Snapshot {
  if (!existsSync(file)) throw new DatabaseUnavailableError(`there is no database ${file}`)
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  db.exec('begin')
  const names = db
    .prepare("select name from sqlite_schema where type = 'table' order by name")
    .all()
    .map(({ name }) => String(name))
  const references = new Map<string, Set<string>>()
  const tables = names.filter(travels).map((name) => {
    const refers = db.prepare('select "table" as name from pragma_foreign_key_list(?)').all(name)
    references.set(name, new Set(refers.map((row) => String(row['name']))))
    const columns = db.prepare('select name from pragma_table_info(?) order by cid').all(name)
    const key = db.prepare('select name from pragma_table_info(?) where pk > 0 order by pk').all(name)
    const namesIn = (rows: typeof columns): string[] => rows.map((row) => String(row['name']))
    return { name, columns: namesIn(columns), key: namesIn(key) }
  })
  const migrations = names.includes('kysely_migration')
    ? db.prepare('select name from kysely_migration order by name').all()
    : []
  async function* read(text: string, values: readonly Value[]): AsyncGenerator<readonly Row[]> {
    const statement = db.prepare(text)
    statement.setReturnArrays(true)
    let batch: Row[] = []
    for (const row of statement.iterate(...values)) {
      batch.push(row as unknown as Row)
      if (batch.length < BATCH) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  }
  return {
    migrations: migrations.map(({ name }) => String(name)),
    tables: inDependencyOrder(tables, references),
    rows: (table) => read(selectAll(table), []),
    rowsAfter: (table, after) =>
      read(
        selectAfter(table, after, () => '?'),
        after ?? [],
      ),
    [Symbol.asyncDispose]: async () => db.close(),
  }
}

/** A REPEATABLE READ transaction, read by cursors. */
class PostgresSnapshot implements Snapshot {
  readonly #client: pg.Client
  readonly migrations: readonly string[]
  readonly tables: readonly KeyedTable[]

  private constructor(client: pg.Client, migrations: readonly string[], tables: readonly KeyedTable[]) {
    this.#client = client
    this.migrations = migrations
    this.tables = tables
  }

  static async open(url: string): Promise<PostgresSnapshot> {
    const client = new pg.Client({ connectionString: url, application_name: 'pufferblow snapshot' })
    client.on('error', () => {})
    await client.connect()
    try {
      await client.query('begin isolation level repeatable read read only')
      const { rows: found } = await client.query<{ name: string; columns: string[] }>(`
        select table_name as name, array_agg(column_name::text order by ordinal_position) as columns
        from information_schema.columns join information_schema.tables using (table_schema, table_name)
        where table_schema = current_schema() and table_type = 'BASE TABLE'
        group by table_name order by table_name`)
      const { rows: foreign } = await client.query<{ name: string; target: string }>(`
        select source.relname as name, target.relname as target from pg_constraint
        join pg_class source on source.oid = conrelid join pg_class target on target.oid = confrelid
        where contype = 'f' and connamespace = current_schema()::regnamespace`)
      const { rows: keys } = await client.query<{ name: string; key: string[] }>(`
        select relname as name, array_agg(attname::text order by place) as key from pg_index
        join pg_class on pg_class.oid = indrelid
        cross join unnest(indkey::int2[]) with ordinality as part (number, place)
        join pg_attribute on attrelid = indrelid and attnum = number
        where indisprimary and relnamespace = current_schema()::regnamespace group by relname`)
      const keyOf = new Map(keys.map(({ name, key }) => [name, key]))
      const references = new Map<string, Set<string>>()
      for (const { name, target } of foreign) {
        references.set(name, (references.get(name) ?? new Set()).add(target))
      }
      const migrations = found.some(({ name }) => name === 'kysely_migration')
        ? await client.query<{ name: string }>('select name from kysely_migration order by name')
        : { rows: [] }
      const tables = inDependencyOrder(
        found
          .filter(({ name }) => travels(name))
          .map((table) => ({ ...table, key: keyOf.get(table.name) ?? [] })),
        references,
      )
      return new PostgresSnapshot(
        client,
        migrations.rows.map(({ name }) => name),
        tables,
      )
    } catch (error) {
      await client.end()
      throw error
    }
  }

  rows(table: TableShape): AsyncIterable<readonly Row[]> {
    return this.#read(selectAll(table), [])
  }

  rowsAfter(table: KeyedTable, after: readonly Value[] | undefined): AsyncIterable<readonly Row[]> {
    return this.#read(
      selectAfter(table, after, (index) => `$${index + 1}`),
      after ?? [],
    )
  }

  async *#read(text: string, values: readonly Value[]): AsyncGenerator<readonly Row[]> {
    await this.#client.query(`declare travel no scroll cursor for ${text}`, [...values])
    for (;;) {
      const { rows } = await this.#client.query<Value[]>({
        text: `fetch ${BATCH} from travel`,
        rowMode: 'array',
        types,
      })
      if (rows.length > 0) yield rows
      if (rows.length < BATCH) break
    }
    await this.#client.query('close travel')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}

/** 64-bit integers as numbers: ours are milliseconds and counters, far below 2^53. */
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8
      ? Number
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
}

function selectAll({ name, columns }: TableShape): string {
  return `select ${columns.map(quote).join(', ')} from ${quote(name)}`
}

function selectAfter(
  table: KeyedTable,
  after: readonly Value[] | undefined,
  parameter: (index: number) => string,
): string {
  const key = table.key.map(quote).join(', ')
  const where = after
    ? ` where (${key}) > (${after.map((_value, index) => parameter(index)).join(', ')})`
    : ''
  return `${selectAll(table)}${where} order by ${key}`
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
