import type { Db, Tx } from '#db/database.ts'
import type { UserTable } from '#db/tables.ts'

export async function insertUser(tx: Tx, row: UserTable): Promise<void> {
  await tx.insertInto('user').values(row).execute()
}

export async function grantRole(tx: Tx, userId: string, roleId: string, now: number): Promise<void> {
  await tx
    .insertInto('user_role')
    .values({ user_id: userId, role_id: roleId, granted_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function replaceRoles(
  tx: Tx,
  userId: string,
  roleIds: readonly string[],
  now: number,
): Promise<void> {
  await tx.deleteFrom('user_role').where('user_id', '=', userId).execute()
  for (const roleId of roleIds) await grantRole(tx, userId, roleId, now)
}

export function findUser(db: Db, id: string): Promise<UserTable | undefined> {
  return db.selectFrom('user').selectAll().where('id', '=', id).executeTakeFirst()
}

export function findUserByName(db: Db, key: string): Promise<UserTable | undefined> {
  return db.selectFrom('user').selectAll().where('username_key', '=', key).executeTakeFirst()
}

export function findUsers(db: Db, ids: readonly string[]): Promise<UserTable[]> {
  return db.selectFrom('user').selectAll().where('id', 'in', ids).execute()
}

export function listUsers(db: Db): Promise<UserTable[]> {
  return db.selectFrom('user').selectAll().orderBy('username_key').execute()
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

/** Role ids by user, of the given users or of all. */
export async function rolesByUser(db: Db, ids?: readonly string[]): Promise<Map<string, string[]>> {
  let query = db.selectFrom('user_role').select(['user_id', 'role_id'])
  if (ids) query = query.where('user_id', 'in', ids)
  const roles = new Map<string, string[]>()
  for (const { user_id, role_id } of await query.execute()) {
    const known = roles.get(user_id)
    if (known) known.push(role_id)
    else roles.set(user_id, [role_id])
  }
  return roles
}

/** Who owns the server. Whoever else asks in a transaction waits until this one is over. */
export async function lockOwners(tx: Tx): Promise<string[]> {
  // Changes nothing, but locks the rows on both databases: SQLite knows no `for update`.
  const rows = await tx
    .updateTable('user_role')
    .set(({ ref }) => ({ granted_at: ref('granted_at') }))
    .where('role_id', '=', 'owner')
    .returning('user_id')
    .execute()
  return rows.map(({ user_id }) => user_id)
}

/** After a restart nobody is connected yet. */
export async function resetStatuses(tx: Tx): Promise<void> {
  await tx.updateTable('user').set({ status: 'offline' }).where('status', '!=', 'offline').execute()
}
