import type { Db, Tx } from '#db/database.ts'
import type { EventTable } from '#db/tables.ts'

/** What a process says of its stream. */
export interface Head {
  readonly stream: number
  /** Up to where it was published. */
  readonly head: number
  /** How many events that are not logged could not be told to others. Only that it changes means something. */
  readonly untold: number
}

export async function readHeads(db: Db): Promise<Head[]> {
  return db.selectFrom('event_stream').select(['stream', 'head_pos as head', 'untold']).execute()
}

/** @param more events that could not be told since the last time */
export async function writeHead(tx: Tx, stream: number, head: number, more: number): Promise<void> {
  await tx
    .updateTable('event_stream')
    .set((eb) => ({ head_pos: head, untold: eb('untold', '+', more) }))
    .where('stream', '=', stream)
    .execute()
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
