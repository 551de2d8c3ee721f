import { createHash } from 'node:crypto'
import type { Tx } from '#db/database.ts'

/**
 * Notes that an activity takes effect in this transaction.
 *
 * @returns false if it has done so before: of any number that come at once, one does
 */
export async function markSeen(tx: Tx, actorId: string, activityId: string, now: number): Promise<boolean> {
  const hash = createHash('sha256').update(`${actorId}\n${activityId}`).digest()
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('federation_seen')
    .values({ hash, at: now })
    .onConflict((conflict) => conflict.column('hash').doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
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
