import type { Db, Tx } from '#db/database.ts'
import type { FederationFollowTable, RemoteActorTable } from '#db/tables.ts'

export type FollowRow = FederationFollowTable

/** Begins, or begins again, a follow. */
export async function putFollow(tx: Tx, row: FollowRow): Promise<void> {
  const { activity_id, state, updated_at } = row
  await tx
    .insertInto('federation_follow')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['user_id', 'actor_id', 'direction']).doUpdateSet({ activity_id, state, updated_at }),
    )
    .execute()
}

export function findFollow(
  db: Db,
  key: Pick<FollowRow, 'user_id' | 'actor_id' | 'direction'>,
): Promise<FollowRow | undefined> {
  return db
    .selectFrom('federation_follow')
    .selectAll()
    .where('user_id', '=', key.user_id)
    .where('actor_id', '=', key.actor_id)
    .where('direction', '=', key.direction)
    .executeTakeFirst()
}

/** Notes the answer to a Follow of ours. @returns false if there is no such Follow */
export async function answerFollow(
  tx: Tx,
  { actorId, activityId }: { actorId: string; activityId: string },
  state: 'accepted' | 'rejected',
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('federation_follow')
    .set({ state, updated_at: now })
    .where('actor_id', '=', actorId)
    .where('direction', '=', 'out')
    .where('activity_id', '=', activityId)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/** @returns what was removed */
export async function removeFollows(
  tx: Tx,
  where: Pick<FollowRow, 'actor_id'> & Partial<Pick<FollowRow, 'user_id' | 'direction' | 'activity_id'>>,
): Promise<FollowRow[]> {
  let query = tx.deleteFrom('federation_follow').where('actor_id', '=', where.actor_id)
  if (where.user_id !== undefined) query = query.where('user_id', '=', where.user_id)
  if (where.direction !== undefined) query = query.where('direction', '=', where.direction)
  if (where.activity_id !== undefined) query = query.where('activity_id', '=', where.activity_id)
  return query.returningAll().execute()
}

/** Whom somebody follows elsewhere, or who follows them, with what is known of these actors. */
export function listFollows(
  db: Db,
  userId: string,
  direction: FollowRow['direction'],
): Promise<(FollowRow & Pick<RemoteActorTable, 'document'>)[]> {
  return db
    .selectFrom('federation_follow')
    .innerJoin('remote_actor', 'remote_actor.id', 'federation_follow.actor_id')
    .selectAll('federation_follow')
    .select('remote_actor.document')
    .where('federation_follow.user_id', '=', userId)
    .where('federation_follow.direction', '=', direction)
    .orderBy('federation_follow.created_at', 'desc')
    .orderBy('federation_follow.actor_id')
    .limit(1000)
    .execute()
}

export async function countFollows(
  db: Db,
  userId: string,
  direction: FollowRow['direction'],
): Promise<number> {
  const { count } = await db
    .selectFrom('federation_follow')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('user_id', '=', userId)
    .where('direction', '=', direction)
    .where('state', '=', 'accepted')
    .executeTakeFirstOrThrow()
  return count
}

/** People here who follow an actor elsewhere. */
export async function followersHere(db: Db, actorId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('federation_follow')
    .select('user_id')
    .where('actor_id', '=', actorId)
    .where('direction', '=', 'out')
    .where('state', '!=', 'rejected')
    .execute()
  return rows.map(({ user_id }) => user_id)
}

/** Ends all follows to and from a host. @returns how many */
export async function removeFollowsOfHost(tx: Tx, host: string): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('federation_follow')
    .where('actor_id', 'in', tx.selectFrom('remote_actor').select('id').where('host', '=', host))
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

/** How many follows there are to and from a host. */
export async function countFollowsOfHost(db: Db, host: string): Promise<number> {
  const { count } = await db
    .selectFrom('federation_follow')
    .innerJoin('remote_actor', 'remote_actor.id', 'federation_follow.actor_id')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('remote_actor.host', '=', host)
    .executeTakeFirstOrThrow()
  return count
}
