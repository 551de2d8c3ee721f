import { newId } from '#lib/id.ts'
import { ACTIVITY_STREAMS } from './actor-document.ts'
import { activityUrl, actorUrl, followersUrl } from './identity.ts'

/** An activity of ours, as it goes out. */
export interface OutgoingActivity {
  readonly '@context': unknown
  readonly id: string
  readonly type: string
  readonly actor: string
  readonly [member: string]: unknown
}

/** What a Follow was, as far as we repeat it: nothing else of what others wrote is ever signed by us. */
interface FollowRef {
  readonly id: string
  readonly actor: string
}

export function followActivity(
  origin: string,
  userId: string,
  target: string,
  now: number,
): OutgoingActivity {
  return activity(origin, userId, now, { type: 'Follow', object: target, to: [target] })
}

export function acceptActivity(
  origin: string,
  userId: string,
  follow: FollowRef,
  now: number,
): OutgoingActivity {
  return activity(origin, userId, now, { type: 'Accept', ...aboutFollow(origin, userId, follow) })
}

/** Does not want a follower, or does not want one any more. */
export function rejectActivity(
  origin: string,
  userId: string,
  follow: FollowRef,
  now: number,
): OutgoingActivity {
  return activity(origin, userId, now, { type: 'Reject', ...aboutFollow(origin, userId, follow) })
}

function aboutFollow(origin: string, userId: string, { id, actor }: FollowRef) {
  return { object: { id, type: 'Follow', actor, object: actorUrl(origin, userId) }, to: [actor] }
}

/** Takes back a Follow of ours. */
export function undoFollowActivity(
  origin: string,
  userId: string,
  follow: { readonly id: string; readonly target: string },
  now: number,
): OutgoingActivity {
  const object = { id: follow.id, type: 'Follow', actor: actorUrl(origin, userId), object: follow.target }
  return activity(origin, userId, now, { type: 'Undo', object, to: [follow.target] })
}

/** Somebody is called something else now, or has other keys. */
export function updateActorActivity(
  origin: string,
  userId: string,
  { '@context': context, ...object }: Readonly<Record<string, unknown>>,
  now: number,
): OutgoingActivity {
  const members = { type: 'Update', to: [followersUrl(origin, userId)], object }
  return { ...activity(origin, userId, now, members), '@context': context }
}

function activity(
  origin: string,
  userId: string,
  now: number,
  members: { readonly type: string } & Readonly<Record<string, unknown>>,
): OutgoingActivity {
  return {
    '@context': ACTIVITY_STREAMS,
    id: activityUrl(origin, newId(now)),
    actor: actorUrl(origin, userId),
    ...members,
  }
}
