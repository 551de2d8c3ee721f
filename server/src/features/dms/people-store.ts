import type { Db, Tx } from '#db/database.ts'
import type { ConversationRequestTable } from '#db/tables.ts'
import type { AcceptFrom } from './policy.ts'

/** @returns false if it was blocked already */
export async function insertBlock(
  tx: Tx,
  blockerId: string,
  blockedId: string,
  now: number,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('person_block')
    .values({ blocker_id: blockerId, blocked_id: blockedId, created_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** @returns false if there was none */
export async function deleteBlock(tx: Tx, blockerId: string, blockedId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('person_block')
    .where('blocker_id', '=', blockerId)
    .where('blocked_id', '=', blockedId)
    .executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

/** Whom a person has blocked, the last first. */
export async function listBlocks(
  db: Db,
  blockerId: string,
): Promise<{ blocked_id: string; username: string; created_at: number }[]> {
  return db
    .selectFrom('person_block')
    .innerJoin('user', 'user.id', 'person_block.blocked_id')
    .select(['blocked_id', 'user.username', 'person_block.created_at'])
    .where('blocker_id', '=', blockerId)
    .orderBy('person_block.created_at', 'desc')
    .orderBy('blocked_id')
    .execute()
}

/** Whether one of two people has blocked the other. */
export async function isBlocked(db: Db, a: string, b: string): Promise<boolean> {
  const row = await db
    .selectFrom('person_block')
    .select('blocker_id')
    .where((where) =>
      where.or([
        where.and([where('blocker_id', '=', a), where('blocked_id', '=', b)]),
        where.and([where('blocker_id', '=', b), where('blocked_id', '=', a)]),
      ]),
    )
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export async function readAcceptFrom(db: Db, userId: string): Promise<AcceptFrom> {
  const row = await db
    .selectFrom('dm_preference')
    .select('accept_from')
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return (row?.accept_from ?? 'everybody') as AcceptFrom
}

/** Whether others see what a person has read of what they wrote. */
export async function showsWhatIsRead(db: Db, userId: string): Promise<boolean> {
  const row = await db
    .selectFrom('dm_preference')
    .select('read_receipts')
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row?.read_receipts !== 0
}

/** @param choice what is left out stays as it is */
export async function writePreferences(
  tx: Tx,
  userId: string,
  choice: { acceptFrom?: AcceptFrom | undefined; readReceipts?: boolean | undefined },
  now: number,
): Promise<void> {
  const { acceptFrom, readReceipts } = choice
  const change = {
    ...(acceptFrom !== undefined && { accept_from: acceptFrom }),
    ...(readReceipts !== undefined && { read_receipts: readReceipts ? (1 as const) : (0 as const) }),
    updated_at: now,
  }
  await tx
    .insertInto('dm_preference')
    .values({ user_id: userId, accept_from: 'everybody', read_receipts: 1, ...change })
    .onConflict((conflict) => conflict.column('user_id').doUpdateSet(change))
    .execute()
}

export async function insertRequest(tx: Tx, row: ConversationRequestTable): Promise<void> {
  await tx
    .insertInto('conversation_request')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export function findRequest(
  db: Db,
  channelId: string,
  userId: string,
): Promise<ConversationRequestTable | undefined> {
  return db
    .selectFrom('conversation_request')
    .selectAll()
    .where('channel_id', '=', channelId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
}

/** Requests that a person has not answered, the newest first. */
export function listPending(db: Db, userId: string, limit: number): Promise<ConversationRequestTable[]> {
  return db
    .selectFrom('conversation_request')
    .selectAll()
    .where('user_id', '=', userId)
    .where('state', '=', 'pending')
    .orderBy('created_at', 'desc')
    .orderBy('channel_id')
    .limit(limit)
    .execute()
}

/** Ids of those who were asked into a conversation and have not answered. */
export async function pendingOf(db: Db, channelId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('conversation_request')
    .select('user_id')
    .where('channel_id', '=', channelId)
    .where('state', '=', 'pending')
    .execute()
  return rows.map(({ user_id }) => user_id)
}

/** @returns false if there was none */
export async function deleteRequest(tx: Tx, channelId: string, userId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('conversation_request')
    .where('channel_id', '=', channelId)
    .where('user_id', '=', userId)
    .executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

/** @returns false if there was none to decline */
export async function declineRequest(tx: Tx, channelId: string, userId: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('conversation_request')
    .set({ state: 'declined' })
    .where('channel_id', '=', channelId)
    .where('user_id', '=', userId)
    .where('state', '=', 'pending')
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Declines all that one person was asked by another. */
export async function declineRequestsFrom(tx: Tx, userId: string, fromId: string): Promise<void> {
  await tx
    .updateTable('conversation_request')
    .set({ state: 'declined' })
    .where('user_id', '=', userId)
    .where('from_id', '=', fromId)
    .execute()
}
