import type { Db, Tx } from '#db/database.ts'
import type { EventTable } from '#db/tables.ts'

/** How far each process said that it has published its stream. */
export async function readHeads(db: Db): Promise<{ stream: number; head: number }[]> {
  return db.selectFrom('event_stream').select(['stream', 'head_pos as head']).execute()
}

export async function writeHead(tx: Tx, stream: number, head: number): Promise<void> {
  await tx.updateTable('event_stream').set({ head_pos: head }).where('stream', '=', stream).execute()
}

/** Position of the last event in the log of a stream; 0 if there is none. */
export async function lastPosition(db: Db, stream: number): Promise<number> {
  const row = await db
    .selectFrom('event')
    .select('pos')
    .where('stream', '=', stream)
    .orderBy('pos', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.pos ?? 0
}

/** Events of a stream after one position and up to another, in order. */
export function loggedAfter(
  db: Db,
  stream: number,
  after: number,
  upTo: number,
  limit: number,
): Promise<EventTable[]> {
  return db
    .selectFrom('event')
    .selectAll()
    .where('stream', '=', stream)
    .where('pos', '>', after)
    .where('pos', '<=', upTo)
    .orderBy('pos')
    .limit(limit)
    .execute()
}
