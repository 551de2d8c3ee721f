import type { Db, Tx } from '#db/database.ts'
import type { ChannelOverrideTable, RoleTable } from '#db/tables.ts'
import type { OverrideFacts, RoleFacts } from '#events/events.ts'
import type { Overrides, Standing } from '#lib/permission.ts'
import { isRight, type Right } from '#lib/rights.ts'
import { compileOverrides } from './overrides.ts'

/** The custom roles, and the number of the change that made them what they are. */
export async function readRoleList(db: Db): Promise<{ version: number; custom: RoleFacts[] }> {
  const { version } = await db.selectFrom('role_list').select('version').executeTakeFirstOrThrow()
  return { version, custom: await listRoles(db) }
}

/**
 * Like {@link readRoleList} with the next version. Who else changes or assigns roles waits until this transaction
 * is over.
 */
export async function lockRoleList(tx: Tx): Promise<{ version: number; custom: RoleFacts[] }> {
  const { version } = await tx
    .updateTable('role_list')
    .set(({ eb }) => ({ version: eb('version', '+', 1) }))
    .returning('version')
    .executeTakeFirstOrThrow()
  return { version, custom: await listRoles(tx) }
}

async function listRoles(db: Db): Promise<RoleFacts[]> {
  const rows = await db.selectFrom('role').selectAll().execute()
  return rows.map(({ id, name, rights, position }) => ({ id, name, position, rights: parseRights(rights) }))
}

/** Rights that this version does not know are left out. */
function parseRights(json: string): Right[] {
  return (JSON.parse(json) as string[]).filter(isRight)
}

export async function insertRole(tx: Tx, role: RoleFacts, now: number): Promise<void> {
  const row: RoleTable = {
    id: role.id,
    name: role.name,
    rights: JSON.stringify(role.rights),
    position: role.position,
    created_at: now,
    updated_at: now,
  }
  await tx.insertInto('role').values(row).execute()
}

export async function updateRole(tx: Tx, role: RoleFacts, now: number): Promise<void> {
  await tx
    .updateTable('role')
    .set({
      name: role.name,
      rights: JSON.stringify(role.rights),
      position: role.position,
      updated_at: now,
    })
    .where('id', '=', role.id)
    .execute()
}

/** Removes a role, and what channels say about it: one of the same name must not inherit that. */
export async function deleteRole(tx: Tx, id: string): Promise<void> {
  await tx
    .deleteFrom('channel_override')
    .where('subject_type', '=', 'role')
    .where('subject_id', '=', id)
    .execute()
  await tx.deleteFrom('role').where('id', '=', id).execute()
}

/** How many people have each role. */
export async function countHolders(db: Db): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('user_role')
    .select(({ fn }) => ['role_id', fn.countAll<number>().as('count')])
    .groupBy('role_id')
    .execute()
  return new Map(rows.map(({ role_id, count }) => [role_id, count]))
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

/** Role ids of one person. */
export async function rolesOf(db: Db, userId: string): Promise<string[]> {
  return (await rolesByUser(db, [userId])).get(userId) ?? []
}

/** Name of somebody, if they exist. */
export async function findUsername(db: Db, userId: string): Promise<string | undefined> {
  const row = await db.selectFrom('user').select('username').where('id', '=', userId).executeTakeFirst()
  return row?.username
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

/** What channels say about roles and people: of one channel or of all, also deleted ones. */
export async function listOverrides(
  db: Db,
  channelId?: string,
): Promise<(OverrideFacts & { channelId: string })[]> {
  let query = db.selectFrom('channel_override').selectAll()
  if (channelId !== undefined) query = query.where('channel_id', '=', channelId)
  const rows = await query.orderBy('channel_id').orderBy('subject_type').orderBy('subject_id').execute()
  return rows.map(factsOf)
}

/** What channels say about one person and their roles, which is all that a decision about them needs. */
export async function overridesFor(
  db: Db,
  channelIds: readonly string[],
  person: Pick<Standing, 'userId' | 'held'>,
): Promise<Map<string, Overrides>> {
  if (channelIds.length === 0) return new Map()
  const roleIds = [...person.held.map(({ id }) => id), 'user']
  const rows = await db
    .selectFrom('channel_override')
    .selectAll()
    .where('channel_id', 'in', channelIds)
    .where((where) =>
      where.or([
        where.and([where('subject_type', '=', 'member'), where('subject_id', '=', person.userId)]),
        where.and([where('subject_type', '=', 'role'), where('subject_id', 'in', roleIds)]),
      ]),
    )
    .execute()
  const byChannel = Map.groupBy(rows.map(factsOf), ({ channelId }) => channelId)
  return new Map([...byChannel].map(([id, facts]) => [id, compileOverrides(facts)]))
}

/** Replaces what a channel says about one role or person; nothing said removes it. */
export async function putOverride(
  tx: Tx,
  channelId: string,
  { subjectType, subjectId, allow, deny }: OverrideFacts,
  now: number,
): Promise<void> {
  if (allow.length === 0 && deny.length === 0) {
    await tx
      .deleteFrom('channel_override')
      .where('channel_id', '=', channelId)
      .where('subject_type', '=', subjectType)
      .where('subject_id', '=', subjectId)
      .execute()
    return
  }
  const said = { allow: JSON.stringify(allow), deny: JSON.stringify(deny), updated_at: now }
  await tx
    .insertInto('channel_override')
    .values({ channel_id: channelId, subject_type: subjectType, subject_id: subjectId, ...said })
    .onConflict((conflict) =>
      conflict.columns(['channel_id', 'subject_type', 'subject_id']).doUpdateSet(said),
    )
    .execute()
}

function factsOf(row: ChannelOverrideTable): OverrideFacts & { channelId: string } {
  return {
    channelId: row.channel_id,
    subjectType: row.subject_type,
    subjectId: row.subject_id,
    allow: parseRights(row.allow),
    deny: parseRights(row.deny),
  }
}
