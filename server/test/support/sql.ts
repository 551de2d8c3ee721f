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
    const statement = database.prepare(sql)
    // The index of searches has numbers of 64 bits.
    statement.setReadBigInts(true)
    return statement
      .all()
      .map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, plain(v)])))
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

/** A number where it is exact as one. */
function plain(value: unknown): unknown {
  if (typeof value !== 'bigint') return value
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function asText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
