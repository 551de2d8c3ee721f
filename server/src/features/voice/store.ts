import type { Db, Tx } from '#db/database.ts'
import type { VoiceLimitTable, VoiceParticipantTable, VoiceSessionTable } from '#db/tables.ts'
import type { Restriction } from './policy.ts'

export function findSession(db: Db, id: string): Promise<VoiceSessionTable | undefined> {
  return db.selectFrom('voice_session').selectAll().where('id', '=', id).executeTakeFirst()
}

/** The session that runs in a channel. */
export function findRunningSession(db: Db, channelId: string): Promise<VoiceSessionTable | undefined> {
  return db
    .selectFrom('voice_session')
    .selectAll()
    .where('channel_id', '=', channelId)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
}

/** Starts a session, unless one runs in the channel already. */
export async function insertSession(tx: Tx, row: VoiceSessionTable): Promise<void> {
  await tx
    .insertInto('voice_session')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/**
 * Takes a running session for this transaction alone: whoever joins or leaves does it first, so that nobody counts
 * people while another changes their number.
 */
export function lockRunningSession(
  tx: Tx,
  which: { channelId: string } | { sessionId: string },
): Promise<VoiceSessionTable | undefined> {
  const update = tx
    .updateTable('voice_session')
    .set((eb) => ({ revision: eb('revision', '+', 1) }))
    .where('ended_at', 'is', null)
  return (
    'channelId' in which
      ? update.where('channel_id', '=', which.channelId)
      : update.where('id', '=', which.sessionId)
  )
    .returningAll()
    .executeTakeFirst()
}

export async function endSession(tx: Tx, id: string, now: number): Promise<void> {
  await tx.updateTable('voice_session').set({ ended_at: now }).where('id', '=', id).execute()
}

/** Everybody who is or was in a session, in the order they joined. */
export function listParticipants(db: Db, sessionId: string): Promise<VoiceParticipantTable[]> {
  return db
    .selectFrom('voice_participant')
    .selectAll()
    .where('session_id', '=', sessionId)
    .orderBy('joined_at')
    .orderBy('user_id')
    .execute()
}

export async function countPresent(db: Db, sessionId?: string): Promise<number> {
  let query = db.selectFrom('voice_participant').where('left_at', 'is', null)
  if (sessionId !== undefined) query = query.where('session_id', '=', sessionId)
  const { count } = await query.select((eb) => eb.fn.countAll().as('count')).executeTakeFirstOrThrow()
  return Number(count)
}

/** Where somebody is now. */
export function findPresence(db: Db, userId: string): Promise<VoiceParticipantTable | undefined> {
  return db
    .selectFrom('voice_participant')
    .selectAll()
    .where('user_id', '=', userId)
    .where('left_at', 'is', null)
    .executeTakeFirst()
}

/** Puts somebody into a session, again or for the first time. */
export async function upsertParticipant(tx: Tx, row: Omit<VoiceParticipantTable, 'left_at'>): Promise<void> {
  await tx
    .insertInto('voice_participant')
    .values({ ...row, left_at: null })
    .onConflict((conflict) =>
      conflict.columns(['session_id', 'user_id']).doUpdateSet({
        login_session_id: row.login_session_id,
        joined_at: row.joined_at,
        left_at: null,
      }),
    )
    .execute()
}

/** Another sign-in of somebody who is there takes over. */
export async function moveToLogin(
  tx: Tx,
  sessionId: string,
  userId: string,
  loginSessionId: string,
): Promise<void> {
  await tx
    .updateTable('voice_participant')
    .set({ login_session_id: loginSessionId })
    .where('session_id', '=', sessionId)
    .where('user_id', '=', userId)
    .execute()
}

/** @returns whether they were there */
export async function markLeft(tx: Tx, sessionId: string, userId: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('voice_participant')
    .set({ left_at: now })
    .where('session_id', '=', sessionId)
    .where('user_id', '=', userId)
    .where('left_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

export async function insertJoinToken(
  tx: Tx,
  row: { jti: string; session_id: string; user_id: string; expires_at: number },
): Promise<void> {
  await tx
    .insertInto('voice_join_token')
    .values({ ...row, used_at: null })
    .execute()
}

/** Uses a token up. @returns false when it is unknown, expired or was used before */
export async function spendJoinToken(tx: Tx, jti: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('voice_join_token')
    .set({ used_at: now })
    .where('jti', '=', jti)
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

export async function findRestriction(db: Db, userId: string): Promise<Restriction> {
  const row = await db
    .selectFrom('voice_restriction')
    .select(['muted', 'deafened'])
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return { muted: row?.muted === 1, deafened: row?.deafened === 1 }
}

export async function putRestriction(
  tx: Tx,
  userId: string,
  restriction: Restriction,
  now: number,
): Promise<void> {
  if (!restriction.muted && !restriction.deafened) {
    await tx.deleteFrom('voice_restriction').where('user_id', '=', userId).execute()
    return
  }
  const flags = {
    muted: restriction.muted ? (1 as const) : (0 as const),
    deafened: restriction.deafened ? (1 as const) : (0 as const),
    changed_at: now,
  }
  await tx
    .insertInto('voice_restriction')
    .values({ user_id: userId, ...flags })
    .onConflict((conflict) => conflict.column('user_id').doUpdateSet(flags))
    .execute()
}

export function findLimits(db: Db, channelId: string): Promise<VoiceLimitTable | undefined> {
  return db.selectFrom('voice_limit').selectAll().where('channel_id', '=', channelId).executeTakeFirst()
}

export async function putLimits(tx: Tx, row: VoiceLimitTable): Promise<void> {
  const { channel_id, ...limits } = row
  await tx
    .insertInto('voice_limit')
    .values({ channel_id, ...limits })
    .onConflict((conflict) => conflict.column('channel_id').doUpdateSet(limits))
    .execute()
}

/** The processes that have media of somebody, as the database says. */
export async function hostsOfRunningSessions(db: Db): Promise<number[]> {
  const rows = await db
    .selectFrom('voice_session')
    .select('host')
    .distinct()
    .where('ended_at', 'is', null)
    .execute()
  return rows.map(({ host }) => host)
}

/** Ends what a process that died left behind: its media is gone. */
export async function endSessionsOf(tx: Tx, host: number, now: number): Promise<void> {
  const ids = tx
    .selectFrom('voice_session')
    .select('id')
    .where('host', '=', host)
    .where('ended_at', 'is', null)
  await tx
    .updateTable('voice_participant')
    .set({ left_at: now })
    .where('left_at', 'is', null)
    .where('session_id', 'in', ids)
    .execute()
  await tx
    .updateTable('voice_session')
    .set({ ended_at: now })
    .where('host', '=', host)
    .where('ended_at', 'is', null)
    .execute()
}

/** Removes some tokens that have expired and sessions that ended before `before`. @returns how many were removed */
export async function deleteOld(tx: Tx, before: number, limit: number): Promise<number> {
  const tokens = await tx
    .deleteFrom('voice_join_token')
    .where(
      'jti',
      'in',
      tx.selectFrom('voice_join_token').select('jti').where('expires_at', '<', before).limit(limit),
    )
    .executeTakeFirstOrThrow()
  const sessions = await tx
    .deleteFrom('voice_session')
    .where(
      'id',
      'in',
      tx.selectFrom('voice_session').select('id').where('ended_at', '<', before).limit(limit),
    )
    .executeTakeFirstOrThrow()
  return Number(tokens.numDeletedRows + sessions.numDeletedRows)
}
