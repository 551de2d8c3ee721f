import type { Db, Tx } from '#db/database.ts'

/** A channel and what it says about its messages. */
export interface ChannelRetention {
  readonly id: string
  readonly last_seq: number
  /** Null: as the server says. 0: for ever. */
  readonly days: number | null
}

/** Every channel that was not deleted. */
export function listRetention(db: Db): Promise<ChannelRetention[]> {
  return db
    .selectFrom('channel')
    .leftJoin('channel_retention', 'channel_retention.channel_id', 'channel.id')
    .select(['channel.id', 'channel.last_seq', 'channel_retention.days'])
    .where('channel.deleted_at', 'is', null)
    .orderBy('channel.id')
    .execute()
}

export async function findDays(db: Db, channelId: string): Promise<number | null> {
  const row = await db
    .selectFrom('channel_retention')
    .select('days')
    .where('channel_id', '=', channelId)
    .executeTakeFirst()
  return row?.days ?? null
}

export async function setDays(tx: Tx, channelId: string, days: number | null): Promise<void> {
  await tx
    .insertInto('channel_retention')
    .values({ channel_id: channelId, days, pruned_seq: 0 })
    .onConflict((conflict) => conflict.column('channel_id').doUpdateSet({ days }))
    .execute()
}

/** Notes how far the messages of a channel are gone. */
export async function notePruned(tx: Tx, channelId: string, seq: number): Promise<void> {
  await tx
    .insertInto('channel_retention')
    .values({ channel_id: channelId, days: null, pruned_seq: seq })
    .onConflict((conflict) => conflict.column('channel_id').doUpdateSet({ pruned_seq: seq }))
    .execute()
}
