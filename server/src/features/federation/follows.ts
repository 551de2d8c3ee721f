import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, HttpError, notFound } from '#http/errors.ts'
import { newId } from '#lib/id.ts'
import { followActivity, rejectActivity, undoFollowActivity } from './activities.ts'
import { enqueueDelivery } from './delivery/enqueue.ts'
import { resolvePerson } from './people.ts'
import type { RemoteActor } from './remote-actor.ts'
import { ensureRemoteActor } from './store/actors.ts'
import { isBlockedBy } from './store/blocks.ts'
import { findFollow, listFollows, putFollow, removeFollows } from './store/follows.ts'
import { isEnabled } from './store/people.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'keyring' | 'instance' | 'federation'>

/** How long somebody who follows waits to hear whether the other server takes it. */
const PATIENCE_MS = 5_000

/** What two people have with each other besides conversations, in order. */
export function laneOf(userId: string, actorId: string): string {
  return `${userId} ${actorId}`
}

export interface Followed {
  readonly activityId: string
  readonly targetActor: string
  readonly inbox: string
  /** Whether the other server has taken it; otherwise it is tried again until it does. */
  readonly delivered: boolean
}

/**
 * Asks somebody on another server to be told what they publish.
 *
 * @throws HttpError 400 when that cannot be done, for whatever reason
 */
export async function followRemote(ctx: Deps, actor: Actor, handle: string): Promise<Followed> {
  const target = await resolveOr400(ctx, handle)
  if (!(await isEnabled(ctx.db.read, actor.userId))) throw badRequest('You are not known to other servers')
  if (await isBlockedBy(ctx.db.read, actor.userId, target.id))
    throw badRequest('They do not want to be followed')
  const deliveryId = newId(ctx.clock())
  const outcome = ctx.federation.outcomes.of(deliveryId, PATIENCE_MS)
  const activityId = await ctx.db.transact(async (tx) => {
    await ensureRemoteActor(tx, ctx.federation.actors.rowOf(target, ctx.clock()))
    return requestFollow(ctx, tx, { userId: actor.userId, target, deliveryId })
  })
  const known = await outcome
  if (known?.kind === 'refused') {
    await ctx.db.transact((tx) =>
      removeFollows(tx, { user_id: actor.userId, actor_id: target.id, activity_id: activityId }),
    )
    throw badRequest(`The other server refused it: ${known.reason}`)
  }
  return { activityId, targetActor: target.id, inbox: target.inbox, delivered: known?.kind === 'delivered' }
}

/** Writes a Follow down and puts it on its way. @returns its id */
export async function requestFollow(
  ctx: Pick<Context, 'clock' | 'keyring' | 'instance'>,
  tx: Tx,
  { userId, target, deliveryId }: { userId: string; target: RemoteActor; deliveryId?: string },
): Promise<string> {
  const now = ctx.clock()
  const activity = followActivity(ctx.instance.origin, userId, target.id, now)
  await putFollow(tx, {
    user_id: userId,
    actor_id: target.id,
    direction: 'out',
    activity_id: activity.id,
    state: 'pending',
    created_at: now,
    updated_at: now,
  })
  enqueueDelivery(ctx, tx, {
    senderId: userId,
    inbox: target.inbox,
    lane: laneOf(userId, target.id),
    activity,
    ...(deliveryId !== undefined && { id: deliveryId }),
  })
  return activity.id
}

/** Ends a follow. @throws HttpError 400 no handle, 404 when there is none */
export async function unfollowRemote(ctx: Deps, actor: Actor, handle: string): Promise<void> {
  const target = await resolveOr400(ctx, handle)
  await ctx.db.transact(async (tx) => {
    if (!(await withdrawFollow(ctx, tx, actor.userId, target))) throw notFound('A follow of this person')
  })
}

/** Takes back a Follow of somebody here. @returns false if there is none */
export async function withdrawFollow(
  ctx: Pick<Context, 'clock' | 'keyring' | 'instance'>,
  tx: Tx,
  userId: string,
  target: Pick<RemoteActor, 'id' | 'inbox'>,
): Promise<boolean> {
  const key = { user_id: userId, actor_id: target.id, direction: 'out' } as const
  const follow = await findFollow(tx, key)
  if (!follow) return false
  await removeFollows(tx, key)
  const now = ctx.clock()
  enqueueDelivery(ctx, tx, {
    senderId: userId,
    inbox: target.inbox,
    lane: laneOf(userId, target.id),
    activity: undoFollowActivity(
      ctx.instance.origin,
      userId,
      { id: follow.activity_id, target: target.id },
      now,
    ),
  })
  return true
}

/** Ends what follows there are between somebody here and somebody elsewhere, and says so. */
export async function cutFollows(
  ctx: Pick<Context, 'clock' | 'keyring' | 'instance'>,
  tx: Tx,
  userId: string,
  other: Pick<RemoteActor, 'id' | 'inbox'>,
): Promise<void> {
  await withdrawFollow(ctx, tx, userId, other)
  for (const follow of await removeFollows(tx, { user_id: userId, actor_id: other.id, direction: 'in' })) {
    const ref = { id: follow.activity_id, actor: other.id }
    enqueueDelivery(ctx, tx, {
      senderId: userId,
      inbox: other.inbox,
      lane: laneOf(userId, other.id),
      activity: rejectActivity(ctx.instance.origin, userId, ref, ctx.clock()),
    })
  }
}

/** Whom somebody follows on other servers, and who follows them from there. */
export async function followsOf(ctx: Pick<Context, 'db'>, userId: string) {
  const [following, followers] = await Promise.all(
    (['out', 'in'] as const).map((direction) => listFollows(ctx.db.read, userId, direction)),
  )
  return { following: following!, followers: followers! }
}

/** Clients of this route know one status for all that can go wrong. */
async function resolveOr400(ctx: Deps, handle: string): Promise<RemoteActor> {
  try {
    return await resolvePerson(ctx, handle)
  } catch (error) {
    if (error instanceof HttpError && error.status !== 500) {
      throw new HttpError(400, error.detail, { cause: error })
    }
    throw error
  }
}
