import { sql, type Kysely } from 'kysely'
import type { Maintenance } from '../database.ts'
import type { Tables } from '../tables.ts'

/**
 * Has PostgreSQL look at the tables of this server (`analyze`), so that it plans well after many changes. To free space
 * is the business of its own autovacuum.
 */
export async function maintainPostgres(
  db: Kysely<Tables>,
  { signal, progress }: Maintenance,
): Promise<Record<string, number>> {
  const tables = await db.introspection.getTables()
  for (const [index, { schema, name }] of tables.entries()) {
    signal.throwIfAborted()
    await sql`analyze ${sql.id(...(schema === undefined ? [] : [schema]), name)}`.execute(db)
    progress(index + 1, tables.length)
  }
  return { analyzed_tables: tables.length }
}
