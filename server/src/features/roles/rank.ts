import type { Tx } from '#db/database.ts'
import { forbidden } from '#http/errors.ts'
import type { Right } from '#lib/rights.ts'
import { RoleList } from './role-list.ts'
import { lockRoleList, rolesOf } from './store.ts'

/*
 * Nobody grants or touches what is not below them. Rank is looked up in the transaction of the act, behind a lock
 * that every other such act takes too: of two people who demote each other at the same moment only one succeeds.
 */

/** Somebody who changes or assigns roles, as they stand in the transaction that does it. */
export interface Editor {
  readonly userId: string
  readonly isOwner: boolean
  /** Place of their highest role: what has a greater one is below them. */
  readonly place: number
  readonly rights: ReadonlySet<Right>
}

/** The roles as they are in this transaction, the version that a change of them has, and who makes it. */
export interface Editing {
  readonly version: number
  readonly list: RoleList
  readonly editor: Editor
}

/** @throws HttpError 403 when the right was lost meanwhile */
export async function beginEditing(tx: Tx, userId: string): Promise<Editing> {
  const { version, custom } = await lockRoleList(tx)
  const list = new RoleList(custom)
  const ids = await rolesOf(tx, userId)
  const rights = list.rightsOf(ids)
  if (!rights.has('manage_server_privileges')) {
    throw forbidden("This needs the privilege 'manage_server_privileges'")
  }
  return {
    version,
    list,
    editor: { userId, isOwner: ids.includes('owner'), place: list.topPlace(ids), rights },
  }
}

/** @throws HttpError 403 */
export function demandBelow({ editor, list }: Editing, roleId: string): void {
  if (editor.isOwner || list.placeOf(roleId) > editor.place) return
  throw forbidden(`The role '${roleId}' does not rank below yours`)
}

/** @throws HttpError 403 when the editor would give rights that they do not have */
export function demandHeld({ editor }: Editing, rights: Iterable<Right>): void {
  if (editor.isOwner) return
  const missing = [...rights].filter((right) => !editor.rights.has(right))
  if (missing.length > 0) {
    throw forbidden(
      `You cannot give what you do not have: ${missing.map((right) => `'${right}'`).join(', ')}`,
    )
  }
}
