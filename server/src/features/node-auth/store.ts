import type { Db, Tx } from '#db/database.ts'
import type { NodeChallengeTable, NodeSessionTable } from '#db/tables.ts'

export async function insertChallenge(tx: Tx, row: NodeChallengeTable): Promise<void> {
  await tx.insertInto('node_challenge').values(row).execute()
}

/** Removes the challenges of an account session that are not among its `keep` newest. */
export async function deleteOldChallenges(tx: Tx, sessionId: string, keep: number): Promise<void> {
  const kept = await tx
    .selectFrom('node_challenge')
    .select('id')
    .where('session_id', '=', sessionId)
    .orderBy('id', 'desc')
    .limit(keep)
    .execute()
  await tx
    .deleteFrom('node_challenge')
    .where('session_id', '=', sessionId)
    .where(
      'id',
      'not in',
      kept.map(({ id }) => id),
    )
    .execute()
}

export interface ChallengeWithUser extends NodeChallengeTable {
  user_id: string
  /** When the account session that asked for it ended. */
  session_ended_at: number | null
}

export function findChallenge(db: Db, id: string): Promise<ChallengeWithUser | undefined> {
  return db
    .selectFrom('node_challenge')
    .innerJoin('session', 'session.id', 'node_challenge.session_id')
    .selectAll('node_challenge')
    .select(['session.user_id', 'session.ended_at as session_ended_at'])
    .where('node_challenge.id', '=', id)
    .executeTakeFirst()
}

/** Consumes a challenge. @returns false if it was consumed or has expired by now */
export async function consumeChallenge(tx: Tx, id: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('node_challenge')
    .set({ consumed_at: now })
    .where('id', '=', id)
    .where('consumed_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Locks an account session that stands, so that it cannot end before this transaction is over. */
export async function holdSession(tx: Tx, id: string): Promise<boolean> {
  // Changes nothing, but locks the row on both databases: SQLite knows no `for update`.
  const row = await tx
    .updateTable('session')
    .set(({ ref }) => ({ last_used_at: ref('last_used_at') }))
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

export async function insertNodeSession(tx: Tx, row: NodeSessionTable): Promise<void> {
  await tx.insertInto('node_session').values(row).execute()
}

export interface ActiveNodeSession extends NodeSessionTable {
  user_id: string
}

function activeSessions(db: Db, now: number) {
  return db
    .selectFrom('node_session')
    .innerJoin('session', 'session.id', 'node_session.session_id')
    .selectAll('node_session')
    .select('session.user_id')
    .where('node_session.ended_at', 'is', null)
    .where('node_session.expires_at', '>', now)
    .where('session.ended_at', 'is', null)
}

export function findActiveByToken(db: Db, hash: string, now: number): Promise<ActiveNodeSession | undefined> {
  return activeSessions(db, now).where('token_hash', '=', hash).executeTakeFirst()
}

/** Active node sessions of a person, the newest first. */
export function listActive(db: Db, userId: string, now: number): Promise<ActiveNodeSession[]> {
  return activeSessions(db, now)
    .where('session.user_id', '=', userId)
    .orderBy('node_session.created_at', 'desc')
    .orderBy('node_session.id')
    .execute()
}

/** Ends active node sessions of a person, or the one named. @returns how many ended */
export async function endActive(
  tx: Tx,
  userId: string,
  which: { only?: string },
  now: number,
): Promise<number> {
  let update = tx
    .updateTable('node_session')
    .set({ ended_at: now })
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .where('session_id', 'in', ({ selectFrom }) =>
      selectFrom('session').select('id').where('user_id', '=', userId).where('ended_at', 'is', null),
    )
  if (which.only !== undefined) update = update.where('id', '=', which.only)
  const { numUpdatedRows } = await update.executeTakeFirstOrThrow()
  return Number(numUpdatedRows)
}

/** Removes challenges and node sessions that were over before `before`. @returns how many */
export async function deleteOver(tx: Tx, before: number, limit: number): Promise<number> {
  let removed = 0
  for (const table of ['node_challenge', 'node_session'] as const) {
    const { numDeletedRows } = await tx
      .deleteFrom(table)
      .where('id', 'in', ({ selectFrom }) =>
        selectFrom(table).select('id').where('expires_at', '<', before).limit(limit),
      )
      .executeTakeFirstOrThrow()
    removed += Number(numDeletedRows)
  }
  return removed
}
