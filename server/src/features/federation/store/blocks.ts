import type { Db, Tx } from '#db/database.ts'

/** Notes that an actor elsewhere wants nothing to do with somebody here. @returns false if it was noted before */
export async function blockPerson(
  tx: Tx,
  { userId, actorId, now }: { userId: string; actorId: string; now: number },
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('federation_block')
    .values({ user_id: userId, actor_id: actorId, created_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** @returns false if there was no such block */
export async function unblockPerson(tx: Tx, userId: string, actorId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('federation_block')
    .where('user_id', '=', userId)
    .where('actor_id', '=', actorId)
    .executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

/** Whether an actor elsewhere wants nothing to do with somebody here. */
export async function isBlockedBy(db: Db, userId: string, actorId: string): Promise<boolean> {
  const row = await db
    .selectFrom('federation_block')
    .select('user_id')
    .where('user_id', '=', userId)
    .where('actor_id', '=', actorId)
    .executeTakeFirst()
  return row !== undefined
}
