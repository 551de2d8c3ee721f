import type { Context } from '#context'
import type { UserStatus } from '#events/events.ts'
import { endSessions } from '#features/auth/index.ts'
import { endNodeSessions } from '#features/node-auth/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, conflict, invalidField, unauthorized } from '#http/errors.ts'
import { characterCount, cleanText } from '#lib/text.ts'
import { chooseStatus } from './presence.ts'
import { storing } from './sign-up.ts'
import { parseStatus, statuses } from './status.ts'
import { findUser, updateUser, updateUserWithPassword } from './store.ts'
import { usernameForms } from './username.ts'

const MAX_ABOUT = 4000

type Deps = Pick<Context, 'db' | 'clock' | 'passwords' | 'passwordGuard'>

export interface ProfileEdit {
  new_username?: string | null | undefined
  status?: string | null | undefined
  new_password?: string | null | undefined
  old_password?: string | null | undefined
  about?: string | null | undefined
}

/** Does the first change that `edit` asks for, in the order that clients know. */
export async function editProfile(
  ctx: Deps,
  actor: Actor,
  edit: ProfileEdit,
): Promise<{ message: string; status?: UserStatus }> {
  if (edit.new_username) {
    await rename(ctx, actor, edit.new_username)
    return { message: 'username updated successfully' }
  }
  if (edit.status) {
    const status = parseStatus(edit.status)
    if (!status)
      throw invalidField(['body', 'status'], `must be one of ${statuses.join(', ')}`, 'value_error')
    await chooseStatus(ctx, actor.userId, status, 'http_profile_update')
    return { message: 'Status updated successfully', status }
  }
  if (edit.new_password) {
    if (!edit.old_password) throw badRequest('A new password needs the old one in old_password')
    await changePassword(ctx, actor, edit.old_password, edit.new_password)
    return { message: 'Password updated successfully' }
  }
  if (edit.about !== undefined && edit.about !== null) {
    await setAbout(ctx, actor, edit.about)
    return { message: 'About updated successfully' }
  }
  throw badRequest('Nothing to update: send new_username, status, new_password with old_password, or about')
}

async function rename(ctx: Deps, actor: Actor, input: string): Promise<void> {
  const name = await usernameForms(input, 'new_username')
  await storing(ctx, name, () =>
    ctx.db.transact(async (tx) => {
      const user = await findUser(tx, actor.userId)
      if (user?.username === name.username) throw conflict(`The username '${name.username}' is already yours`)
      await updateUser(tx, actor.userId, {
        username: name.username,
        username_key: name.key,
        username_skeleton: name.skeleton,
        updated_at: ctx.clock(),
      })
      tx.publish({ type: 'user.changed', userId: actor.userId })
    }),
  )
}

/** Every other session of the person ends, and every node session: whoever knew the old password is out. */
async function changePassword(
  ctx: Deps,
  actor: Actor,
  oldPassword: string,
  newPassword: string,
): Promise<void> {
  const wrong = unauthorized('The old password is wrong')
  const user = await findUser(ctx.db.read, actor.userId)
  if (!user || !(await ctx.passwordGuard.confirm(user.id, user.password_hash, oldPassword))) throw wrong
  const passwordHash = await ctx.passwords.hash(newPassword, 'new_password')
  await ctx.db.transact(async (tx) => {
    const checked = { id: user.id, passwordHash: user.password_hash }
    const change = { password_hash: passwordHash, updated_at: ctx.clock() }
    if (!(await updateUserWithPassword(tx, checked, change))) throw wrong
    await endSessions(ctx, tx, actor.userId, { except: actor.sessionId }, 'password changed')
    await endNodeSessions(ctx, tx, actor.userId)
  })
}

async function setAbout(ctx: Deps, actor: Actor, input: string): Promise<void> {
  const about = cleanText(input)
  if (characterCount(about) > MAX_ABOUT) {
    throw invalidField(['body', 'about'], `must have at most ${MAX_ABOUT} characters`, 'string_too_long')
  }
  await ctx.db.transact(async (tx) => {
    await updateUser(tx, actor.userId, { about: about === '' ? null : about, updated_at: ctx.clock() })
    tx.publish({ type: 'user.changed', userId: actor.userId })
  })
}
