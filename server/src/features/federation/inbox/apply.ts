import type { Db } from '#db/database.ts'
import { isBlocked } from '#features/dms/index.ts'
import { restrictionsOf } from '#features/restrictions/index.ts'
import { notFound } from '#http/errors.ts'
import { acceptActivity } from '../activities.ts'
import { enqueueDelivery } from '../delivery/enqueue.ts'
import { deleteNote, receiveNote, receiveRead, reviseNote, type DirectDeps } from '../direct/incoming.ts'
import { laneOf } from '../follows.ts'
import { idInActorUrl } from '../identity.ts'
import { idOf, isObject, typeAmong } from '../json.ts'
import type { RemoteActor } from '../remote-actor.ts'
import { ensureRemoteActor, findRemoteActor, markActorGone } from '../store/actors.ts'
import { blockPerson, unblockPerson } from '../store/blocks.ts'
import { answerFollow, putFollow, removeFollows } from '../store/follows.ts'
import { markSeen } from '../store/seen.ts'
import type { Applied, Effect, ProvenActivity } from './effect.ts'

export type ApplyDeps = DirectDeps

const IGNORED: Applied = { action: 'ignored' }
const DROPPED: Applied = { action: 'dropped' }
/** What somebody who is banned here may still do: take back what they did. */
const TAKES_BACK: ReadonlySet<string | undefined> = new Set(['Undo', 'Delete', 'Block', 'Reject'])

/**
 * Lets an activity take effect, once. That it did is a row of the same transaction.
 *
 * @throws HttpError 404 for a Follow of nobody
 */
export async function applyActivity(ctx: ApplyDeps, proven: ProvenActivity): Promise<Applied> {
  const { activity, actor } = proven
  // Nobody elsewhere is told of a ban. Looked at before anything is fetched for it, and once more when it counts.
  const isKeptOut = async (db: Db): Promise<boolean> =>
    !TAKES_BACK.has(activity.type) && (await isBanned(db, actor.id, ctx.clock()))
  if (await isKeptOut(ctx.db.read)) return DROPPED
  const effect = await prepare(ctx, proven)
  if ('action' in effect) return effect
  try {
    const now = ctx.clock()
    const applied = await ctx.db.transact(async (tx): Promise<Applied> => {
      if (!(await markSeen(tx, actor.id, activity.id, now))) return { action: 'duplicate' }
      return (await isKeptOut(tx)) ? DROPPED : effect.apply(tx, now)
    })
    if (applied.action !== 'duplicate') effect.committed?.(applied)
    return applied
  } finally {
    await effect[Symbol.asyncDispose]?.()
  }
}

async function isBanned(db: Db, actorId: string, now: number): Promise<boolean> {
  const userId = (await findRemoteActor(db, actorId))?.user_id
  return Boolean(userId && (await restrictionsOf(db, userId, now)).ban)
}

/** What an activity would do, or in a word why nothing; then it is not worth remembering. */
async function prepare(ctx: ApplyDeps, proven: ProvenActivity): Promise<Effect | Applied> {
  const { activity, actor } = proven
  const isAboutItself = idOf(activity.object) === actor.id
  switch (activity.type) {
    case 'Follow':
      return follow(ctx, proven)
    case 'Accept':
    case 'Reject':
      return answer(proven, activity.type === 'Accept' ? 'accepted' : 'rejected')
    case 'Undo':
      return undo(ctx, proven)
    case 'Block':
      return block(ctx, proven)
    case 'Create':
      return receiveNote(ctx, proven)
    case 'Update':
      return isAboutItself ? refresh(ctx, actor) : reviseNote(ctx, proven)
    case 'Delete':
      return isAboutItself ? deleteActor(ctx, actor) : deleteNote(ctx, proven)
    case 'Move':
      return isAboutItself ? move(proven) : IGNORED
    case 'Read':
      return receiveRead(ctx, proven)
    case undefined:
      return IGNORED
  }
}

async function follow(ctx: ApplyDeps, { activity, actor, ownerId }: ProvenActivity): Promise<Effect> {
  const userId = localIdOf(ctx, activity.object) ?? (activity.object === undefined ? ownerId : undefined)
  const target = userId === undefined ? undefined : await ctx.federation.local.byId(userId)
  if (!target || target.kind !== 'person') throw notFound('Actor')
  return {
    apply: async (tx, now) => {
      const row = await findRemoteActor(tx, actor.id)
      // Who is blocked is not told so.
      if (row?.user_id && (await isBlocked(tx, target.id, row.user_id))) return { action: 'dropped' }
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
    },
  }
}

/** Only who was asked can answer, and only for what was asked. */
function answer({ activity, actor }: ProvenActivity, state: 'accepted' | 'rejected'): Effect | Applied {
  const activityId = idOf(activity.object)
  if (activityId === undefined) return IGNORED
  return {
    apply: async (tx, now) => {
      const known = await answerFollow(tx, { actorId: actor.id, activityId }, state, now)
      return known ? { action: `follow_marked_${state}` } : IGNORED
    },
  }
}

const UNDONE = new Set(['Follow', 'Block'] as const)

function undo(ctx: ApplyDeps, { activity, actor }: ProvenActivity): Effect | Applied {
  const { object } = activity
  const activityId = idOf(object)
  const embedded = isObject(object) ? object : undefined
  const by = embedded && idOf(embedded['actor'])
  if (by !== undefined && by !== actor.id) return IGNORED
  const kind = embedded && typeAmong(embedded, UNDONE)
  const userId = embedded && localIdOf(ctx, embedded['object'])
  if (kind === 'Block') {
    if (userId === undefined) return IGNORED
    return {
      apply: async (tx) =>
        (await unblockPerson(tx, userId, actor.id)) ? { action: 'block_undone' } : IGNORED,
    }
  }
  return {
    apply: async (tx) => {
      const which = { actor_id: actor.id, direction: 'in' } as const
      const removed =
        kind === 'Follow' && userId !== undefined
          ? await removeFollows(tx, { ...which, user_id: userId })
          : activityId === undefined
            ? []
            : await removeFollows(tx, { ...which, activity_id: activityId })
      return removed.length > 0 ? { action: 'follow_undone' } : IGNORED
    },
  }
}

/** Somebody elsewhere wants nothing to do with somebody here. */
function block(ctx: ApplyDeps, { activity, actor }: ProvenActivity): Effect | Applied {
  const userId = localIdOf(ctx, activity.object)
  if (userId === undefined) return IGNORED
  return {
    apply: async (tx, now) => {
      await ensureRemoteActor(tx, ctx.federation.actors.rowOf(actor, now))
      if (!(await blockPerson(tx, { userId, actorId: actor.id, now }))) return IGNORED
      await removeFollows(tx, { actor_id: actor.id, user_id: userId })
      return { action: 'blocked' }
    },
  }
}

/** An actor that says it has changed is asked, without anybody waiting for it. */
function refresh(ctx: ApplyDeps, actor: RemoteActor): Effect {
  return {
    apply: async () => ({ action: 'actor_updated' }),
    committed: () => {
      ctx.federation.actors.refetch(actor.id).catch((error: unknown) => {
        ctx.log.debug({ err: error }, 'an actor that has changed could not be asked for')
      })
    },
  }
}

function deleteActor(ctx: ApplyDeps, actor: RemoteActor): Effect {
  return {
    apply: async (tx, now) => {
      await markActorGone(tx, actor.id, now)
      await removeFollows(tx, { actor_id: actor.id })
      return { action: 'actor_deleted' }
    },
    committed: () => ctx.federation.actors.forget(actor.id),
  }
}

/** The new account must say that it is the old one's: that is asked later, of its server. */
function move({ activity, actor }: ProvenActivity): Effect | Applied {
  const target = idOf(activity.document['target'])
  if (target === undefined) return IGNORED
  return {
    apply: async (tx) => {
      tx.enqueue({
        type: 'federation.move',
        payload: { from: actor.id, to: target },
        key: `federation.move ${actor.id}`,
      })
      return { action: 'move_noted' }
    },
  }
}

function localIdOf(ctx: ApplyDeps, object: unknown): string | undefined {
  const url = idOf(object)
  return url === undefined ? undefined : idInActorUrl(ctx.instance.origin, url)
}
