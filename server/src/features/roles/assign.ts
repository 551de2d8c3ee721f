import type { Context } from '#context'
import { recordAudit } from '#features/audit/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, forbidden, invalidField, notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { beginEditing, demandBelow, demandHeld } from './rank.ts'
import { findUsername, replaceRoles, rolesOf } from './store.ts'

/** Somebody, with the roles that they have now. */
export interface Assignment {
  readonly userId: string
  readonly username: string
  /** Highest first. */
  readonly roles: readonly string[]
}

/**
 * Gives somebody exactly these roles. An owner stays owner; nobody becomes one this way.
 *
 * @param wanted role ids; none means `user`
 * @throws HttpError 400, 403, 404, 422
 */
export async function assignRoles(
  ctx: Pick<Context, 'db' | 'clock'>,
  actor: Actor,
  userId: string,
  wanted: readonly string[],
): Promise<Assignment> {
  return ctx.db.transact(async (tx) => {
    const editing = await beginEditing(tx, actor.userId)
    const { list, editor } = editing
    const username = isId(userId) ? await findUsername(tx, userId) : undefined
    if (username === undefined) throw notFound('User', userId)
    const unknown = wanted.find((id) => !list.get(id))
    if (unknown !== undefined) {
      throw invalidField(['body', 'roles_ids'], `there is no role '${unknown}'`, 'value_error')
    }
    const before = await rolesOf(tx, userId)
    const owns = before.includes('owner')
    if (wanted.includes('owner') && !owns) throw badRequest('Nobody can be made owner this way')
    const after = list.inRankOrder([
      ...new Set([...(owns ? ['owner'] : []), ...(wanted.length === 0 ? ['user'] : wanted)]),
    ])
    const added = after.filter((id) => !before.includes(id))
    const removed = before.filter((id) => !after.includes(id))
    if (added.length + removed.length > 0) {
      const isBelow = list.topPlace(before) > editor.place
      if (!isBelow && !editor.isOwner && userId !== editor.userId) {
        throw forbidden('This person does not rank below you')
      }
      for (const id of [...added, ...removed]) demandBelow(editing, id)
      demandHeld(
        editing,
        added.flatMap((id) => [...list.get(id)!.rights]),
      )
      await replaceRoles(tx, userId, after, ctx.clock())
      tx.publish({ type: 'user.changed', userId, roles: after })
      recordAudit(tx, {
        actorId: actor.userId,
        action: 'user.roles_changed',
        targetType: 'user',
        targetId: userId,
        details: { before: list.inRankOrder(before), after },
        at: ctx.clock(),
      })
    }
    return { userId, username, roles: after }
  })
}
