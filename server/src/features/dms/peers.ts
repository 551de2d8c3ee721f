import type { Context } from '#context'
import type { UserTable } from '#db/tables.ts'
import { findUser, findUserByName, foldCase } from '#features/accounts/index.ts'
import { badRequest, type HttpError } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import type { RemotePeer } from './remote.ts'

/** Somebody a direct message can be sent to. */
export interface Peer {
  readonly userId: string
  readonly username: string
  readonly actorUri: string
  /** Set for people on other servers. */
  readonly remote: RemotePeer | undefined
}

type Deps = Pick<Context, 'db' | 'instance' | 'conversations'>

/**
 * Finds whom a client means: by user id, by username, by the address of an actor, or by a handle, in this order.
 *
 * @throws HttpError 400 when there is nobody
 */
export async function resolvePeer(ctx: Deps, text: string): Promise<Peer> {
  const name = text.trim()
  const user =
    (isId(name) ? await findUser(ctx.db.read, name) : undefined) ??
    (await findUserByName(ctx.db.read, foldCase(name)))
  if (user) return peerOf(ctx, user)
  const own = ownActor(ctx, name)
  if (own !== undefined) {
    const local = isId(own)
      ? await findUser(ctx.db.read, own)
      : await findUserByName(ctx.db.read, foldCase(own))
    if (local) return peerOf(ctx, local)
    throw nobody(name)
  }
  if (!isAddress(name)) throw nobody(name)
  const { remote } = ctx.conversations
  if (!remote) throw unreachable()
  return asPeer(await remote.resolve(name))
}

/** Somebody of whom the account is known. */
async function peerOf(ctx: Deps, user: UserTable): Promise<Peer> {
  if (user.origin_server !== null) {
    const remote = await ctx.conversations.remote?.find(user.id)
    if (!remote) throw unreachable()
    return asPeer(remote)
  }
  return {
    userId: user.id,
    username: user.username,
    actorUri: localActorUri(ctx, user.id),
    remote: undefined,
  }
}

/** The address of a local person's actor. */
export function localActorUri({ instance }: Pick<Context, 'instance'>, userId: string): string {
  return `${instance.origin}/ap/users/${userId}`
}

function asPeer(remote: RemotePeer): Peer {
  return { userId: remote.userId, username: remote.username, actorUri: remote.actorUri, remote }
}

/** The user id or name in an address that names this very server. */
function ownActor({ instance }: Pick<Context, 'instance'>, text: string): string | undefined {
  const actors = `${instance.origin}/ap/users/`
  if (text.startsWith(actors)) return text.slice(actors.length)
  const handle = /^(?:acct:|@)?([^@\s]+)@([^@\s]+)$/.exec(text)
  return handle?.[2]!.toLowerCase() === instance.host ? handle?.[1] : undefined
}

function isAddress(text: string): boolean {
  return /^https?:\/\/\S+$/i.test(text) || /^(?:acct:|@)?[^@\s]+@[^@\s]+$/i.test(text)
}

function unreachable(): HttpError {
  return badRequest('Direct messages do not reach this person: they are on another server')
}

function nobody(name: string): HttpError {
  return badRequest(`There is nobody called '${name.slice(0, 64)}' here`)
}
