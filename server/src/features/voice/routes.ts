import type { Context } from '#context'
import { ChannelParams } from '#features/channels/index.ts'
import type { Api } from '#http/endpoint.ts'
import { badRequest, HttpError } from '#http/errors.ts'
import { ErrorAnswer } from '#http/schemas.ts'
import { z } from 'zod'
import { connectionAnswer } from './connection.ts'
import { joinVoice, type Joined } from './join.ts'
import { leaveVoice } from './leave.ts'
import { sessionRoutes } from './session-routes.ts'
import { AudioJoined, AudioLeft, AudioStatus, JoinAudioInput } from './schema.ts'
import { SIGNALLING_PATH } from './signalling.ts'
import { channelStatus } from './status.ts'

const tag = 'Voice'

export function voiceRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/channels/:channel_id/join-audio',
      tag,
      summary: 'Join a voice channel',
      description:
        'The caller counts as there at once, and leaves any other voice channel. Media is agreed on at the ' +
        'signalling socket (docs/voice-protocol.md), or here, when the request has an SDP offer.',
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      input: JoinAudioInput,
      placement: 'query or body',
      answers: { 200: AudioJoined },
      errors: [404, 409],
    },
    async ({ actor, params, input }) => {
      const joined = await joinVoice(ctx, actor, params.channel_id, { profile: 'balanced' })
      const { ice_servers, ...connection } = connectionAnswer(ctx, actor.userId, joined)
      const sdp =
        input.sdp === undefined ? undefined : await answerDirectly(ctx, actor.userId, joined, input.sdp)
      return {
        channel_id: params.channel_id,
        user_id: actor.userId,
        participants: joined.participantCount,
        participant_count: joined.participantCount,
        webrtc_config: {
          backend: 'sfu_v2' as const,
          ...connection,
          ice_servers: ice_servers.map(({ urls }) => urls),
          ice_servers_raw: ice_servers,
          quality_profile: joined.session.quality_profile as 'balanced',
        },
        ...(sdp !== undefined && { sdp_answer: { type: 'answer' as const, sdp } }),
        token: null,
        room_name: null,
        proxy: null,
        error: null,
      }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/channels/:channel_id/leave-audio',
      tag,
      summary: 'Leave a voice channel',
      description: 'The last one who leaves ends the voice session.',
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      answers: { 200: AudioLeft },
      errors: [404],
    },
    async ({ actor, params }) => {
      const { session } = await channelStatus(ctx, actor, params.channel_id)
      if (!session) throw badRequest('There is no active voice session in this channel')
      const left = await leaveVoice(ctx, { sessionId: session.id, userId: actor.userId }, 'left')
      if (!left) throw badRequest('You are not a participant of the voice session')
      return {
        message: 'Successfully left voice channel',
        session_id: session.id,
        participant_count: left.participantCount,
        session_ended: left.sessionEnded,
      }
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/channels/:channel_id/audio-status',
      tag,
      summary: 'Who is in a voice channel',
      description: 'Those who have left the running voice session are listed too.',
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      answers: { 200: AudioStatus },
      errors: [404],
    },
    async ({ actor, params }) => {
      const { session, participants, participantCount } = await channelStatus(ctx, actor, params.channel_id)
      return {
        channel_id: params.channel_id,
        room_name: session?.id ?? null,
        participants,
        participant_count: participantCount,
        error: null,
      }
    },
  )

  sessionRoutes(api, ctx)
  describeSignalling(api)
}

/** An offer that came with the request is answered with it; what is no offer undoes the join. @throws HttpError 400 */
async function answerDirectly(
  ctx: Context,
  userId: string,
  { session }: Joined,
  offer: string,
): Promise<string> {
  const participant = ctx.voice.participant(session.id, userId)
  if (!participant) throw badRequest('You have left the voice channel')
  await ctx.voice.settled(participant)
  await ctx.voice.connect(participant, undefined, 'answer only')
  const result = await ctx.sfu.offer(participant.peer ?? '', offer)
  if ('refused' in result) {
    await ctx.voice.leave(participant, 'the offer was refused')
    throw badRequest(`The offer cannot be used: ${result.refused}`)
  }
  return result.sdp!
}

/** Describes the socket; the upgrade itself never comes this way. */
function describeSignalling(api: Api): void {
  api.endpoint(
    {
      method: 'GET',
      path: SIGNALLING_PATH,
      tag: 'WebSocket',
      summary: 'Signalling socket of voice channels',
      description: 'Frames are described in docs/voice-protocol.md. A plain GET answers 426.',
      access: 'public',
      bucket: 'messages',
      input: z.object({
        join_token: z.string().optional().meta({ description: 'From joining; good once.' }),
        resume_token: z
          .string()
          .optional()
          .meta({ description: 'From the frame `joined`, after the socket was lost.' }),
        slots: z
          .string()
          .optional()
          .meta({ description: 'So many media sections for others, offered once.' }),
      }),
      answers: { 426: ErrorAnswer },
    },
    () => {
      throw new HttpError(426, 'This address speaks WebSocket')
    },
  )
}
