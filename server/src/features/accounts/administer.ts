import type { Context } from '#context'
import type { Db, Tx } from '#db/database.ts'
import type { UserTable } from '#db/tables.ts'
import { recordAudit } from '#features/audit/index.ts'
import { endSessions } from '#features/auth/index.ts'
import {
  deleteRestriction,
  restrictionsByUser,
  unrestricted,
  type Restrictions,
} from '#features/restrictions/index.ts'
import { claimOwnership } from '#features/instance/index.ts'
import {
  lockOwners,
  lockRoleList,
  replaceRoles,
  rolesByUser,
  rolesOf,
  type RoleList,
} from '#features/roles/index.ts'
import { conflict, invalidField, notFound } from '#http/errors.ts'
import { findUserByName, listUsers, updateUser } from './store.ts'
import { foldCase } from './username.ts'

/*
 * What the operator of the machine may do with any account. Nobody is asked for rights here: whoever can open the
 * data folder has them all.
 */

type Deps = Pick<Context, 'db' | 'clock' | 'roles'>

/** An account as the operator sees it. */
export interface Account {
  readonly userId: string
  readonly username: string
  /** Highest first. */
  readonly roles: readonly string[]
  readonly restrictions: Restrictions
  readonly createdAt: number
  readonly lastSeenAt: number | null
}

/** Everybody, in the order of their names. */
export async function listAccounts({ db, roles, clock }: Deps): Promise<Account[]> {
  const users = await listUsers(db.read)
  const held = await rolesByUser(db.read)
  const restrictions = await restrictionsByUser(db.read, clock())
  return users.map((user) =>
    accountOf(user, held.get(user.id) ?? [], roles.current, restrictions.get(user.id)),
  )
}

/**
 * Gives somebody exactly one role.
 *
 * @throws HttpError 404, 409 when nobody would own the server any more, 422 when there is no such role
 */
export async function assignRole(ctx: Deps, username: string, role: string): Promise<Account> {
  return ctx.db.transact(async (tx) => {
    const user = await accountNamed(tx, username)
    // A role must not be deleted while it is given.
    await lockRoleList(tx)
    if (!ctx.roles.current.get(role)) {
      throw invalidField(['body', 'role'], `there is no role '${role}'`, 'value_error')
    }
    const before = await rolesOf(tx, user.id)
    // Two owners who demote each other at the same moment wait for each other here.
    const owners = await lockOwners(tx)
    if (role === 'owner') {
      await claimOwnership(tx, user.id, ctx.clock())
      await freeOwner(tx, user.id)
    } else if (owners.length === 1 && owners[0] === user.id) {
      throw conflict(
        `The last owner cannot vanish: make somebody else owner before '${user.username}' is not`,
      )
    }
    await replaceRoles(tx, user.id, [role], ctx.clock())
    recordAudit(tx, {
      ...byOperator(ctx, user.id, 'user.roles_changed'),
      details: { before: ctx.roles.current.inRankOrder(before), after: [role] },
    })
    tx.publish({ type: 'user.changed', userId: user.id, roles: [role] })
    return accountOf(user, [role], ctx.roles.current)
  })
}

/**
 * Sets a new password and ends all sessions: whoever knew the old one is out.
 *
 * @returns how many sessions ended
 * @throws HttpError 404, 422
 */
export async function resetPassword(
  ctx: Deps & Pick<Context, 'passwords'>,
  username: string,
  password: string,
): Promise<{ account: Account; endedSessions: number }> {
  const passwordHash = await ctx.passwords.hash(password)
  return ctx.db.transact(async (tx) => {
    const user = await accountNamed(tx, username)
    await updateUser(tx, user.id, { password_hash: passwordHash, updated_at: ctx.clock() })
    recordAudit(tx, byOperator(ctx, user.id, 'user.password_reset'))
    return endAllSessions(ctx, tx, user, 'password reset by the operator')
  })
}

/**
 * Ends all sessions: every device has to sign in again.
 *
 * @returns how many sessions ended
 * @throws HttpError 404
 */
export async function signOutEverywhere(
  ctx: Deps,
  username: string,
): Promise<{ account: Account; endedSessions: number }> {
  return ctx.db.transact(async (tx) => {
    const user = await accountNamed(tx, username)
    recordAudit(tx, byOperator(ctx, user.id, 'user.signed_out'))
    return endAllSessions(ctx, tx, user, 'signed out by the operator')
  })
}

/** An owner cannot be kept out, so what was imposed before does not stay. */
async function freeOwner(tx: Tx, userId: string): Promise<void> {
  const ban = await deleteRestriction(tx, userId, 'ban')
  const timeout = await deleteRestriction(tx, userId, 'timeout')
  if (ban ?? timeout) tx.publish({ type: 'user.restricted', userId, ...unrestricted })
}

function byOperator(ctx: Pick<Context, 'clock'>, userId: string, action: string) {
  return { actorId: null, action, targetType: 'user', targetId: userId, at: ctx.clock() }
}

async function endAllSessions(
  ctx: Deps,
  tx: Tx,
  user: UserTable,
  reason: string,
): Promise<{ account: Account; endedSessions: number }> {
  const ended = await endSessions(ctx, tx, user.id, {}, reason)
  const account = accountOf(user, await rolesOf(tx, user.id), ctx.roles.current)
  return { account, endedSessions: ended.length }
}

async function accountNamed(db: Db, username: string): Promise<UserTable> {
  const user = await findUserByName(db, foldCase(username))
  if (!user) throw notFound('User', username)
  return user
}

function accountOf(
  user: UserTable,
  roles: readonly string[],
  list: RoleList,
  restrictions: Restrictions = unrestricted,
): Account {
  return {
    userId: user.id,
    username: user.username,
    roles: list.inRankOrder(roles),
    restrictions,
    createdAt: user.created_at,
    lastSeenAt: user.last_seen_at,
  }
}
