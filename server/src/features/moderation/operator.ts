import type { Context } from '#context'
import { findUserByName, foldCase, lockUser } from '#features/accounts/index.ts'
import type { Tx } from '#db/database.ts'
import type { UserTable } from '#db/tables.ts'
import { rolesOf } from '#features/roles/index.ts'
import { conflict, notFound } from '#http/errors.ts'
import { imposeBan, lift, type Sentence } from './restrict.ts'

/*
 * What the operator of the machine may do. Nobody is asked for rights here: whoever can open the data folder has them
 * all.
 */

type Deps = Pick<Context, 'db' | 'clock'>

/**
 * Bans somebody, whatever their rank.
 *
 * @returns how many sessions ended
 * @throws HttpError 404, 409 an owner, 422
 */
export async function banByOperator(
  ctx: Deps,
  username: string,
  sentence: Sentence,
): Promise<{ user: UserTable; endedSessions: number }> {
  return ctx.db.transact(async (tx) => {
    const user = await lockedUser(tx, username)
    if ((await rolesOf(tx, user.id)).includes('owner')) {
      throw conflict(`'${user.username}' owns the server: give them another role before you ban them`)
    }
    return { user, endedSessions: await imposeBan(ctx, tx, null, user, sentence) }
  })
}

/** Lifts whatever keeps somebody off or silent. @returns whether something did @throws HttpError 404 */
export async function freeByOperator(
  ctx: Deps,
  username: string,
): Promise<{ user: UserTable; wasBanned: boolean; wasTimedOut: boolean }> {
  return ctx.db.transact(async (tx) => {
    const user = await lockedUser(tx, username)
    const wasBanned = await lift(ctx, tx, 'ban', null, user)
    const wasTimedOut = await lift(ctx, tx, 'timeout', null, user)
    return { user, wasBanned, wasTimedOut }
  })
}

async function lockedUser(tx: Tx, username: string): Promise<UserTable> {
  const found = await findUserByName(tx, foldCase(username))
  const user = found && (await lockUser(tx, found.id))
  if (!user) throw notFound('User', username)
  return user
}
