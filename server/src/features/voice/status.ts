import type { Context } from '#context'
import type { Db } from '#db/database.ts'
import type { VoiceParticipantTable, VoiceSessionTable } from '#db/tables.ts'
import { accessChannel } from '#features/channels/index.ts'
import type { Actor } from '#http/access.ts'
import { notFound } from '#http/errors.ts'
import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import { isId } from '#lib/id.ts'
import { findRunningSession, findSession, listParticipants } from './store.ts'

type Deps = Pick<Context, 'db' | 'profiles' | 'voice'>

/** A voice session and everybody who is or was in it, as clients get them. */
export interface SessionSeen {
  readonly session: VoiceSessionTable | undefined
  readonly participants: ReturnType<typeof participantToWire>[]
  readonly participantCount: number
}

/** Who is in the voice session of a channel. @throws HttpError 404 */
export async function channelStatus(ctx: Deps, actor: Actor, channelId: string): Promise<SessionSeen> {
  await accessChannel(ctx.db.read, actor, channelId)
  const session = await findRunningSession(ctx.db.read, channelId)
  return seen(ctx, session)
}

/** A session in a channel that `actor` may see. @throws HttpError 404 */
export async function accessSession(db: Db, actor: Actor, sessionId: string): Promise<VoiceSessionTable> {
  const session = isId(sessionId) ? await findSession(db, sessionId) : undefined
  if (!session) throw notFound('Voice session', sessionId)
  try {
    await accessChannel(db, actor, session.channel_id)
  } catch {
    // The same, whether it does not exist or is hidden.
    throw notFound('Voice session', sessionId)
  }
  return session
}

/** @throws HttpError 404 */
export async function sessionStatus(ctx: Deps, actor: Actor, sessionId: string): Promise<SessionSeen> {
  return seen(ctx, await accessSession(ctx.db.read, actor, sessionId))
}

async function seen(ctx: Deps, session: VoiceSessionTable | undefined): Promise<SessionSeen> {
  if (!session) return { session, participants: [], participantCount: 0 }
  const rows = await listParticipants(ctx.db.read, session.id)
  const profiles = await ctx.profiles.of(rows.map(({ user_id }) => user_id))
  const participants = rows.map((row) =>
    participantToWire(ctx, row, profiles.get(row.user_id)?.username ?? ''),
  )
  return {
    session,
    participants,
    participantCount: participants.filter(({ is_connected }) => is_connected).length,
  }
}

function participantToWire({ voice }: Pick<Deps, 'voice'>, row: VoiceParticipantTable, username: string) {
  const live = row.left_at === null ? voice.participant(row.session_id, row.user_id) : undefined
  const { isMuted, isDeafened, isSpeaking } = live?.state ?? {
    isMuted: false,
    isDeafened: false,
    isSpeaking: false,
  }
  return {
    user_id: row.user_id,
    username,
    is_connected: row.left_at === null,
    is_muted: isMuted,
    is_deafened: isDeafened,
    is_speaking: isSpeaking,
    is_server_muted: live?.restriction.muted ?? false,
    is_server_deafened: live?.restriction.deafened ?? false,
    joined_at: isoTime(row.joined_at),
    disconnected_at: isoTimeOrNull(row.left_at),
    connected_at: isoTimeOrNull(live?.connectedAt ?? null),
  }
}
