import type { Db, Tx } from '#db/database.ts'
import type { ChannelTable } from '#db/tables.ts'
import { channelTypes } from '#events/events.ts'

export interface ChannelSeen extends ChannelTable {
  /** Whether the person asked about is a member; only private channels have members. */
  is_member: boolean
}

/** What must be known of a channel to tell whether the person may see it. */
export type SeenFields = Pick<ChannelSeen, 'id' | 'type' | 'is_private' | 'access_revision' | 'is_member'>

/** A channel that was not deleted, with whether `userId` is a member. One statement: it runs with every message. */
export async function findChannel(db: Db, id: string, userId: string): Promise<ChannelSeen | undefined> {
  const row = await db
    .selectFrom('channel')
    .leftJoin('channel_member', (join) =>
      join.onRef('channel_member.channel_id', '=', 'channel.id').on('channel_member.user_id', '=', userId),
    )
    .selectAll('channel')
    .select('channel_member.user_id as member_id')
    .where('channel.id', '=', id)
    .where('channel.deleted_at', 'is', null)
    .executeTakeFirst()
  if (!row) return undefined
  const { member_id, ...channel } = row
  return { ...channel, is_member: member_id !== null }
}

/**
 * All channels, oldest first, with whether `userId` is a member of each.
 *
 * @param options.direct also the direct conversations of `userId`
 */
export async function listChannelsSeenBy(
  db: Db,
  userId: string,
  { direct }: { direct: boolean },
): Promise<ChannelSeen[]> {
  const rows = await db
    .selectFrom('channel')
    .leftJoin('channel_member', (join) =>
      join.onRef('channel_member.channel_id', '=', 'channel.id').on('channel_member.user_id', '=', userId),
    )
    .selectAll('channel')
    .select('channel_member.user_id as member_id')
    .where('channel.deleted_at', 'is', null)
    .where((where) =>
      where.or([
        where('channel.type', 'in', channelTypes),
        ...(direct ? [where('channel_member.user_id', 'is not', null)] : []),
      ]),
    )
    .orderBy('channel.created_at')
    .orderBy('channel.id')
    .execute()
  return rows.map(({ member_id, ...channel }) => ({ ...channel, is_member: member_id !== null }))
}

/** Member ids by channel. */
export async function membersByChannel(
  db: Db,
  channelIds: readonly string[],
): Promise<Map<string, string[]>> {
  const members = new Map<string, string[]>(channelIds.map((id) => [id, []]))
  if (channelIds.length === 0) return members
  const rows = await db
    .selectFrom('channel_member')
    .select(['channel_id', 'user_id'])
    .where('channel_id', 'in', channelIds)
    .orderBy('added_at')
    .orderBy('user_id')
    .execute()
  for (const { channel_id, user_id } of rows) members.get(channel_id)!.push(user_id)
  return members
}

/** Those of some people who are members of a channel. */
export async function membersAmong(
  db: Db,
  channelId: string,
  userIds: readonly string[],
): Promise<Set<string>> {
  const rows = await db
    .selectFrom('channel_member')
    .select('user_id')
    .where('channel_id', '=', channelId)
    .where('user_id', 'in', userIds)
    .execute()
  return new Set(rows.map(({ user_id }) => user_id))
}

/** The private channels that a person is a member of, also deleted ones. */
export async function membershipsOf(db: Db, userId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('channel_member')
    .select('channel_id')
    .where('user_id', '=', userId)
    .execute()
  return rows.map(({ channel_id }) => channel_id)
}

/** What the gateway must know of every channel, or of some; also of deleted ones. */
export function listChannelVisibility(
  db: Db,
  ids?: readonly string[],
): Promise<Pick<ChannelTable, 'id' | 'type' | 'is_private' | 'access_revision' | 'deleted_at'>[]> {
  const query = db.selectFrom('channel').select(['id', 'type', 'is_private', 'access_revision', 'deleted_at'])
  return (ids ? query.where('id', 'in', ids) : query).execute()
}

export async function insertChannel(tx: Tx, row: ChannelTable): Promise<void> {
  await tx.insertInto('channel').values(row).execute()
}

/** Hides a channel for good and frees its name. @returns false if somebody else was faster */
export async function markChannelDeleted(tx: Tx, id: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('channel')
    .set({ deleted_at: now, updated_at: now, name_key: null })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/**
 * Changes a channel, and with `access` notes that who may see or use it changed. Whoever does the same waits until
 * this transaction is over.
 *
 * @returns the channel as it is now, undefined if it was deleted
 */
export function updateChannel(
  tx: Tx,
  id: string,
  change: Partial<
    Pick<
      ChannelTable,
      'name' | 'name_key' | 'is_private' | 'slow_mode_seconds' | 'topic' | 'category_id' | 'position'
    >
  >,
  { access, now }: { access: boolean; now: number },
): Promise<ChannelTable | undefined> {
  return tx
    .updateTable('channel')
    .set((eb) => ({
      ...change,
      updated_at: now,
      ...(access && { access_revision: eb('access_revision', '+', 1) }),
    }))
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .returningAll()
    .executeTakeFirst()
}

/** @returns false if the person was a member already */
export async function insertMember(tx: Tx, channelId: string, userId: string, now: number): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('channel_member')
    .values({ channel_id: channelId, user_id: userId, added_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** @returns false if the person was no member */
export async function deleteMember(tx: Tx, channelId: string, userId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('channel_member')
    .where('channel_id', '=', channelId)
    .where('user_id', '=', userId)
    .executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

/**
 * Takes the next message number of a channel. The row stays locked until the transaction ends, so numbers have
 * no gaps and their order is the order of commits. Tells whether `userId` is a member in the same statement: it
 * runs with every message.
 *
 * @returns undefined if there is no such channel
 */
export async function takeSeq(
  tx: Tx,
  id: string,
  userId: string,
): Promise<(SeenFields & Pick<ChannelTable, 'last_seq' | 'slow_mode_seconds'>) | undefined> {
  const row = await tx
    .updateTable('channel')
    .set((eb) => ({ last_seq: eb('last_seq', '+', 1) }))
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .returning((eb) => [
      'type',
      'id',
      'is_private',
      'access_revision',
      'slow_mode_seconds',
      'last_seq',
      eb
        .selectFrom('channel_member')
        .select('channel_member.user_id')
        .whereRef('channel_member.channel_id', '=', 'channel.id')
        .where('channel_member.user_id', '=', userId)
        .as('member_id'),
    ])
    .executeTakeFirst()
  if (!row) return undefined
  const { member_id, ...channel } = row
  return { ...channel, is_member: member_id !== null }
}

/**
 * Makes whoever else writes to a channel wait until this transaction is over. Sending takes the channel first and files
 * after it, so whoever removes files of a channel does the same, or each would wait for the other.
 */
export async function lockChannel(tx: Tx, id: string): Promise<void> {
  // Changes nothing, but locks the row on both databases: SQLite knows no `for update`.
  await tx
    .updateTable('channel')
    .set(({ ref }) => ({ changes: ref('changes') }))
    .where('id', '=', id)
    .execute()
}

/** Notes that a message of a channel is not what it was. */
export function noteChange(tx: Tx, id: string): void {
  tx.later(
    tx
      .updateTable('channel')
      .set((eb) => ({ changes: eb('changes', '+', 1) }))
      .where('id', '=', id),
  )
}

/**
 * Notes that somebody writes now, if they have not since `since`.
 *
 * @returns false when they have
 */
export async function takeTurn(
  tx: Tx,
  channelId: string,
  userId: string,
  { since, now }: { since: number; now: number },
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('slow_mode_turn')
    .values({ channel_id: channelId, user_id: userId, at: now })
    .onConflict((conflict) =>
      conflict
        .columns(['channel_id', 'user_id'])
        .doUpdateSet({ at: now })
        .where('slow_mode_turn.at', '<=', since),
    )
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** When somebody wrote last while a channel was in slow mode. */
export async function lastTurn(db: Db, channelId: string, userId: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('slow_mode_turn')
    .select('at')
    .where('channel_id', '=', channelId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row?.at
}
