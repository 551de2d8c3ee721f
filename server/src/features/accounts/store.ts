import type { Db, Tx } from '#db/database.ts'
import type { UserTable } from '#db/tables.ts'

export async function insertUser(tx: Tx, row: UserTable): Promise<void> {
  await tx.insertInto('user').values(row).execute()
}

/** @returns false if the name is taken */
export async function insertUserUnlessTaken(tx: Tx, row: UserTable): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('user')
    .values(row)
    .onConflict((conflict) => conflict.column('username_key').doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

export function findUser(db: Db, id: string): Promise<UserTable | undefined> {
  return db.selectFrom('user').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Somebody of this server, by the folded name. */
export function findUserByName(db: Db, key: string): Promise<UserTable | undefined> {
  return db
    .selectFrom('user')
    .selectAll()
    .where('username_key', '=', key)
    .where('origin_server', 'is', null)
    .executeTakeFirst()
}

/** People of this and of other servers, with the address of the actor of those. */
export function findUsers(
  db: Db,
  ids: readonly string[],
): Promise<(UserTable & { actor_uri: string | null })[]> {
  return db
    .selectFrom('user')
    .leftJoin('remote_actor', 'remote_actor.user_id', 'user.id')
    .selectAll('user')
    .select('remote_actor.id as actor_uri')
    .where('user.id', 'in', ids)
    .execute()
}

/** Everybody of this server. */
export function listUsers(db: Db): Promise<UserTable[]> {
  return db
    .selectFrom('user')
    .selectAll()
    .where('origin_server', 'is', null)
    .orderBy('username_key')
    .execute()
}

export async function updateUser(tx: Tx, id: string, change: Partial<UserTable>): Promise<void> {
  await tx.updateTable('user').set(change).where('id', '=', id).execute()
}

/**
 * Changes a user whose password is still the one that was checked. Whoever changes the password meanwhile waits
 * until this transaction is over, or makes it find nothing.
 *
 * @returns false if the password is another by now
 */
export async function updateUserWithPassword(
  tx: Tx,
  { id, passwordHash }: { id: string; passwordHash: string },
  change: Partial<UserTable>,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('user')
    .set(change)
    .where('id', '=', id)
    .where('password_hash', '=', passwordHash)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** A user whose row nobody else changes until this transaction is over. */
export function lockUser(tx: Tx, id: string): Promise<UserTable | undefined> {
  // Changes nothing, but locks the row on both databases: SQLite knows no `for update`.
  return tx
    .updateTable('user')
    .set(({ ref }) => ({ status: ref('status') }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
}

/** Notes that somebody has sockets open at the process that writes `stream`. */
export async function insertPresence(tx: Tx, userId: string, stream: number): Promise<void> {
  await tx
    .insertInto('presence')
    .values({ user_id: userId, stream })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function deletePresence(tx: Tx, userId: string, streams: readonly number[]): Promise<void> {
  await tx.deleteFrom('presence').where('user_id', '=', userId).where('stream', 'in', streams).execute()
}

export async function deletePresenceAt(tx: Tx, streams: readonly number[]): Promise<void> {
  if (streams.length > 0) await tx.deleteFrom('presence').where('stream', 'in', streams).execute()
}

/** The processes at which somebody is said to be, living or not. */
export async function presenceStreams(db: Db): Promise<number[]> {
  const rows = await db.selectFrom('presence').select('stream').distinct().execute()
  return rows.map(({ stream }) => stream)
}

/** Some of those who are said to be at some processes. */
export async function presentAt(db: Db, streams: readonly number[], limit: number): Promise<string[]> {
  if (streams.length === 0) return []
  const rows = await db
    .selectFrom('presence')
    .select('user_id')
    .distinct()
    .where('stream', 'in', streams)
    .limit(limit)
    .execute()
  return rows.map(({ user_id }) => user_id)
}

/** Whether somebody has sockets open at any process. */
export async function isPresent(db: Db, userId: string): Promise<boolean> {
  const row = await db
    .selectFrom('presence')
    .select('stream')
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row !== undefined
}

/** Whoever has no socket open is shown as gone. */
export async function markAbsent(tx: Tx): Promise<void> {
  await tx
    .updateTable('user')
    .set({ status: 'offline' })
    .where('status', '!=', 'offline')
    .where('id', 'not in', (where) => where.selectFrom('presence').select('user_id'))
    .execute()
}
