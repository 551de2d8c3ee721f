import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import { recordAudit } from '#features/audit/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, conflict, forbidden, invalidField, notFound } from '#http/errors.ts'
import type { RoleFacts } from '#events/events.ts'
import type { Role } from '#lib/permission.ts'
import { isRight, type Right } from '#lib/rights.ts'
import { characterCount, cleanLine } from '#lib/text.ts'
import { beginEditing, demandBelow, demandHeld, type Editing } from './rank.ts'
import { RoleList } from './role-list.ts'
import { countHolders, deleteRole, insertRole, readRoleList, updateRole } from './store.ts'

const MAX_NAME = 64
const MAX_ROLES = 200

type Deps = Pick<Context, 'db' | 'clock'>

export interface RoleEdit {
  readonly name: string
  readonly rights: readonly string[]
}

/** A role as it is after a change, with what else its wire form needs. */
export interface RoleSeen {
  readonly role: Role
  readonly place: number
  readonly holders: number
}

/** All roles, highest first. */
export async function listRoles({ db, roles }: Pick<Context, 'db' | 'roles'>): Promise<RoleSeen[]> {
  const holders = await countHolders(db.read)
  return roles.current.all.map((role, place) => ({ role, place, holders: holders.get(role.id) ?? 0 }))
}

/** Makes a custom role, the lowest but `user`. @throws HttpError 400, 403, 409, 422 */
export async function createRole(ctx: Deps, actor: Actor, edit: RoleEdit): Promise<RoleSeen> {
  const { name, rights } = checked(edit)
  const id = roleIdOf(name)
  return ctx.db.transact(async (tx) => {
    const editing = await beginEditing(tx, actor.userId)
    if (editing.list.get(id)) throw conflict(`There is a role '${id}' already`)
    if (editing.list.all.length >= MAX_ROLES) throw badRequest(`A server has at most ${MAX_ROLES} roles`)
    demandHeld(editing, rights)
    const lowest = Math.min(0, ...(await readRoleList(tx)).custom.map(({ position }) => position))
    await insertRole(tx, { id, name, rights, position: lowest - 1 }, ctx.clock())
    recordAudit(tx, {
      ...onRole(ctx, actor, id, 'role.created'),
      details: { role_name: name, privileges_ids: rights },
    })
    return seen(await announce(tx, editing), id, 0)
  })
}

/** Gives a custom role another name and other rights; its id stays. @throws HttpError 403, 404, 422 */
export async function editRole(ctx: Deps, actor: Actor, id: string, edit: RoleEdit): Promise<RoleSeen> {
  const { name, rights } = checked(edit)
  return ctx.db.transact(async (tx) => {
    const editing = await beginEditing(tx, actor.userId)
    const before = customRole(editing.list, id)
    demandBelow(editing, id)
    demandHeld(
      editing,
      rights.filter((right) => !before.rights.has(right)),
    )
    const { position } = (await readRoleList(tx)).custom.find((role) => role.id === id)!
    await updateRole(tx, { id, name, rights, position }, ctx.clock())
    recordAudit(tx, {
      ...onRole(ctx, actor, id, 'role.changed'),
      details: {
        before: { role_name: before.name, privileges_ids: [...before.rights] },
        after: { role_name: name, privileges_ids: rights },
      },
    })
    return seen(await announce(tx, editing), id, (await countHolders(tx)).get(id) ?? 0)
  })
}

/** Removes a custom role that nobody has. @throws HttpError 403, 404, 409 */
export async function removeRole(ctx: Deps, actor: Actor, id: string): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const editing = await beginEditing(tx, actor.userId)
    const { name } = customRole(editing.list, id)
    demandBelow(editing, id)
    const holders = (await countHolders(tx)).get(id) ?? 0
    if (holders > 0) throw conflict(`The role '${id}' is still assigned to ${holders} users`)
    await deleteRole(tx, id)
    recordAudit(tx, { ...onRole(ctx, actor, id, 'role.deleted'), details: { role_name: name } })
    await announce(tx, editing, { removed: [id] })
  })
}

/**
 * Puts the roles between admin and user into another order. What does not rank below the one who does it stays
 * where it is.
 *
 * @param ids every custom role and `moderator`, highest first
 * @throws HttpError 400, 403
 */
export async function orderRoles(ctx: Deps, actor: Actor, ids: readonly string[]): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const editing = await beginEditing(tx, actor.userId)
    const movable = editing.list.all.slice(2, -1).map((role) => role.id)
    if (ids.length !== movable.length || movable.some((id) => !ids.includes(id))) {
      throw badRequest('role_ids must have every custom role and moderator, each once')
    }
    for (const [index, id] of movable.entries()) if (ids[index] !== id) demandBelow(editing, id)
    const moderator = ids.indexOf('moderator')
    for (const role of (await readRoleList(tx)).custom) {
      const position = moderator - ids.indexOf(role.id)
      if (position !== role.position) await updateRole(tx, { ...role, position }, ctx.clock())
    }
    recordAudit(tx, {
      ...onRole(ctx, actor, 'moderator', 'role.order_changed'),
      details: { before: movable, after: ids },
    })
    await announce(tx, editing)
  })
}

/** Tells everybody what the roles are now. */
async function announce(
  tx: Tx,
  { version }: Editing,
  { removed = [] }: { removed?: readonly string[] } = {},
): Promise<RoleFacts[]> {
  const { custom } = await readRoleList(tx)
  tx.publish({ type: 'roles.changed', version, roles: custom, removed })
  return custom
}

function seen(custom: readonly RoleFacts[], id: string, holders: number): RoleSeen {
  const list = new RoleList(custom)
  return { role: list.get(id)!, place: list.placeOf(id), holders }
}

function customRole(list: RoleList, id: string): Role {
  const role = list.get(id)
  if (!role) throw notFound('Role', id)
  if (role.isSystem) throw forbidden(`The role '${id}' is built in and stays as it is`)
  return role
}

function checked({ name: input, rights: ids }: RoleEdit): { name: string; rights: Right[] } {
  const name = cleanLine(input.normalize('NFC'))
  if (name === '' || characterCount(name) > MAX_NAME) {
    throw invalidField(['body', 'role_name'], `must have 1 to ${MAX_NAME} characters`, 'value_error')
  }
  const unknown = ids.find((id) => !isRight(id))
  if (unknown !== undefined) {
    throw invalidField(['body', 'privileges_ids'], `there is no privilege '${unknown}'`, 'value_error')
  }
  return { name, rights: [...new Set(ids.filter(isRight))] }
}

/** The id that clients know a role by: its first name in lower case, all but a to z and digits as hyphens. */
function roleIdOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, '-')
}

function onRole(ctx: Pick<Context, 'clock'>, actor: Actor, id: string, action: string) {
  return { actorId: actor.userId, action, targetType: 'role', targetId: id, at: ctx.clock() }
}
