import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { isoTime } from '#lib/clock.ts'
import type { Right } from '#lib/rights.ts'
import { deleteRecentMessages } from './clean-up.ts'
import { reportRoutes } from './report-routes.ts'
import { ban, endTimeout, kick, timeOut, unban } from './restrict.ts'
import {
  BanInput,
  CleanedUp,
  CleanUpInput,
  Kicked,
  ReasonInput,
  targetAnswer,
  TimedOut,
  TimeoutInput,
  UserParams,
} from './schema.ts'

const RANK = 'The person must rank below the caller; owners cannot be moderated.'

/** What all routes have in common that do something to somebody. */
function onUser<const R extends Right>(act: string, right: R) {
  return {
    path: `/api/v1/moderation/users/:user_id/${act}`,
    tag: 'Moderation',
    access: right,
    bucket: 'default',
    params: UserParams,
    errors: [404],
  } as const
}

export function moderationRoutes(
  api: Api,
  ctx: Pick<Context, 'db' | 'clock' | 'messages' | 'notifications'>,
): void {
  banRoutes(api, ctx)
  timeoutRoutes(api, ctx)

  api.endpoint(
    {
      ...onUser('kick', 'ban_users'),
      method: 'POST',
      summary: 'End all sessions of somebody',
      description: `They may sign in again. ${RANK}`,
      input: ReasonInput,
      answers: { 200: Kicked },
    },
    async ({ actor, params: { user_id: id }, input }) => {
      const ended = await kick(ctx, actor, id, input.reason)
      return { message: 'User kicked successfully', target_user_id: id, ended_sessions: ended }
    },
  )

  api.endpoint(
    {
      ...onUser('messages/delete', 'delete_messages'),
      method: 'POST',
      summary: 'Delete what somebody sent lately',
      description:
        `Newest first, wherever the caller has \`delete_messages\`, never in direct conversations. Sockets get a ` +
        `frame for each message. ${RANK}`,
      input: CleanUpInput,
      answers: { 200: CleanedUp },
    },
    async ({ actor, params: { user_id: id }, input }) => {
      const { minutes, limit } = input
      const which = { minutes, channelId: input.channel_id || undefined, limit }
      const { deleted, more } = await deleteRecentMessages(ctx, actor, id, which)
      return { message: 'Messages deleted successfully', target_user_id: id, deleted_count: deleted, more }
    },
  )

  reportRoutes(api, ctx)
}

function banRoutes(api: Api, ctx: Pick<Context, 'db' | 'clock'>): void {
  const common = onUser('ban', 'ban_users')
  api.endpoint(
    {
      ...common,
      method: 'POST',
      summary: 'Ban somebody from the server',
      description: `Their sessions and sockets end at once, and signing in answers 403. ${RANK}`,
      input: BanInput,
      answers: { 201: targetAnswer(201, 'User banned successfully') },
    },
    async ({ actor, params: { user_id: id }, input }) => {
      await ban(ctx, actor, id, { reason: input.reason, minutes: input.duration_minutes ?? undefined })
      return { message: 'User banned successfully', target_user_id: id }
    },
  )
  api.endpoint(
    {
      ...common,
      method: 'DELETE',
      summary: 'Let somebody come back',
      answers: { 200: targetAnswer(200, 'User unbanned successfully') },
    },
    async ({ actor, params: { user_id: id } }) => {
      await unban(ctx, actor, id)
      return { message: 'User unbanned successfully', target_user_id: id }
    },
  )
}

function timeoutRoutes(api: Api, ctx: Pick<Context, 'db' | 'clock'>): void {
  const common = onUser('timeout', 'mute_users')
  api.endpoint(
    {
      ...common,
      method: 'POST',
      summary: 'Keep somebody from sending for a while',
      description: `They may still read. A second timeout takes the place of the first. ${RANK}`,
      input: TimeoutInput,
      answers: { 201: TimedOut },
    },
    async ({ actor, params: { user_id: id }, input }) => {
      const until = await timeOut(ctx, actor, id, { reason: input.reason, minutes: input.duration_minutes })
      return { message: 'User timed out successfully', target_user_id: id, expires_at: isoTime(until) }
    },
  )
  api.endpoint(
    {
      ...common,
      method: 'DELETE',
      summary: 'End a timeout early',
      answers: { 200: targetAnswer(200, 'Timeout removed successfully') },
    },
    async ({ actor, params: { user_id: id } }) => {
      await endTimeout(ctx, actor, id)
      return { message: 'Timeout removed successfully', target_user_id: id }
    },
  )
}
