import { createHash } from 'node:crypto'
import type { Db, Tx } from '#db/database.ts'

/**
 * Notes that an activity takes effect in this transaction.
 *
 * @returns false if it has done so before: of any number that come at once, one does
 */
export async function markSeen(tx: Tx, actorId: string, activityId: string, now: number): Promise<boolean> {
  const hash = hashOf(actorId, activityId)
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('federation_seen')
    .values({ hash, at: now })
    .onConflict((conflict) => conflict.column('hash').doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** Whether an activity has taken effect. */
export async function hasSeen(db: Db, actorId: string, activityId: string): Promise<boolean> {
  const row = await db
    .selectFrom('federation_seen')
    .select('at')
    .where('hash', '=', hashOf(actorId, activityId))
    .executeTakeFirst()
  return row !== undefined
}

/** Forgets activities that nobody sends any more. @returns how many */
export async function forgetSeen(tx: Tx, before: number, limit: number): Promise<number> {
  const rows = await tx
    .selectFrom('federation_seen')
    .select('hash')
    .where('at', '<', before)
    .limit(limit)
    .execute()
  if (rows.length === 0) return 0
  await tx
    .deleteFrom('federation_seen')
    .where(
      'hash',
      'in',
      rows.map(({ hash }) => hash),
    )
    .execute()
  return rows.length
}

function hashOf(actorId: string, activityId: string): Buffer {
  return createHash('sha256').update(`${actorId}\n${activityId}`).digest()
}
