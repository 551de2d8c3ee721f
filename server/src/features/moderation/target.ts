import type { Tx } from '#db/database.ts'
import type { UserTable } from '#db/tables.ts'
import { lockUser } from '#features/accounts/index.ts'
import { lockRoleList, RoleList, rolesByUser } from '#features/roles/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, forbidden, notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import type { Right } from '#lib/rights.ts'

/**
 * Somebody whom `actor` may moderate, with their row locked until the transaction is over. Rights and ranks are those
 * of this transaction: nobody changes roles meanwhile.
 *
 * @throws HttpError 400 oneself; 403 an owner, somebody who does not rank below the actor, or the right was lost; 404
 */
export async function accessTarget(tx: Tx, actor: Actor, targetId: string, right: Right): Promise<UserTable> {
  if (targetId === actor.userId) throw badRequest('You cannot moderate yourself')
  const list = new RoleList((await lockRoleList(tx)).custom)
  const target = isId(targetId) ? await lockUser(tx, targetId) : undefined
  if (!target) throw notFound('User', targetId)
  const roles = await rolesByUser(tx, [actor.userId, targetId])
  const [own, theirs] = [roles.get(actor.userId) ?? [], roles.get(targetId) ?? []]
  if (!list.rightsOf(own).has(right)) throw forbidden(`This needs the privilege '${right}'`)
  if (theirs.includes('owner')) throw forbidden('The owner cannot be moderated')
  if (list.topPlace(theirs) <= list.topPlace(own)) throw forbidden('This person does not rank below you')
  return target
}
