import type { Context } from '#context'
import type { VoiceSessionTable } from '#db/tables.ts'
import { ChannelParams } from '#features/channels/index.ts'
import type { Api } from '#http/endpoint.ts'
import { badRequest, HttpError } from '#http/errors.ts'
import { connectionAnswer, signallingUrl } from './connection.ts'
import { joinVoice } from './join.ts'
import { leaveVoice } from './leave.ts'
import { changeLimits } from './limits.ts'
import { moderateVoice } from './moderate.ts'
import type { QualityProfile } from './policy.ts'
import {
  ActionDone,
  ActionInput,
  Limits,
  LimitsInput,
  Moderated,
  ModerateInput,
  ParticipantList,
  SessionInput,
  SessionJoined,
  SessionLeft,
  SessionParams,
  VoiceSession,
} from './schema.ts'
import { accessSession, channelStatus, sessionStatus } from './status.ts'

const tag = 'Voice'
/** What a client may say about itself. Devices are its own affair: that it chose one changes nothing here. */
const actions: readonly string[] = ['mute_self', 'deafen_self', 'set_input_device', 'set_output_device']

/** The second form of the voice routes, which speaks of sessions. */
export function sessionRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v2/voice/channels/:channel_id/sessions',
      tag,
      summary: 'Join a voice channel, with a quality profile',
      description: 'The profile of the first who joins counts for the session.',
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      input: SessionInput,
      placement: 'query or body',
      answers: { 200: SessionJoined },
      errors: [404, 409],
    },
    async ({ actor, params, input }) => {
      const joined = await joinVoice(ctx, actor, params.channel_id, { profile: input.quality_profile })
      return {
        channel_id: params.channel_id,
        ...connectionAnswer(ctx, actor.userId, joined),
        participant_count: joined.participantCount,
        quality_profile: profileOf(joined.session),
        backend: 'sfu_v2' as const,
      }
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v2/voice/channels/:channel_id/participants',
      tag,
      summary: 'Those who are in a voice channel now',
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      answers: { 200: ParticipantList },
      errors: [404],
    },
    async ({ actor, params }) => {
      const { session, participants, participantCount } = await channelStatus(ctx, actor, params.channel_id)
      return {
        channel_id: params.channel_id,
        participants: participants.filter(({ is_connected }) => is_connected),
        participant_count: participantCount,
        session_id: session?.id ?? null,
      }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v2/voice/sessions/:session_id/leave',
      tag,
      summary: 'Leave a voice session',
      access: 'user',
      bucket: 'default',
      params: SessionParams,
      answers: { 200: SessionLeft },
    },
    async ({ actor, params: { session_id: sessionId } }) => {
      await knownSession(ctx, actor, sessionId)
      const left = await leaveVoice(ctx, { sessionId, userId: actor.userId }, 'left')
      if (!left) throw badRequest('You are not in this voice session')
      return {
        message: 'Successfully left voice channel',
        session_id: sessionId,
        channel_id: left.channelId,
        participant_count: left.participantCount,
        session_ended: left.sessionEnded,
      }
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v2/voice/sessions/:session_id',
      tag,
      summary: 'A voice session and who is or was in it',
      access: 'user',
      bucket: 'default',
      params: SessionParams,
      answers: { 200: VoiceSession },
      errors: [404],
    },
    async ({ actor, params }) => {
      const { session, participants, participantCount } = await sessionStatus(ctx, actor, params.session_id)
      return {
        session_id: session!.id,
        channel_id: session!.channel_id,
        is_active: session!.ended_at === null,
        quality_profile: profileOf(session!),
        backend: 'sfu_v2' as const,
        signaling_url: signallingUrl(ctx),
        participants,
        participant_count: participantCount,
      }
    },
  )

  actionRoutes(api, ctx)
}

function actionRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v2/voice/sessions/:session_id/actions',
      tag,
      summary: 'Mute or deafen oneself',
      description:
        'The server stops forwarding, whatever the client still sends. Choice of devices is only told to others.',
      access: 'user',
      bucket: 'default',
      params: SessionParams,
      input: ActionInput,
      answers: { 200: ActionDone },
    },
    async ({ actor, params: { session_id: sessionId }, input: { action, payload } }) => {
      await knownSession(ctx, actor, sessionId)
      const participant = ctx.voice.participant(sessionId, actor.userId)
      if (!participant) throw badRequest('You are not in this voice session')
      if (!actions.includes(action)) throw badRequest(`The action must be one of: ${actions.join(', ')}`)
      const value = payload['value'] ?? true
      if (action.endsWith('_self') && typeof value !== 'boolean')
        throw badRequest('payload.value must be true or false')
      if (action === 'mute_self') ctx.voice.setOwn(participant, { muted: value === true }, action)
      if (action === 'deafen_self') ctx.voice.setOwn(participant, { deafened: value === true }, action)
      const { isMuted, isDeafened, isSpeaking } = participant.state
      return {
        session_id: sessionId,
        user_id: actor.userId,
        action,
        is_muted: isMuted,
        is_deafened: isDeafened,
        is_speaking: isSpeaking,
      }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v2/voice/sessions/:session_id/moderate',
      tag,
      summary: 'Mute, deafen, remove or move somebody else',
      description:
        'Acts on running media at once. A mute stays with the person, also in other channels, until it is lifted. ' +
        'Needs the privilege `mute_members` in the channel and a higher rank than theirs.',
      access: 'user',
      bucket: 'default',
      params: SessionParams,
      input: ModerateInput,
      answers: { 200: Moderated },
      errors: [404, 409],
    },
    async ({ actor, params: { session_id: sessionId }, input }) => {
      const { muted, deafened } = await moderateVoice(ctx, actor, {
        sessionId,
        userId: input.user_id,
        action: input.action,
        toChannelId: input.to_channel_id,
      })
      return {
        message: 'Done',
        session_id: sessionId,
        user_id: input.user_id,
        action: input.action,
        is_server_muted: muted,
        is_server_deafened: deafened,
      }
    },
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v2/voice/channels/:channel_id/limits',
      tag,
      summary: 'Limit how many people may be in a voice channel, and their bitrate',
      description: 'Needs the privilege `edit_channels` in the channel.',
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      input: LimitsInput,
      answers: { 200: Limits },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      const { max_participants, bitrate_kbps } = input
      const row = await changeLimits(ctx, actor, params.channel_id, {
        ...(max_participants !== undefined && { max_participants }),
        ...(bitrate_kbps !== undefined && { bitrate_kbps }),
      })
      const { channel_id } = row
      return { channel_id, max_participants: row.max_participants, bitrate_kbps: row.bitrate_kbps }
    },
  )
}

/** These routes say 400, not 404, for a session that is unknown, as existing clients know them. */
async function knownSession(
  ctx: Context,
  actor: Parameters<typeof accessSession>[1],
  id: string,
): Promise<void> {
  try {
    await accessSession(ctx.db.read, actor, id)
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) throw badRequest('There is no such voice session')
    throw error
  }
}

function profileOf({ quality_profile }: VoiceSessionTable): QualityProfile {
  return quality_profile as QualityProfile
}
