import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { messageAnswer } from '#http/schemas.ts'
import { isoTime } from '#lib/clock.ts'
import { followRemote, followsOf, unfollowRemote } from './follows.ts'
import { remotePersonToWire } from './people.ts'
import type { RemoteActor } from './remote-actor.ts'
import { FollowAnswer, FollowInput, FollowList } from './schema.ts'

const tag = 'Federation'
const UNFOLLOWED = 'The follow was ended'

export function followRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/federation/follow',
      tag,
      summary: 'Follow somebody on another server',
      description:
        'Waits a few seconds for the other server. If it cannot be reached, the follow is delivered later. Whatever ' +
        'goes wrong is 400.',
      access: 'user',
      bucket: 'default',
      input: FollowInput,
      answers: { 200: FollowAnswer },
      errors: [400],
    },
    async ({ actor, input }) => {
      const followed = await followRemote(ctx, actor, input.remote_handle)
      return {
        message: followed.delivered ? 'Follow activity delivered' : 'Follow activity queued',
        result: {
          activity_id: followed.activityId,
          target_actor: followed.targetActor,
          delivery_target: followed.inbox,
        },
      }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/federation/unfollow',
      tag,
      summary: 'Stop following somebody on another server',
      access: 'user',
      bucket: 'default',
      input: FollowInput,
      answers: { 200: messageAnswer(200, UNFOLLOWED) },
      errors: [400, 404],
    },
    async ({ actor, input }) => {
      await unfollowRemote(ctx, actor, input.remote_handle)
      return { message: UNFOLLOWED }
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/federation/follows',
      tag,
      summary: 'Whom the caller follows on other servers, and who follows them from there',
      access: 'user',
      bucket: 'default',
      answers: { 200: FollowList },
    },
    async ({ actor }) => {
      const { following, followers } = await followsOf(ctx, actor.userId)
      return { following: following.map(followToWire), followers: followers.map(followToWire) }
    },
  )
}

function followToWire(row: Awaited<ReturnType<typeof followsOf>>['following'][number]) {
  const actor = JSON.parse(row.document) as RemoteActor
  return { ...remotePersonToWire(actor), state: row.state, since: isoTime(row.created_at) }
}
