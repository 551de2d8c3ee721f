import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import { notFound } from '#http/errors.ts'
import { acceptActivity } from '../activities.ts'
import { enqueueDelivery } from '../delivery/enqueue.ts'
import { laneOf } from '../follows.ts'
import { idInActorUrl } from '../identity.ts'
import { idOf, isObject, typeAmong } from '../json.ts'
import type { RemoteActor } from '../remote-actor.ts'
import { markActorGone, ensureRemoteActor } from '../store/actors.ts'
import { blockPerson, unblockPerson } from '../store/blocks.ts'
import { answerFollow, putFollow, removeFollows } from '../store/follows.ts'
import { markSeen } from '../store/seen.ts'
import type { Activity } from './activity.ts'

/** Who says something that is proven to be theirs. */
export interface ProvenActivity {
  readonly actor: RemoteActor
  readonly activity: Activity
  readonly ownerId: string | undefined
}

/** What an activity did, in a word. */
export interface Applied {
  readonly action: string
}

export type ApplyDeps = Pick<Context, 'db' | 'clock' | 'keyring' | 'instance' | 'federation' | 'log' | 'jobs'>

const IGNORED: Applied = { action: 'ignored' }

/**
 * Lets an activity take effect, once. That it did is a row of the same transaction.
 *
 * @throws HttpError 404 for a Follow of nobody
 */
export async function applyActivity(ctx: ApplyDeps, proven: ProvenActivity): Promise<Applied> {
  const { activity, actor } = proven
  const effect = await prepare(ctx, proven)
  if (!effect) return IGNORED
  const now = ctx.clock()
  const applied = await ctx.db.transact(async (tx) => {
    if (!(await markSeen(tx, actor.id, activity.id, now))) return { action: 'duplicate' }
    return effect(tx, now)
  })
  if (applied.action === 'actor_updated') refresh(ctx, actor.id)
  if (applied.action === 'actor_deleted') ctx.federation.actors.forget(actor.id)
  return applied
}

type Effect = (tx: Tx, now: number) => Promise<Applied>

/** What an activity would do. Undefined: nothing, and it is not worth remembering. */
async function prepare(ctx: ApplyDeps, proven: ProvenActivity): Promise<Effect | undefined> {
  const { activity, actor } = proven
  switch (activity.type) {
    case 'Follow':
      return follow(ctx, proven)
    case 'Accept':
    case 'Reject':
      return answer(ctx, proven, activity.type === 'Accept' ? 'accepted' : 'rejected')
    case 'Undo':
      return undo(ctx, proven)
    case 'Block':
      return block(ctx, proven)
    case 'Update':
      return idOf(activity.object) === actor.id ? async () => ({ action: 'actor_updated' }) : undefined
    case 'Delete':
      return idOf(activity.object) === actor.id ? deleteActor(actor) : undefined
    case 'Move':
      return move(proven)
    case 'Create':
    case 'Read':
    case undefined:
      return undefined
  }
}

async function follow(
  ctx: ApplyDeps,
  { activity, actor, ownerId }: ProvenActivity,
): Promise<Effect | undefined> {
  const userId = localIdOf(ctx, activity.object) ?? (activity.object === undefined ? ownerId : undefined)
  const target = userId === undefined ? undefined : await ctx.federation.local.byId(userId)
  if (!target || target.kind !== 'person') throw notFound('Actor')
  return async (tx, now) => {
    await ensureRemoteActor(tx, ctx.federation.actors.rowOf(actor, now))
    await putFollow(tx, {
      user_id: target.id,
      actor_id: actor.id,
      direction: 'in',
      activity_id: activity.id,
      state: 'accepted',
      created_at: now,
      updated_at: now,
    })
    enqueueDelivery(ctx, tx, {
      senderId: target.id,
      inbox: actor.inbox,
      lane: laneOf(target.id, actor.id),
      activity: acceptActivity(ctx.instance.origin, target.id, activity, now),
    })
    return { action: 'accepted' }
  }
}

/** Only who was asked can answer, and only for what was asked. */
function answer(
  ctx: ApplyDeps,
  { activity, actor }: ProvenActivity,
  state: 'accepted' | 'rejected',
): Effect | undefined {
  const activityId = idOf(activity.object)
  if (activityId === undefined) return undefined
  return async (tx, now) => {
    const known = await answerFollow(tx, { actorId: actor.id, activityId }, state, now)
    return known ? { action: `follow_marked_${state}` } : IGNORED
  }
}

function undo(ctx: ApplyDeps, { activity, actor }: ProvenActivity): Effect | undefined {
  const { object } = activity
  const activityId = idOf(object)
  const embedded = isObject(object) ? object : undefined
  if (embedded && idOf(embedded['actor']) !== undefined && idOf(embedded['actor']) !== actor.id)
    return undefined
  const kind = embedded && typeAmong(embedded, UNDONE)
  const userId = embedded && localIdOf(ctx, embedded['object'])
  return async (tx) => {
    if (kind === 'Block') {
      return userId !== undefined && (await unblockPerson(tx, userId, actor.id))
        ? { action: 'block_undone' }
        : IGNORED
    }
    const which = { actor_id: actor.id, direction: 'in' } as const
    const removed =
      userId !== undefined && kind === 'Follow'
        ? await removeFollows(tx, { ...which, user_id: userId })
        : activityId === undefined
          ? []
          : await removeFollows(tx, { ...which, activity_id: activityId })
    return removed.length > 0 ? { action: 'follow_undone' } : IGNORED
  }
}

const UNDONE = new Set(['Follow', 'Block'] as const)

/** Somebody elsewhere wants nothing to do with somebody here. */
function block(ctx: ApplyDeps, { activity, actor }: ProvenActivity): Effect | undefined {
  const userId = localIdOf(ctx, activity.object)
  if (userId === undefined) return undefined
  return async (tx, now) => {
    await ensureRemoteActor(tx, ctx.federation.actors.rowOf(actor, now))
    if (!(await blockPerson(tx, { userId, actorId: actor.id, now }))) return IGNORED
    await removeFollows(tx, { actor_id: actor.id, user_id: userId })
    return { action: 'blocked' }
  }
}

function deleteActor(actor: RemoteActor): Effect {
  return async (tx, now) => {
    await markActorGone(tx, actor.id, now)
    await removeFollows(tx, { actor_id: actor.id })
    return { action: 'actor_deleted' }
  }
}

/** The new account must say that it is the old one's: that is asked later, of its server. */
function move({ activity, actor }: ProvenActivity): Effect | undefined {
  const target = idOf(activity.document['target'])
  if (idOf(activity.object) !== actor.id || target === undefined) return undefined
  return async (tx) => {
    tx.enqueue({
      type: 'federation.move',
      payload: { from: actor.id, to: target },
      key: `federation.move ${actor.id}`,
    })
    return { action: 'move_noted' }
  }
}

/** Asks again for an actor that says it has changed, without anybody waiting for it. */
function refresh(ctx: ApplyDeps, actorId: string): void {
  ctx.federation.actors.refetch(actorId).catch((error: unknown) => {
    ctx.log.debug({ err: error }, 'an actor that has changed could not be asked for')
  })
}

function localIdOf(ctx: ApplyDeps, object: unknown): string | undefined {
  const url = idOf(object)
  return url === undefined ? undefined : idInActorUrl(ctx.instance.origin, url)
}
