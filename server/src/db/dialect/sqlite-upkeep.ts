import { CompiledQuery } from 'kysely'
import type { Engine, Maintenance } from '../database.ts'
import type { SqliteConnection } from './sqlite-connection.ts'

/** Pages given back in one transaction: 1 MiB, during which everybody who writes waits. */
const PAGES_AT_ONCE = 256
/** Pages that may stay free, for what is written next. */
const PAGES_KEPT = 256

/**
 * Has SQLite renew its statistics where they are stale (`pragma optimize`), and give pages that are free back to the
 * disk.
 */
export async function maintainSqlite(
  engine: Pick<Engine, 'transaction'>,
  reader: SqliteConnection,
  { signal, progress }: Maintenance,
): Promise<Record<string, number>> {
  const write = (statement: string): Promise<unknown> =>
    engine.transaction(
      (connection) => connection.executeQuery(CompiledQuery.raw(statement)),
      () => {},
    )
  const freePages = (): number => Number(reader.run('pragma freelist_count', []).rows[0]!['freelist_count'])

  await write('pragma optimize')
  const found = freePages()
  let left = found
  while (left > PAGES_KEPT) {
    signal.throwIfAborted()
    await write(`pragma incremental_vacuum(${PAGES_AT_ONCE})`)
    const now = freePages()
    // A file that was made without incremental vacuum keeps its free pages for itself.
    if (now >= left) break
    left = now
    progress(found - left, found - PAGES_KEPT)
  }
  return { freed_pages: found - left, free_pages: left }
}
