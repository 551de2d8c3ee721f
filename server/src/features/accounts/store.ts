import type { Db, Tx } from '#db/database.ts'
import type { UserTable } from '#db/tables.ts'

export async function insertUser(tx: Tx, row: UserTable): Promise<void> {
  await tx.insertInto('user').values(row).execute()
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

export function findUsers(db: Db, ids: readonly string[]): Promise<UserTable[]> {
  return db.selectFrom('user').selectAll().where('id', 'in', ids).execute()
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

/** After a restart nobody is connected yet. */
export async function resetStatuses(tx: Tx): Promise<void> {
  await tx.updateTable('user').set({ status: 'offline' }).where('status', '!=', 'offline').execute()
}
