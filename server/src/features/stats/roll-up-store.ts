import type { Db, Tx } from '#db/database.ts'

const FIVE_MINUTES = 5 * 60 * 1000

export interface RollUpPlace {
  /** Messages up to this number are counted. */
  readonly seq: number
  readonly last_seq: number
}

/** Channels of which messages are not counted yet, deleted ones too. */
export async function channelsBehind(db: Db): Promise<(RollUpPlace & { id: string })[]> {
  const rows = await places(db)
    .select('channel.id')
    .where((eb) => eb('channel.last_seq', '>', eb.fn.coalesce('message_roll_up.seq', eb.lit(0))))
    .execute()
  return rows.map((row) => ({ ...row, seq: row.seq ?? 0 }))
}

/** How far the messages of a channel are counted. */
export async function rollUpPlace(db: Db, channelId: string): Promise<RollUpPlace | undefined> {
  const row = await places(db).where('channel.id', '=', channelId).executeTakeFirst()
  return row && { ...row, seq: row.seq ?? 0 }
}

function places(db: Db) {
  return db
    .selectFrom('channel')
    .leftJoin('message_roll_up', 'message_roll_up.channel_id', 'channel.id')
    .select(['channel.last_seq', 'message_roll_up.seq'])
}

/** Messages of a channel after one number and up to another, by the five minutes in which they were sent. */
export async function countNewMessages(
  db: Db,
  channelId: string,
  from: number,
  to: number,
): Promise<{ start: number; count: number }[]> {
  const rows = await db
    .selectFrom('message')
    // Written out, not bound: a bound number has a fraction on SQLite, and so would the quotient.
    .select((eb) => [
      eb('sent_at', '/', eb.lit(FIVE_MINUTES)).as('slot'),
      eb.fn.countAll<number>().as('count'),
    ])
    .where('channel_id', '=', channelId)
    .where('seq', '>', from)
    .where('seq', '<=', to)
    .groupBy('slot')
    .execute()
  return rows.map(({ slot, count }) => ({ start: slot * FIVE_MINUTES, count }))
}

/** Notes that messages up to `to` are counted. @returns false if they were not counted just up to `from` */
export async function advanceRollUp(tx: Tx, channelId: string, from: number, to: number): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('message_roll_up')
    .values({ channel_id: channelId, seq: to })
    .onConflict((conflict) =>
      conflict.column('channel_id').doUpdateSet({ seq: to }).where('message_roll_up.seq', '=', from),
    )
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}
