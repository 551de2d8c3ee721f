import type { Context } from '#context'
import { lockUser } from '#features/accounts/index.ts'
import { accessChannel } from '#features/channels/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { rolesOf } from '#features/roles/index.ts'
import { demand, type Actor } from '#http/access.ts'
import { badRequest, forbidden, HttpError } from '#http/errors.ts'
import { isOwner } from '#lib/permission.ts'
import { joinVoice } from './join.ts'
import { leaveWithin } from './leave.ts'
import type { LiveParticipant } from './live.ts'
import type { QualityProfile, Restriction } from './policy.ts'
import { connectionAnswer } from './connection.ts'
import { accessSession } from './status.ts'
import { findRestriction, lockRunningSession, putRestriction } from './store.ts'

type Deps = Pick<
  Context,
  | 'authenticator'
  | 'clock'
  | 'config'
  | 'db'
  | 'eventLog'
  | 'instance'
  | 'keyring'
  | 'log'
  | 'roles'
  | 'sfu'
  | 'voice'
>

export const moderationActions = ['mute', 'unmute', 'deafen', 'undeafen', 'kick', 'move'] as const
export type ModerationAction = (typeof moderationActions)[number]

const auditActions = {
  mute: 'voice.muted',
  unmute: 'voice.unmuted',
  deafen: 'voice.deafened',
  undeafen: 'voice.undeafened',
} as const

export interface Moderation {
  readonly sessionId: string
  readonly userId: string
  readonly action: ModerationAction
  /** Where to, for `move`. */
  readonly toChannelId: string | undefined
}

/**
 * What a moderator does to somebody in a voice session. It acts on running media at once; mutes stay with the person
 * until they are lifted.
 *
 * @throws HttpError 400 not in the session, 403, 404
 */
export async function moderateVoice(ctx: Deps, actor: Actor, act: Moderation): Promise<Restriction> {
  const session = await accessSession(ctx.db.read, actor, act.sessionId)
  const channel = await accessChannel(ctx.db.read, actor, session.channel_id)
  demand(actor, 'mute_members', channel.standing)
  const participant = ctx.voice.participant(act.sessionId, act.userId)
  if (!participant) throw badRequest('This user is not in the voice session')
  await demandRank(ctx, actor, act)
  if (act.action === 'kick') return kick(ctx, actor, participant)
  if (act.action === 'move') return move(ctx, actor, participant, act.toChannelId)
  return restrict(ctx, actor, participant, act.action)
}

/**
 * Nobody presides over their equals, nor lifts from themselves what somebody above them imposed. The owner may: there is
 * nobody above them who could.
 */
async function demandRank({ db, roles }: Deps, actor: Actor, { userId, action }: Moderation): Promise<void> {
  if (userId === actor.userId) {
    if ((action === 'unmute' || action === 'undeafen') && !isOwner(actor))
      throw forbidden('Somebody who ranks above you has to lift this')
    return
  }
  const { current } = roles
  if (current.topPlace(actor.roles) >= current.topPlace(await rolesOf(db.read, userId)))
    throw forbidden('This person does not rank below you')
}

async function restrict(
  ctx: Deps,
  actor: Actor,
  { userId, channelId }: LiveParticipant,
  action: 'mute' | 'unmute' | 'deafen' | 'undeafen',
): Promise<Restriction> {
  return ctx.db.transact(async (tx) => {
    // Two moderators who act at once take turns, so that neither undoes what the other did.
    if (!(await lockUser(tx, userId))) throw badRequest('This user is not in the voice session')
    const before = await findRestriction(tx, userId)
    const after = {
      muted: action === 'mute' || (before.muted && action !== 'unmute'),
      deafened: action === 'deafen' || (before.deafened && action !== 'undeafen'),
    }
    await putRestriction(tx, userId, after, ctx.clock())
    record(ctx, tx, actor, userId, auditActions[action], channelId)
    tx.publish({ type: 'voice.restricted', userId, ...after })
    return after
  })
}

async function kick(ctx: Deps, actor: Actor, participant: LiveParticipant): Promise<Restriction> {
  const { sessionId, userId, channelId, restriction } = participant
  await ctx.db.transact(async (tx) => {
    const session = await lockRunningSession(tx, { sessionId })
    if (!session) return
    await leaveWithin(tx, session, userId, { now: ctx.clock(), reason: 'removed by a moderator' })
    record(ctx, tx, actor, userId, 'voice.kicked', channelId)
  })
  return restriction
}

/** The person gets a token for the other channel on their socket, as if they had joined there themselves. */
async function move(
  ctx: Deps,
  actor: Actor,
  participant: LiveParticipant,
  toChannelId: string | undefined,
): Promise<Restriction> {
  if (toChannelId === undefined) throw badRequest('to_channel_id is needed to move somebody')
  const channel = await accessChannel(ctx.db.read, actor, toChannelId)
  demand(actor, 'mute_members', channel.standing)
  const { socket, userId } = participant
  // The socket is needed for one more frame after they have left.
  participant.socket = undefined
  try {
    const person = await ctx.authenticator.check(participant.loginSessionId)
    const joined = await joinVoice(ctx, person, toChannelId, { profile: profileOf(participant) })
    await ctx.db.transact(async (tx) => record(ctx, tx, actor, userId, 'voice.moved', toChannelId))
    socket?.send({
      type: 'moved',
      session_id: joined.session.id,
      payload: { channel_id: toChannelId, ...connectionAnswer(ctx, userId, joined) },
    })
    socket?.close(1000, 'moved')
  } catch (error) {
    participant.socket = socket
    // It may have closed while it was not theirs.
    if (socket && !socket.isOpen) ctx.voice.disconnected(participant, socket)
    if (error instanceof HttpError && (error.status === 403 || error.status === 404))
      throw forbidden('This user may not enter that channel')
    throw error
  }
  return participant.restriction
}

function profileOf({ bitrateKbps }: LiveParticipant): QualityProfile {
  return bitrateKbps <= 24 ? 'low' : bitrateKbps <= 48 ? 'balanced' : 'high'
}

function record(
  { clock }: Pick<Context, 'clock'>,
  tx: Parameters<typeof recordAudit>[0],
  actor: Actor,
  userId: string,
  action: string,
  channelId: string,
): void {
  const details = { channel_id: channelId }
  recordAudit(tx, {
    actorId: actor.userId,
    action,
    targetType: 'user',
    targetId: userId,
    details,
    at: clock(),
  })
}
