import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { VoiceSessionTable } from '#db/tables.ts'
import { accessChannel, type AccessibleChannel } from '#features/channels/index.ts'
import { demand, type Actor } from '#http/access.ts'
import { badRequest, conflict, unavailable } from '#http/errors.ts'
import { newId } from '#lib/id.ts'
import { MediaUnavailableError } from '#sfu/sfu.ts'
import { newJoinToken, signJoinToken } from './join-token.ts'
import { leaveWithin } from './leave.ts'
import { isVoiceChannel, scopeOf, type QualityProfile, type VoiceRights } from './policy.ts'
import { voiceRightsIn } from './rights.ts'
import {
  countPresent,
  endSessionsOf,
  findLimits,
  findPresence,
  findRunningSession,
  insertJoinToken,
  insertSession,
  lockRunningSession,
  moveToLogin,
  upsertParticipant,
} from './store.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'config' | 'keyring' | 'instance' | 'sfu' | 'eventLog' | 'log'>

export interface Joined {
  readonly session: VoiceSessionTable
  readonly participantCount: number
  readonly joinToken: string
  readonly expiresAt: number
}

/** A channel that people can talk in, and that `actor` may enter. @throws HttpError 400, 403, 404 */
export async function accessVoiceChannel(
  db: Context['db']['read'],
  actor: Actor,
  channelId: string,
): Promise<{ channel: AccessibleChannel; rights: VoiceRights }> {
  const channel = await accessChannel(db, actor, channelId)
  if (!isVoiceChannel(channel.type)) throw badRequest('This channel does not support voice')
  demand(actor, 'connect', channel.standing)
  return { channel, rights: voiceRightsIn(actor, channel) }
}

/**
 * Takes `actor` into the voice session of a channel, which begins with the first who joins, and gives them a token to
 * connect with. Whoever is in another voice channel leaves it. Doing it again gives another token.
 *
 * @throws HttpError 400 not a voice channel, 403, 404, 409 full, 503 no media
 */
export async function joinVoice(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  { profile }: { profile: QualityProfile },
): Promise<Joined> {
  const { rights } = await accessVoiceChannel(ctx.db.read, actor, channelId)
  await startMedia(ctx)
  await demandHere(ctx, channelId)
  const { jti, expiresAt } = newJoinToken(ctx)
  const { session, participantCount } = await ctx.db.transact(async (tx) => {
    // Looked at again: from here on nobody can take it away without our noticing.
    await accessVoiceChannel(tx, actor, channelId)
    const running = await openSession(ctx, tx, channelId, profile)
    const count = await enter(ctx, tx, running, actor)
    await insertJoinToken(tx, { jti, session_id: running.id, user_id: actor.userId, expires_at: expiresAt })
    return { session: running, participantCount: count }
  })
  const claims = {
    jti,
    userId: actor.userId,
    username: actor.username,
    channelId,
    sessionId: session.id,
    scope: scopeOf(rights),
  }
  return { session, participantCount, joinToken: await signJoinToken(ctx, claims, expiresAt), expiresAt }
}

/**
 * Media of a session is in one process. What a process that died left behind is ended; one that lives elsewhere is
 * not for us.
 *
 * @throws HttpError 503
 */
async function demandHere(ctx: Deps, channelId: string): Promise<void> {
  const running = await findRunningSession(ctx.db.read, channelId)
  if (!running || running.host === ctx.eventLog.stream) return
  if ((await ctx.db.livingStreams()).has(running.host))
    throw unavailable('The voice session of this channel is at another process of this server', 30)
  await ctx.db.transact((tx) => endSessionsOf(tx, running.host, ctx.clock()))
}

/** @throws HttpError 503 with the reason */
export async function startMedia(ctx: Pick<Context, 'sfu' | 'config'>): Promise<void> {
  if (!ctx.config.voice.enabled) throw unavailable('Voice is switched off on this server', 3600)
  try {
    await ctx.sfu.start()
  } catch (error) {
    if (!(error instanceof MediaUnavailableError)) throw error
    throw unavailable(`Voice is not available: ${error.message}`, 30, error)
  }
}

/** The running session of a channel, locked; a new one when there is none. */
async function openSession(
  ctx: Deps,
  tx: Tx,
  channelId: string,
  profile: QualityProfile,
): Promise<VoiceSessionTable> {
  for (let tries = 0; tries < 3; tries++) {
    const running = await lockRunningSession(tx, { channelId })
    if (running) return running
    const now = ctx.clock()
    await insertSession(tx, {
      id: newId(now),
      channel_id: channelId,
      quality_profile: profile,
      host: ctx.eventLog.stream,
      revision: 0,
      started_at: now,
      ended_at: null,
    })
  }
  throw conflict('The voice session changed at this very moment; try again')
}

async function enter(ctx: Deps, tx: Tx, session: VoiceSessionTable, actor: Actor): Promise<number> {
  const { userId, sessionId: loginSessionId } = actor
  const now = ctx.clock()
  const presence = await findPresence(tx, userId)
  const present = await countPresent(tx, session.id)
  if (presence?.session_id === session.id) {
    if (presence.login_session_id !== loginSessionId) {
      await moveToLogin(tx, session.id, userId, loginSessionId)
      tx.publish(joinedEvent(session, userId, loginSessionId, present))
    }
    return present
  }
  await demandRoom(ctx, tx, session, present)
  if (presence) {
    const other = await lockRunningSession(tx, { sessionId: presence.session_id })
    if (other) await leaveWithin(tx, other, userId, { now, reason: 'joined another channel' })
  }
  await upsertParticipant(tx, {
    session_id: session.id,
    user_id: userId,
    login_session_id: loginSessionId,
    joined_at: now,
  })
  tx.publish(joinedEvent(session, userId, loginSessionId, present + 1))
  return present + 1
}

function joinedEvent(session: VoiceSessionTable, userId: string, loginSessionId: string, count: number) {
  return {
    type: 'voice.joined' as const,
    sessionId: session.id,
    channelId: session.channel_id,
    userId,
    loginSessionId,
    host: session.host,
    participantCount: count,
  }
}

/** Refuses rather than to make it worse for everybody. */
async function demandRoom(ctx: Deps, tx: Tx, session: VoiceSessionTable, present: number): Promise<void> {
  const { max_participants: total, max_channel_participants: highest } = ctx.config.voice
  const limits = await findLimits(tx, session.channel_id)
  const most = Math.min(highest, limits?.max_participants ?? highest)
  if (present >= most) throw conflict(`The voice channel is full: ${most} people are in it`)
  if ((await countPresent(tx)) >= total)
    throw unavailable(`Voice is full on this server: ${total} people are in voice channels`, 30)
}
