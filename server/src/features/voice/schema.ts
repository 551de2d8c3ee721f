import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'
import { moderationActions } from './moderate.ts'
import { qualityProfiles } from './policy.ts'

const ok = { status_code: z.literal(200) }
const Profile = z.enum(qualityProfiles)

const IceServer = z
  .object({
    urls: z.string().meta({ example: 'turn:turn.example.org:3478' }),
    username: z.string().optional(),
    credential: z.string().optional(),
  })
  .meta({ id: 'IceServer' })

const VoiceParticipant = z
  .object({
    user_id: z.string(),
    username: z.string(),
    is_connected: z.boolean().meta({ description: 'False for those who have left.' }),
    is_muted: z.boolean().meta({ description: 'Nobody hears them: muted by themselves or by a moderator.' }),
    is_deafened: z.boolean(),
    is_speaking: z.boolean(),
    is_server_muted: z.boolean().meta({ description: 'Muted by a moderator.' }),
    is_server_deafened: z.boolean(),
    joined_at: IsoTime.nullable(),
    disconnected_at: IsoTime.nullable(),
    connected_at: IsoTime.nullable().meta({ description: 'Since when their media is connected.' }),
  })
  .meta({ id: 'VoiceParticipant' })

export const JoinAudioInput = z.object({
  sdp: z
    .string()
    .min(1)
    .max(128 * 1024)
    .optional()
    .meta({
      description:
        'An SDP offer. With it the answer is in `sdp_answer` and no signalling socket is needed: the media ' +
        'sections of the offer are all there will be.',
    }),
})

export const AudioJoined = z.object({
  ...ok,
  channel_id: z.string(),
  user_id: z.string(),
  participants: z.number().int(),
  participant_count: z.number().int(),
  webrtc_config: z.object({
    backend: z.literal('sfu_v2'),
    session_id: z.string(),
    signaling_url: z.string().meta({ example: 'wss://chat.example.org/rtc/v1/ws' }),
    join_token: z.string().meta({ description: 'Good once, for 60 seconds.' }),
    ice_servers: z.array(z.string()),
    ice_servers_raw: z.array(IceServer),
    expires_at: IsoTime,
    quality_profile: Profile,
  }),
  sdp_answer: z.object({ type: z.literal('answer'), sdp: z.string() }).optional(),
  token: z.null(),
  room_name: z.null(),
  proxy: z.null(),
  error: z.null(),
})

export const AudioLeft = z.object({
  ...ok,
  message: z.string().meta({ example: 'Successfully left voice channel' }),
  session_id: z.string(),
  participant_count: z.number().int(),
  session_ended: z.boolean(),
})

export const AudioStatus = z.object({
  ...ok,
  channel_id: z.string(),
  room_name: z.string().nullable().meta({ description: 'The voice session; null while nobody is there.' }),
  participants: z.array(VoiceParticipant),
  participant_count: z.number().int().meta({ description: 'Those who are connected.' }),
  error: z.null(),
})

export const SessionInput = z.object({ quality_profile: Profile.default('balanced') })

export const SessionJoined = z.object({
  ...ok,
  session_id: z.string(),
  channel_id: z.string(),
  join_token: z.string(),
  signaling_url: z.string(),
  ice_servers: z.array(IceServer),
  expires_at: IsoTime,
  participant_count: z.number().int(),
  quality_profile: Profile,
  backend: z.literal('sfu_v2'),
})

export const ParticipantList = z.object({
  ...ok,
  channel_id: z.string(),
  participants: z.array(VoiceParticipant),
  participant_count: z.number().int(),
  session_id: z.string().nullable(),
})

export const SessionLeft = AudioLeft.extend({ channel_id: z.string() })

export const VoiceSession = z.object({
  ...ok,
  session_id: z.string(),
  channel_id: z.string(),
  is_active: z.boolean(),
  quality_profile: Profile,
  backend: z.literal('sfu_v2'),
  signaling_url: z.string(),
  participants: z.array(VoiceParticipant),
  participant_count: z.number().int(),
})

export const ActionInput = z.object({
  action: z.string().min(1).max(64).meta({ example: 'mute_self' }),
  payload: z.looseObject({}).default({}),
})

export const ActionDone = z.object({
  ...ok,
  session_id: z.string(),
  user_id: z.string(),
  action: z.string(),
  is_muted: z.boolean(),
  is_deafened: z.boolean(),
  is_speaking: z.boolean(),
})

export const ModerateInput = z.object({
  user_id: z.string().min(1).max(100),
  action: z.enum(moderationActions),
  to_channel_id: z.string().max(100).optional().meta({ description: 'Where to, for `move`.' }),
})

export const Moderated = z.object({
  ...ok,
  message: z.string(),
  session_id: z.string(),
  user_id: z.string(),
  action: z.string(),
  is_server_muted: z.boolean(),
  is_server_deafened: z.boolean(),
})

export const LimitsInput = z.object({
  max_participants: z.int().min(1).max(2000).nullable().optional(),
  bitrate_kbps: z.int().min(12).max(256).nullable().optional(),
})

export const Limits = z.object({
  ...ok,
  channel_id: z.string(),
  max_participants: z.number().int().nullable().meta({ description: "Null: the server's own limit." }),
  bitrate_kbps: z.number().int().nullable().meta({ description: 'For those who join from now on.' }),
})

export const SessionParams = z.object({ session_id: z.string() })
