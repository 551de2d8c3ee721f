import type { Db, Tx } from '#db/database.ts'

const DAY = 24 * 3600 * 1000

/** People of other servers have no account here. */
export async function countUsers(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('user')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('origin_server', 'is', null)
    .executeTakeFirstOrThrow()
  return count
}

/** How many people show each status other than `offline`. */
export async function countStatuses(db: Db): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('user')
    .select(({ fn }) => ['status', fn.countAll<number>().as('count')])
    .where('status', 'in', ['online', 'idle', 'afk', 'dnd'])
    .groupBy('status')
    .execute()
  return new Map(rows.map(({ status, count }) => [status, count]))
}

/**
 * How many people were there since a time: a client that is used renews its session every few minutes, and who has a
 * socket open is not `offline`.
 */
export async function countActiveSince(db: Db, since: number): Promise<number> {
  const present = db
    .selectFrom('session')
    .select('user_id')
    .where('last_used_at', '>=', since)
    .union(
      db.selectFrom('user').select('id as user_id').where('status', 'in', ['online', 'idle', 'afk', 'dnd']),
    )
  const { count } = await db
    .selectFrom(present.as('present'))
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

export interface ChannelCounts {
  readonly total: number
  readonly public: number
  readonly private: number
}

/** Direct conversations are no channels to anybody but those who are in them. */
export async function countChannels(db: Db): Promise<ChannelCounts> {
  const rows = await db
    .selectFrom('channel')
    .select(({ fn }) => ['is_private', fn.countAll<number>().as('count')])
    .where('deleted_at', 'is', null)
    .where('type', '!=', 'dm')
    .groupBy('is_private')
    .execute()
  const of = (flag: 0 | 1): number => rows.find(({ is_private }) => is_private === flag)?.count ?? 0
  return { total: of(0) + of(1), public: of(0), private: of(1) }
}

/** Channels in which something was said since a time. */
export async function countBusyChannels(db: Db, since: number): Promise<number> {
  const { count } = await db
    .selectFrom('channel')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('deleted_at', 'is', null)
    .where('type', '!=', 'dm')
    .where(({ exists, selectFrom, lit }) =>
      exists(
        selectFrom('message')
          .select(lit(1).as('one'))
          .whereRef('message.channel_id', '=', 'channel.id')
          .where('message.sent_at', '>=', since),
      ),
    )
    .executeTakeFirstOrThrow()
  return count
}

/**
 * How many messages there are, worked out from the numbers of channels, which have no gaps. Only tombstones are counted,
 * and they have an index of their own.
 */
export async function countMessages(db: Db): Promise<number> {
  const { sent } = await db
    .selectFrom('channel')
    .leftJoin('channel_retention', 'channel_retention.channel_id', 'channel.id')
    .select((eb) =>
      eb.fn
        .sum(eb('channel.last_seq', '-', eb.fn.coalesce('channel_retention.pruned_seq', eb.lit(0))))
        .as('sent'),
    )
    .where('channel.deleted_at', 'is', null)
    .executeTakeFirstOrThrow()
  const { tombstones } = await db
    .selectFrom('message')
    .innerJoin('channel', 'channel.id', 'message.channel_id')
    .select(({ fn }) => fn.countAll<number>().as('tombstones'))
    .where('message.deleted_at', 'is not', null)
    .where('channel.deleted_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(sent) - tombstones
}

/** When somebody looked last how many are online: the beginning of those five minutes. */
export async function lastSampleAt(db: Db): Promise<number | undefined> {
  const row = await db
    .selectFrom('stat_level')
    .select('start')
    .where('metric', '=', 'online')
    .where('minutes', '=', 5)
    .orderBy('start', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.start
}

/** Notes who was there, by the day, UTC. Doing it twice changes nothing. */
export async function noteActiveDays(tx: Tx, since: number, now: number): Promise<void> {
  await tx
    .insertInto('active_day')
    .columns(['day', 'user_id'])
    .expression((eb) =>
      eb
        .selectFrom('session')
        // Written out, not bound: a bound number has a fraction on SQLite, and so would the quotient.
        .select((of) => [of(of('last_used_at', '/', of.lit(DAY)), '*', of.lit(DAY)).as('day'), 'user_id'])
        .distinct()
        .where('last_used_at', '>=', since),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const today = Math.floor(now / DAY) * DAY
  await tx
    .insertInto('active_day')
    .columns(['day', 'user_id'])
    .expression((eb) =>
      eb
        .selectFrom('user')
        .select((of) => [of.lit(today).as('day'), 'id as user_id'])
        .where('status', 'in', ['online', 'idle', 'afk', 'dnd']),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** How many people were there on one of the last `days` days, UTC, today included. */
export async function countActiveDays(db: Db, days: number, now: number): Promise<number> {
  const { count } = await db
    .selectFrom('active_day')
    .select(({ fn }) => fn.count<number>('user_id').distinct().as('count'))
    .where('day', '>', Math.floor(now / DAY) * DAY - days * DAY)
    .executeTakeFirstOrThrow()
  return count
}

export async function deleteActiveDays(tx: Tx, before: number): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('active_day')
    .where('day', '<', before)
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}
