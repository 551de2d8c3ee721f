import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import type { Engine } from '#db/database.ts'
import { PostgresEngine } from '#db/dialect/postgres.ts'
import { SqliteEngine } from '#db/dialect/sqlite.ts'
import { knownMigrations, migrate, migrateDown, migrationStatus, NewerDatabaseError } from '#db/migrate.ts'
import { startServer, type Place } from '#test/server.ts'

/** An empty database, and a way to open it as often as wanted. */
async function emptyDatabase(): Promise<{ open(): Promise<Engine>; place: Place }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'pufferblow-test-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true }))
  const keep = async (): Promise<void> => {}
  if (inject('database') === 'sqlite') {
    const file = join(dataDir, 'db.sqlite')
    const place = { dataDir, env: { PUFFERBLOW_DATABASE_URL: `sqlite:${file}` }, [Symbol.asyncDispose]: keep }
    return { open: () => SqliteEngine.open({ file, cacheMb: 1 }, () => {}), place }
  }
  const name = `empty_${crypto.randomUUID().replaceAll('-', '')}`
  await administer(`create database ${name}`)
  onTestFinished(() => administer(`drop database ${name} with (force)`))
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${name}`
  const options = { url: url.href, poolSize: 2, statementTimeoutMs: 10_000, onError: () => {} }
  const place = { dataDir, env: { PUFFERBLOW_DATABASE_URL: url.href }, [Symbol.asyncDispose]: keep }
  return { open: () => PostgresEngine.open(options), place }
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') })
  await client.connect()
  await client.query(statement)
  await client.end()
}

/** Everything that the tables consist of, in a form that can be compared. */
async function schemaOf(engine: Engine): Promise<unknown[]> {
  const queries =
    engine.dialect === 'sqlite'
      ? [
          // SQLite makes sqlite_sequence by itself, for the first counter, and never removes it.
          sql`select type, name, sql from sqlite_schema
              where tbl_name not like 'kysely%' and tbl_name != 'sqlite_sequence' order by name`,
        ]
      : [
          sql`select table_name, column_name, data_type, is_nullable, column_default
              from information_schema.columns
              where table_schema = 'public' and table_name not like 'kysely%' order by 1, 2`,
          sql`select indexdef from pg_indexes
              where schemaname = 'public' and tablename not like 'kysely%' order by 1`,
          sql`select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint
              where connamespace = 'public'::regnamespace and conrelid::regclass::text not like 'kysely%'
              order by 1, 2`,
        ]
  const parts: unknown[] = []
  for (const query of queries) parts.push(...(await query.execute(engine.schema)).rows)
  return parts
}

test('migrations go up, with data down to nothing, and up again to the same tables', async () => {
  const { open, place } = await emptyDatabase()
  {
    await using server = await startServer({ place })
    const [owner, ann] = await server.people('owner', 'ann')
    const channel = await owner!.createChannel('secret', { private: true, members: [ann!] })
    const message = await ann!.send(channel, 'hello')
    await owner!.send(channel, 'hi')
    await owner!.put(`/api/v1/channels/${channel}/mark_message_as_read`, { query: { message_id: message } })
    await ann!.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: message } })
  }
  await using engine = await open()
  const before = await schemaOf(engine)
  const undone: string[] = []
  for (
    let names = await migrateDown(engine.schema);
    names.length > 0;
    names = await migrateDown(engine.schema)
  ) {
    undone.push(...names)
  }
  expect(undone).toEqual(knownMigrations.toReversed())
  expect(await schemaOf(engine)).toEqual([])
  expect((await migrationStatus(engine.schema)).map(({ appliedAt }) => appliedAt)).toEqual(
    knownMigrations.map(() => undefined),
  )
  expect(await migrate(engine.schema)).toEqual(knownMigrations)
  expect(await schemaOf(engine)).toEqual(before)
  expect(await migrate(engine.schema)).toEqual([])
})

test('every migration can be undone and applied on its own', async () => {
  const { open } = await emptyDatabase()
  await using engine = await open()
  const schemas: unknown[] = [await schemaOf(engine)]
  for (const name of knownMigrations) {
    expect(await migrate(engine.schema, name)).toEqual([name])
    schemas.push(await schemaOf(engine))
  }
  for (const [index, name] of [...knownMigrations.entries()].toReversed()) {
    expect(await migrateDown(engine.schema)).toEqual([name])
    expect(await schemaOf(engine)).toEqual(schemas[index])
  }
})

test('several processes that migrate at once apply each migration once', async () => {
  const { open } = await emptyDatabase()
  const engines = await Promise.all([open(), open(), open(), open()])
  try {
    const applied = await Promise.all(engines.map((engine) => migrate(engine.schema)))
    expect(applied.flat()).toEqual(knownMigrations)
  } finally {
    for (const engine of engines) await engine[Symbol.asyncDispose]()
  }
})

test('a database of a newer version is left alone', async () => {
  const { open, place } = await emptyDatabase()
  {
    await using engine = await open()
    await migrate(engine.schema)
    await sql`insert into kysely_migration (name, timestamp) values ('9999-future', '2030-01-01T00:00:00.000Z')`.execute(
      engine.schema,
    )
    await expect(migrate(engine.schema)).rejects.toBeInstanceOf(NewerDatabaseError)
  }
  await expect(startServer({ place })).rejects.toBeInstanceOf(NewerDatabaseError)
})
