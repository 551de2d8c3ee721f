import { HttpError, notFound } from '#http/errors.ts'
import { PeerError } from '../errors.ts'
import { idOf, JsonError } from '../json.ts'
import type { KnownActor } from '../remote-actors.ts'
import { fieldsOf, readClaim, SignatureError, verifyClaim, type SignatureClaim } from '../signatures/index.ts'
import { commonHost, parseActivity, type Activity } from './activity.ts'
import { applyActivity, type ApplyDeps } from './apply.ts'
import type { Applied } from './effect.ts'

/** A request to an inbox, as it came. */
export interface IncomingRequest {
  readonly rawHeaders: readonly string[]
  /** Path and query. */
  readonly path: string
  readonly body: Uint8Array
  /** Whose inbox; undefined for the shared one. */
  readonly ownerId: string | undefined
}

/** What became of an activity. */
export interface Received extends Applied {
  readonly type: string
}

type Deps = ApplyDeps

/**
 * Takes an activity in. The order is what keeps strangers from making this server work: nothing is fetched before
 * everything that costs nothing has been checked, and nothing is believed before the signature has.
 *
 * @throws HttpError 400, 401, 403, 404, 429, 503
 */
export async function receive(ctx: Deps, request: IncomingRequest): Promise<Received> {
  const { federation, instance, clock, config } = ctx
  if (request.ownerId !== undefined && !(await federation.local.byId(request.ownerId))) {
    throw notFound('Actor', request.ownerId)
  }
  const now = clock()
  const claim = claimOf(ctx, request, now)
  const activity = activityOf(request.body)
  const host = commonHost(activity, claim.keyId, { allowHttp: config.federation.allow_private })
  if (host === undefined || host === instance.host) {
    throw refused('actor, activity and key are not of one other server')
  }
  if (!federation.policy.verdict(host).allowed) {
    throw new HttpError(403, 'This server does not talk to that one')
  }
  const waitMs = federation.inboxBudget.wait(host, now)
  if (waitMs > 0) throw tooMany(waitMs)

  // Servers tell everybody they know of each account that is deleted: most of these we never heard of.
  const deletesItself = activity.type === 'Delete' && idOf(activity.object) === activity.actor
  if (deletesItself && !(await federation.actors.recall(activity.actor))) {
    return { type: activity.statedType, action: 'ignored' }
  }
  const actor = await provenActor(ctx, activity, claim, host)
  if (!federation.inboxBudget.take(host, now)) throw tooMany(1000)
  await federation.hearing.heard(host, claim, actor)
  const applied = await applyActivity(ctx, { actor: actor.actor, activity, ownerId: request.ownerId })
  return { type: activity.statedType, ...applied }
}

function claimOf(ctx: Deps, request: IncomingRequest, now: number): SignatureClaim {
  const message = {
    method: 'POST',
    // Made of our own name: that the request came to it has been checked.
    target: new URL(ctx.instance.origin + request.path),
    fields: fieldsOf(request.rawHeaders),
  }
  try {
    return readClaim(message, request.body, now)
  } catch (error) {
    if (error instanceof SignatureError) throw refused(error.message)
    throw error
  }
}

function activityOf(body: Uint8Array): Activity {
  try {
    return parseActivity(body)
  } catch (error) {
    if (error instanceof JsonError) throw new HttpError(400, `The activity cannot be read: ${error.message}`)
    throw error
  }
}

/** The actor of an activity, once the signature is proven to be theirs. */
async function provenActor(
  { federation, clock }: Deps,
  { actor: id }: Activity,
  claim: SignatureClaim,
  host: string,
): Promise<KnownActor> {
  // A stranger can name any actor of any server: we do not ask a server more often than it can bear.
  const beforeFetch = (): void => {
    if (!federation.fetchBudget.take(host, clock())) throw tooMany(federation.fetchBudget.wait(host, clock()))
  }
  try {
    const known = await federation.actors.get(id, { beforeFetch })
    if (isProven(known, claim)) return known
    const again = await federation.actors.refetch(id, { beforeFetch })
    if (again !== known && isProven(again, claim)) return again
  } catch (error) {
    throw error instanceof PeerError ? unusable(error) : error
  }
  throw refused('the signature is not one of the actor')
}

function isProven({ keys }: KnownActor, claim: SignatureClaim): boolean {
  const key = keys.get(claim.keyId)
  return key !== undefined && verifyClaim(claim, key)
}

function unusable(error: PeerError): HttpError {
  switch (error.kind) {
    case 'refused':
      return new HttpError(403, 'This server does not talk to that one', { cause: error })
    case 'unreachable':
      return new HttpError(503, `The actor cannot be asked for: ${error.message}`, {
        cause: error,
        retryAfterSeconds: 60,
      })
    case 'gone':
    case 'invalid':
      return refused(`the actor is of no use: ${error.message}`)
  }
}

function refused(reason: string): HttpError {
  return new HttpError(401, `The activity is not believed: ${reason}`)
}

function tooMany(waitMs: number): HttpError {
  return new HttpError(429, 'Too many activities from this server', {
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
  })
}
