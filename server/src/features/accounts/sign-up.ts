import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import { isUniqueViolation } from '#db/errors.ts'
import { openSession, type OpenedSession } from '#features/auth/index.ts'
import { claimOwnership, countMembers, lockSettings, registrationOf } from '#features/instance/index.ts'
import { normalCode, takeInvite } from '#features/invites/index.ts'
import { grantRole } from '#features/roles/index.ts'
import { recordActivity } from '#features/stats/index.ts'
import { conflict, forbidden } from '#http/errors.ts'
import { newId } from '#lib/id.ts'
import type { Visit } from './sign-in.ts'
import { findUserByName, insertUser } from './store.ts'
import { usernameForms, type UsernameForms } from './username.ts'

type Deps = Pick<
  Context,
  'db' | 'clock' | 'config' | 'keyring' | 'instance' | 'passwords' | 'log' | 'settings'
>

/**
 * Creates an account and opens its first session. The first account of an empty server owns it.
 *
 * @throws HttpError 403 when registration is closed, the invite not good or the server full, 409 when the name is taken or looks like one that is
 */
export async function signUp(
  ctx: Deps,
  input: { username: string; password: string; invite_code?: string | null | undefined },
  { device }: Visit,
): Promise<OpenedSession> {
  const policy = registrationOf(ctx)
  if (policy === 'closed') throw forbidden('Registration is closed on this server')
  const code = normalCode(input.invite_code ?? '')
  if (policy === 'invite' && code === '') throw forbidden('Registration on this server needs an invite')
  const name = await usernameForms(input.username, 'username')
  const passwordHash = await ctx.passwords.hash(input.password)
  const opened = await storing(ctx, name, () =>
    ctx.db.transact(async (tx) => {
      await demandRoom(ctx, tx)
      const invited = code !== '' && (await takeInvite(tx, code, ctx.clock()))
      if (policy === 'invite' && !invited) throw forbidden('The invite is not valid')
      const userId = await insertAccount(ctx, tx, name, passwordHash, 'present')
      const owns = await claimOwnership(tx, userId, ctx.clock())
      await grantRole(tx, userId, owns ? 'owner' : 'user', ctx.clock())
      return { owns, session: await openSession(ctx, tx, userId, device) }
    }),
  )
  if (opened.owns) ctx.log.info({ user_id: opened.session.userId }, 'the first account owns this server')
  return opened.session
}

/**
 * Creates an account with a given role, without a session: for the operator, whatever the registration policy.
 *
 * @param input.asFirstOwner fail when somebody owns the server already, be it since a moment ago
 * @throws HttpError 409, 422
 */
export async function createAccount(
  ctx: Deps,
  input: { username: string; password: string; role: string; asFirstOwner?: true },
): Promise<string> {
  const name = await usernameForms(input.username, 'username')
  const passwordHash = await ctx.passwords.hash(input.password)
  return storing(ctx, name, () =>
    ctx.db.transact(async (tx) => {
      const userId = await insertAccount(ctx, tx, name, passwordHash, 'away')
      const first = input.role === 'owner' && (await claimOwnership(tx, userId, ctx.clock()))
      if (input.asFirstOwner && !first) throw conflict('This server has an owner already')
      await grantRole(tx, userId, input.role, ctx.clock())
      return userId
    }),
  )
}

/** Those who sign up at the same moment wait for each other where there is a limit. @throws HttpError 403 */
async function demandRoom({ settings }: Pick<Context, 'settings'>, tx: Tx): Promise<void> {
  const { max_users: limit } = settings.current
  if (limit === 0) return
  await lockSettings(tx)
  if ((await countMembers(tx)).total >= limit) throw forbidden('This server is full')
}

async function insertAccount(
  ctx: Deps,
  tx: Tx,
  name: UsernameForms,
  passwordHash: string,
  person: 'present' | 'away',
): Promise<string> {
  const now = ctx.clock()
  const id = newId(now)
  await insertUser(tx, {
    id,
    username: name.username,
    username_key: name.key,
    username_skeleton: name.skeleton,
    password_hash: passwordHash,
    about: null,
    avatar: null,
    banner: null,
    status: person === 'present' ? 'online' : 'offline',
    chosen_status: 'online',
    created_at: now,
    updated_at: now,
    last_seen_at: person === 'present' ? now : null,
    origin_server: null,
  })
  recordActivity(tx, { type: 'user_joined', userId: id, at: now })
  return id
}

/** The unique indexes decide who was first; says which rule the name broke. */
export async function storing<T>(
  ctx: Pick<Context, 'db'>,
  name: UsernameForms,
  store: () => Promise<T>,
): Promise<T> {
  try {
    return await store()
  } catch (error) {
    if (!isUniqueViolation(error, 'username')) throw error
    // A name that is taken looks taken too: which index is broken first differs between the databases.
    const taken = await findUserByName(ctx.db.read, name.key)
    throw conflict(
      taken
        ? `The username '${name.username}' is already taken`
        : `The username '${name.username}' looks like one that is already taken`,
    )
  }
}
