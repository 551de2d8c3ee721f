import type { Db, Tx } from '#db/database.ts'
import type { RestrictionTable } from '#db/tables.ts'

/** Restrictions that hold at `now`, of the given users or of all. */
export function listRestrictions(
  db: Db,
  now: number,
  userIds?: readonly string[],
): Promise<RestrictionTable[]> {
  let query = db
    .selectFrom('restriction')
    .selectAll()
    .where((where) => where.or([where('until', 'is', null), where('until', '>', now)]))
  if (userIds) query = query.where('user_id', 'in', userIds)
  return query.execute()
}

/** Puts a restriction in the place of one of the same kind. */
export async function putRestriction(tx: Tx, row: RestrictionTable): Promise<void> {
  const { user_id: _user, kind: _kind, ...rest } = row
  await tx
    .insertInto('restriction')
    .values(row)
    .onConflict((conflict) => conflict.columns(['user_id', 'kind']).doUpdateSet(rest))
    .execute()
}

/** @returns the restriction that was lifted, undefined if there was none, be it an expired one */
export function deleteRestriction(
  tx: Tx,
  userId: string,
  kind: RestrictionTable['kind'],
): Promise<RestrictionTable | undefined> {
  return tx
    .deleteFrom('restriction')
    .where('user_id', '=', userId)
    .where('kind', '=', kind)
    .returningAll()
    .executeTakeFirst()
}
