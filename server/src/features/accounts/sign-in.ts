import type { Context } from '#context'
import { endSessions, openSession, type OpenedSession } from '#features/auth/index.ts'
import { recordActivity } from '#features/stats/index.ts'
import type { Actor } from '#http/access.ts'
import type { Client } from '#http/client-address.ts'
import { notFound, unauthorized } from '#http/errors.ts'
import { findUser, findUserByName, updateUserWithPassword } from './store.ts'
import { foldCase } from './username.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'config' | 'keyring' | 'instance' | 'passwordGuard'>

/** From where somebody calls. */
export interface Visit {
  readonly client: Client
  /** What the person will recognise their session by. */
  readonly device: string
}

/**
 * Opens a session for whoever knows the password.
 *
 * @throws HttpError 401, the same and after the same work for a wrong password and an unknown name; 429 after too many
 */
export async function signIn(
  ctx: Deps,
  input: { username: string; password: string },
  { client, device }: Visit,
): Promise<OpenedSession> {
  const wrong = unauthorized('The username or the password is wrong')
  const nameKey = foldCase(input.username.toWellFormed().replaceAll('\0', ''))
  const user = await findUserByName(ctx.db.read, nameKey)
  const matches = await ctx.passwordGuard.signIn({ nameKey, client }, user?.password_hash, input.password)
  if (!user || !matches) throw wrong
  return ctx.db.transact(async (tx) => {
    // The password may have been changed while it was checked.
    const checked = { id: user.id, passwordHash: user.password_hash }
    if (!(await updateUserWithPassword(tx, checked, { last_seen_at: ctx.clock() }))) throw wrong
    recordActivity(tx, { type: 'user_signed_in', userId: user.id, at: ctx.clock() })
    return openSession(ctx, tx, user.id, device)
  })
}

/**
 * Ends every session of the caller, this one included, and opens a new one.
 *
 * @throws HttpError 404 when the password is wrong, which is what clients know it by; 429 when it was wrong too often
 */
export async function resetTokens(
  ctx: Deps,
  actor: Actor,
  password: string,
  { device }: Visit,
): Promise<OpenedSession> {
  const wrong = notFound('An account with this password')
  const user = await findUser(ctx.db.read, actor.userId)
  if (!user || !(await ctx.passwordGuard.confirm(user.id, user.password_hash, password))) throw wrong
  return ctx.db.transact(async (tx) => {
    const checked = { id: user.id, passwordHash: user.password_hash }
    if (!(await updateUserWithPassword(tx, checked, { last_seen_at: ctx.clock() }))) throw wrong
    await endSessions(ctx, tx, actor.userId, {}, 'tokens reset')
    return openSession(ctx, tx, actor.userId, device)
  })
}
