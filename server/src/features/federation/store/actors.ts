import type { Db, Tx } from '#db/database.ts'
import type { RemoteActorTable } from '#db/tables.ts'

/** An actor as it is written. */
export type NewRemoteActor = Pick<RemoteActorTable, 'id' | 'host' | 'document' | 'fetched_at'>

export function findRemoteActor(db: Db, id: string): Promise<RemoteActorTable | undefined> {
  return db.selectFrom('remote_actor').selectAll().where('id', '=', id).executeTakeFirst()
}

/** The actor that somebody known here by this name stands for. @param nameKey case-folded handle */
export function findActorByHandle(db: Db, nameKey: string): Promise<RemoteActorTable | undefined> {
  return db
    .selectFrom('remote_actor')
    .innerJoin('user', 'user.id', 'remote_actor.user_id')
    .selectAll('remote_actor')
    .where('user.username_key', '=', nameKey)
    .where('user.origin_server', 'is not', null)
    .where('remote_actor.gone_at', 'is', null)
    .executeTakeFirst()
}

/** Notes that an actor does not exist any more. */
export async function markActorGone(tx: Tx, id: string, now: number): Promise<void> {
  await tx.updateTable('remote_actor').set({ gone_at: now }).where('id', '=', id).execute()
}

/** Sees to it that an actor is there to be referred to. */
export async function ensureRemoteActor(tx: Tx, row: NewRemoteActor): Promise<void> {
  await tx
    .insertInto('remote_actor')
    .values({ ...row, user_id: null, gone_at: null })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute()
}

/** Keeps what an actor said about itself last. Who stands for it here stays. */
export async function putRemoteActor(tx: Tx, row: NewRemoteActor): Promise<void> {
  const { document, fetched_at } = row
  await tx
    .insertInto('remote_actor')
    .values({ ...row, user_id: null, gone_at: null })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ document, fetched_at, gone_at: null }))
    .execute()
}

/** Actors that nothing here has to do with. */
function unused(db: Db) {
  return db
    .selectFrom('remote_actor')
    .where('user_id', 'is', null)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('federation_follow')
            .select('actor_id')
            .whereRef('federation_follow.actor_id', '=', 'remote_actor.id'),
        ),
      ),
    )
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('federation_block')
            .select('actor_id')
            .whereRef('federation_block.actor_id', '=', 'remote_actor.id'),
        ),
      ),
    )
}

/** How many actors are remembered that nothing here has to do with. */
export async function prunableActors(db: Db): Promise<number> {
  const { count } = await unused(db)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

/** Forgets those of them that were asked for longest ago. @returns how many */
export async function pruneActors(tx: Tx, limit: number): Promise<number> {
  const rows = await unused(tx).select('id').orderBy('fetched_at').limit(limit).execute()
  if (rows.length === 0) return 0
  await tx
    .deleteFrom('remote_actor')
    .where(
      'id',
      'in',
      rows.map(({ id }) => id),
    )
    .execute()
  return rows.length
}

/** Who stands for an actor. Nobody else changes that until this transaction is over. */
export async function lockRemoteActor(tx: Tx, id: string): Promise<string | null> {
  // Changes nothing, but locks the row on both databases: SQLite knows no `for update`.
  const row = await tx
    .updateTable('remote_actor')
    .set(({ ref }) => ({ user_id: ref('user_id') }))
    .where('id', '=', id)
    .returning('user_id')
    .executeTakeFirstOrThrow()
  return row.user_id
}

export async function setShadow(tx: Tx, id: string, userId: string): Promise<void> {
  await tx.updateTable('remote_actor').set({ user_id: userId }).where('id', '=', id).execute()
}

/** Actors that the given users stand for. */
export async function actorsOfUsers(db: Db, userIds: readonly string[]): Promise<RemoteActorTable[]> {
  if (userIds.length === 0) return []
  return db.selectFrom('remote_actor').selectAll().where('user_id', 'in', userIds).execute()
}
