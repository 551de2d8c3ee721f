import type { Db, Tx } from '#db/database.ts'
import type { RefreshTokenTable, SessionTable } from '#db/tables.ts'

export async function insertSession(tx: Tx, row: SessionTable): Promise<void> {
  await tx.insertInto('session').values(row).execute()
}

export async function insertRefreshToken(tx: Tx, row: RefreshTokenTable): Promise<void> {
  await tx.insertInto('refresh_token').values(row).execute()
}

export interface RefreshTokenWithSession extends RefreshTokenTable {
  user_id: string
  ended_at: number | null
}

export function findRefreshToken(db: Db, hash: string): Promise<RefreshTokenWithSession | undefined> {
  return db
    .selectFrom('refresh_token')
    .innerJoin('session', 'session.id', 'refresh_token.session_id')
    .selectAll('refresh_token')
    .select(['session.user_id', 'session.ended_at'])
    .where('hash', '=', hash)
    .executeTakeFirst()
}

/** Spends a token. @returns false if somebody else has spent it */
export async function spendRefreshToken(tx: Tx, hash: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('refresh_token')
    .set({ spent_at: now })
    .where('hash', '=', hash)
    .where('spent_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Notes that the successor was given a second time. @returns false if it was already */
export async function markReissued(tx: Tx, hash: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('refresh_token')
    .set({ reissued: 1 })
    .where('hash', '=', hash)
    .where('reissued', '=', 0)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

export async function touchSession(tx: Tx, id: string, now: number, expiresAt: number): Promise<void> {
  await tx
    .updateTable('session')
    .set({ last_used_at: now, expires_at: expiresAt })
    .where('id', '=', id)
    .execute()
}

/** Ends the living sessions of a user, or those of them that are named. @returns the ids of those that ended */
export async function endSessionRows(
  tx: Tx,
  userId: string,
  which: { only?: readonly string[]; except?: string },
  end: { at: number; reason: string },
): Promise<string[]> {
  let update = tx
    .updateTable('session')
    .set({ ended_at: end.at, end_reason: end.reason })
    .where('user_id', '=', userId)
    .where('ended_at', 'is', null)
  if (which.only) update = update.where('id', 'in', which.only)
  if (which.except !== undefined) update = update.where('id', '!=', which.except)
  const rows = await update.returning('id').execute()
  return rows.map(({ id }) => id)
}

export interface LivingSession {
  session_id: string
  user_id: string
  username: string
  expires_at: number
  role_id: string | null
}

/** A session that has not ended, with its user: one row for each role. */
export function findLivingSession(db: Db, sessionId: string): Promise<LivingSession[]> {
  return db
    .selectFrom('session')
    .innerJoin('user', 'user.id', 'session.user_id')
    .leftJoin('user_role', 'user_role.user_id', 'user.id')
    .select([
      'session.id as session_id',
      'session.user_id',
      'user.username',
      'session.expires_at',
      'user_role.role_id',
    ])
    .where('session.id', '=', sessionId)
    .where('session.ended_at', 'is', null)
    .execute()
}

/** Whose session this is or was. */
export async function findSessionUser(db: Db, sessionId: string): Promise<string | undefined> {
  const row = await db.selectFrom('session').select('user_id').where('id', '=', sessionId).executeTakeFirst()
  return row?.user_id
}

/** Living sessions of a user, the one used last first. */
export function listSessions(db: Db, userId: string, now: number): Promise<SessionTable[]> {
  return db
    .selectFrom('session')
    .selectAll()
    .where('user_id', '=', userId)
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .orderBy('last_used_at', 'desc')
    .orderBy('id')
    .execute()
}

/** Removes sessions that nobody can use any more, with their tokens. */
export async function deleteOldSessions(tx: Tx, before: number, limit: number): Promise<number> {
  const rows = await tx
    .selectFrom('session')
    .select('id')
    .where((where) => where.or([where('expires_at', '<', before), where('ended_at', '<', before)]))
    .limit(limit)
    .execute()
  if (rows.length === 0) return 0
  const ids = rows.map(({ id }) => id)
  await tx.deleteFrom('session').where('id', 'in', ids).execute()
  return ids.length
}
