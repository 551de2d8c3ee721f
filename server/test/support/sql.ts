import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { inject } from 'vitest'
import type { TestServer } from './server.ts'

type Row = Record<string, unknown>

/** Speaks SQL to a server's database beside the server, as an operator could. */
export async function runSql(server: TestServer, sql: string): Promise<Row[]> {
  const { config } = server.ctx
  if (inject('database') === 'sqlite') {
    using database = new DatabaseSync(join(config.data_dir, 'db', 'pufferblow.sqlite'), { timeout: 5_000 })
    return database.prepare(sql).all()
  }
  const client = new pg.Client({ connectionString: config.database.url })
  await client.connect()
  try {
    return (await client.query<Row>(sql)).rows
  } finally {
    await client.end()
  }
}

/** Every row of every table, as one text. */
export async function dumpTables(server: TestServer): Promise<string> {
  const tables = await runSql(
    server,
    inject('database') === 'sqlite'
      ? "select name from sqlite_schema where type = 'table'"
      : "select table_name as name from information_schema.tables where table_schema = 'public'",
  )
  const texts: string[] = []
  for (const { name } of tables) {
    for (const row of await runSql(server, `select * from "${String(name)}"`)) {
      texts.push(Object.values(row).map(asText).join('\t'))
    }
  }
  return texts.join('\n')
}

function asText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
