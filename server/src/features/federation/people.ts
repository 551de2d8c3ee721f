import type { Context } from '#context'
import { badRequest, HttpError, notFound, unavailable } from '#http/errors.ts'
import { PeerError } from './errors.ts'
import type { RemoteActor } from './remote-actor.ts'
import { parseHandle } from './resolve.ts'
import { putEnabled } from './store/people.ts'

/**
 * Finds somebody on another server.
 *
 * @throws HttpError 400 no handle, or one of this server; 403; 404; 503
 */
export async function lookUp(ctx: Pick<Context, 'federation'>, text: string) {
  return remotePersonToWire(await resolvePerson(ctx, text))
}

/** The actor that a handle means. @throws HttpError like {@link lookUp} */
export async function resolvePerson(ctx: Pick<Context, 'federation'>, text: string): Promise<RemoteActor> {
  const handle = parseHandle(text)
  if (!handle) throw badRequest('A handle is name@host, or the address of an actor')
  ctx.federation.demandReachable()
  try {
    return (await ctx.federation.resolver.resolve(handle)).actor
  } catch (error) {
    throw error instanceof PeerError ? asHttpError(error, text) : error
  }
}

/** Shows a person to other servers, or hides them. */
export async function setEnabled(ctx: Pick<Context, 'db'>, userId: string, enabled: boolean): Promise<void> {
  await ctx.db.transact((tx) => putEnabled(tx, userId, enabled))
}

function handleOf({ name, host }: RemoteActor): string {
  return `${name}@${host}`
}

export function remotePersonToWire(actor: RemoteActor) {
  return {
    actor: actor.id,
    handle: handleOf(actor),
    username: actor.name,
    display_name: actor.displayName,
    origin_server: actor.host,
  }
}

function asHttpError(error: PeerError, text: string): HttpError {
  switch (error.kind) {
    case 'refused':
      return new HttpError(403, `This server does not talk to that one: ${error.message}`, { cause: error })
    case 'gone':
    case 'invalid':
      return new HttpError(404, `${notFound('Person', text).detail} (${error.message})`, { cause: error })
    case 'unreachable':
      return unavailable(`The other server cannot be asked: ${error.message}`, 60, error)
  }
}
