import pg from 'pg'
import { inject } from 'vitest'
import { TEMPLATE } from './postgres.ts'

/** What is deleted row by row; more is truncated. Bytes. */
const SMALL = 1_000_000

/** What a database has to be like to be used again: tables, columns, indexes and constraints, as one text. */
const SHAPE = `
  select md5(string_agg(line, ';' order by line)) as shape from (
    select format('%s %s %s', attrelid::regclass, attname, atttypid::regtype) as line from pg_attribute
      where attrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace) and attnum > 0
    union all select indexdef from pg_indexes where schemaname = 'public'
    union all select format('%s %s', conrelid, pg_get_constraintdef(oid)) from pg_constraint
      where connamespace = 'public'::regnamespace
    union all select format('%s %s', tgrelid, tgname) from pg_trigger where not tgisinternal
  ) as lines`

interface PooledDatabase {
  readonly name: string
  readonly url: string
  /** Stays open: what a new one has to learn of the tables first costs more than all it does. */
  readonly client: pg.Client
  readonly shape: string | undefined
  /** Rows that the tables began with, as JSON. */
  readonly rows: ReadonlyMap<string, string>
}

const free: PooledDatabase[] = []

/** A database with all tables and no rows. Those that were given back are used again: to make one takes 0.1 s. */
export async function takeDatabase(): Promise<PooledDatabase> {
  return free.pop() ?? (await createDatabase())
}

/** Ends whoever is connected and removes what was written. A database that cannot be made as it was goes. */
export async function giveBack(database: PooledDatabase): Promise<void> {
  // A test may have ended our connection with the others.
  if (await clean(database).catch(() => false)) {
    free.push(database)
    return
  }
  await database.client.end()
  await administer(`drop database ${database.name} with (force)`)
}

/** @returns false if its tables are others than before */
async function clean({ client, shape, rows }: PooledDatabase): Promise<boolean> {
  await client.query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`,
  )
  if ((await shapeOf(client)) !== shape) return false
  await clear(client, rows)
  return true
}

async function createDatabase(): Promise<PooledDatabase> {
  const name = `test_${crypto.randomUUID().replaceAll('-', '')}`
  await administer(`create database ${name} template ${TEMPLATE}`)
  const url = urlOf(name)
  const client = new pg.Client({ connectionString: url, application_name: 'pool of tests' })
  client.on('error', () => {})
  await client.connect()
  const rows = new Map<string, string>()
  for (const table of await tablesOf(client)) {
    const found = await client.query<{ rows: string | null }>(
      `select json_agg(t)::text as rows from "${table.name}" as t`,
    )
    const json = found.rows[0]?.rows
    if (json) rows.set(table.name, json)
  }
  return { name, url, client, shape: await shapeOf(client), rows }
}

async function shapeOf(client: pg.Client): Promise<string | undefined> {
  return (await client.query<{ shape: string }>(SHAPE)).rows[0]?.shape
}

async function clear(client: pg.Client, begun: ReadonlyMap<string, string>): Promise<void> {
  const tables = await tablesOf(client)
  const [small, large] = [
    tables.filter(({ size }) => size <= SMALL),
    tables.filter(({ size }) => size > SMALL),
  ]
  const sequences = await client.query<{ name: string }>(
    "select sequencename as name from pg_sequences where schemaname = 'public' and last_value is not null",
  )
  await client.query(
    [
      'begin',
      // Neither triggers nor foreign keys, so that the order does not matter.
      'set local session_replication_role = replica',
      ...small.map(({ name }) => `delete from "${name}"`),
      ...(large.length > 0 ? [`truncate ${large.map(({ name }) => `"${name}"`).join()} cascade`] : []),
      ...sequences.rows.map(({ name }) => `alter sequence "${name}" restart`),
    ].join('; '),
  )
  for (const [table, json] of begun) {
    await client.query(
      `insert into "${table}" overriding system value select * from json_populate_recordset(null::"${table}", $1)`,
      [json],
    )
  }
  await client.query('commit')
}

async function tablesOf(client: pg.Client): Promise<{ name: string; size: number }[]> {
  const { rows } = await client.query<{ name: string; size: number }>(
    `select relname as name, pg_relation_size(oid)::int as size from pg_class
     where relnamespace = 'public'::regnamespace and relkind = 'r'`,
  )
  return rows
}

function urlOf(name: string): string {
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${name}`
  return url.href
}

async function administer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
