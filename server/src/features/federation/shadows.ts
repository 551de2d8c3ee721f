import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import { addRemotePerson, renameRemotePerson } from '#features/accounts/index.ts'
import { newId } from '#lib/id.ts'
import { isUniqueViolation } from '#db/errors.ts'
import type { RemoteActor } from './remote-actor.ts'
import { ensureRemoteActor, lockRemoteActor, setShadow } from './store/actors.ts'

type Deps = Pick<Context, 'clock' | 'federation'>

/** How people read whose actor it is. */
export function handleOf({ name, host }: Pick<RemoteActor, 'name' | 'host'>): string {
  return `${name}@${host}`
}

/**
 * The user who stands for an actor of another server here, made when the first message comes or goes. They are in no
 * list and never sign in.
 *
 * @returns the user id
 */
export async function ensureShadow(ctx: Deps, tx: Tx, actor: RemoteActor): Promise<string> {
  const now = ctx.clock()
  await ensureRemoteActor(tx, ctx.federation.actors.rowOf(actor, now))
  // Whoever else makes one for this actor waits here.
  const known = await lockRemoteActor(tx, actor.id)
  if (known !== null) return known
  const id = newId(now)
  const taken = !(await addRemotePerson(tx, { id, handle: handleOf(actor), host: actor.host, now }))
  // Two actors of one server that call themselves the same: the second one is told apart by its id.
  if (taken) await addRemotePerson(tx, { id, handle: distinctHandle(actor, id), host: actor.host, now })
  await setShadow(tx, actor.id, id)
  return id
}

/** Calls the user who stands for an actor as the actor is called now. */
export async function renameShadow(
  ctx: Pick<Context, 'db' | 'clock'>,
  userId: string,
  actor: RemoteActor,
): Promise<void> {
  const rename = (handle: string): Promise<void> =>
    ctx.db.transact((tx) => renameRemotePerson(tx, userId, handle, ctx.clock()))
  try {
    await rename(handleOf(actor))
  } catch (error) {
    if (!isUniqueViolation(error, 'username')) throw error
    await rename(distinctHandle(actor, userId))
  }
}

function distinctHandle({ name, host }: RemoteActor, userId: string): string {
  return `${name}.${userId.slice(-8)}@${host}`
}
