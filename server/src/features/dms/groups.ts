import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import { factsOf, deleteMember } from '#features/channels/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, conflict, invalidField, notFound } from '#http/errors.ts'
import { newId } from '#lib/id.ts'
import { characterCount, cleanLine } from '#lib/text.ts'
import { accessGroup } from './access.ts'
import { notAccepted } from './conversations.ts'
import { approachOf, ask, emptyChannel, join } from './open.ts'
import { resolvePeer, type Peer } from './peers.ts'
import { pendingOf } from './people-store.ts'
import { insertConversation, lockConversation, participantsOf, renameChannel } from './store.ts'

const MAX_PARTICIPANTS = 50
const MAX_NAME = 100

type Deps = Pick<Context, 'db' | 'clock' | 'instance' | 'conversations'>

/**
 * Begins a conversation of several people. Those who want to be asked are asked.
 *
 * @returns the id of its channel
 * @throws HttpError 400 nobody by that name, or somebody on another server; 403 somebody does not want to; 422
 */
export async function createGroup(
  ctx: Deps,
  actor: Actor,
  input: { name: string; peers: readonly string[] },
): Promise<string> {
  const name = groupName(input.name)
  const peers = (await resolveLocal(ctx, input.peers)).filter(({ userId }) => userId !== actor.userId)
  if (peers.length === 0) throw badRequest('A group needs somebody else')
  if (peers.length >= MAX_PARTICIPANTS) throw tooMany()
  const now = ctx.clock()
  const channel = { id: newId(now), ...emptyChannel(actor.userId, now), name }
  await ctx.db.transact(async (tx) => {
    await insertConversation(tx, channel, {
      channel_id: channel.id,
      kind: 'group',
      pair_key: null,
      active_at: now,
    })
    tx.publish({ type: 'channel.created', channel: factsOf(channel) })
    await join(ctx, tx, channel, actor.userId)
    for (const peer of peers) await invite(ctx, tx, channel, actor.userId, peer)
  })
  return channel.id
}

/** Brings somebody into a group. Doing it twice is no error. @throws HttpError 400, 403, 404, 409 full */
export async function addToGroup(
  ctx: Deps,
  actor: Actor,
  id: string,
  names: readonly string[],
): Promise<string> {
  const { id: channelId } = await accessGroup(ctx.db.read, actor, id)
  const peers = await resolveLocal(ctx, names)
  await ctx.db.transact(async (tx) => {
    const channel = await lockConversation(tx, channelId, ctx.clock())
    const participants = (await participantsOf(tx, [channelId])).get(channelId)!
    // Looked at again under the lock: whoever left meanwhile brings nobody in.
    if (!channel || !participants.includes(actor.userId)) throw notFound('Conversation', id)
    const newcomers = peers.filter(({ userId }) => !participants.includes(userId))
    // Whoever was asked has a place until they answer.
    const placed = new Set([...participants, ...(await pendingOf(tx, channelId))])
    const unplaced = newcomers.filter(({ userId }) => !placed.has(userId))
    if (unplaced.length > 0 && placed.size + unplaced.length > MAX_PARTICIPANTS) throw tooMany()
    for (const peer of newcomers) await invite(ctx, tx, channel, actor.userId, peer)
  })
  return channelId
}

/** Call it under the lock of the conversation, before somebody comes in. @throws HttpError 409 full */
export async function demandPlace(tx: Tx, channelId: string, userId: string): Promise<void> {
  const participants = (await participantsOf(tx, [channelId])).get(channelId)!
  if (participants.length >= MAX_PARTICIPANTS && !participants.includes(userId)) throw tooMany()
}

/** Takes the caller out of a group. @throws HttpError 400, 404 */
export async function leaveGroup(ctx: Deps, actor: Actor, id: string): Promise<void> {
  const { id: channelId } = await accessGroup(ctx.db.read, actor, id)
  await ctx.db.transact(async (tx) => {
    await lockConversation(tx, channelId, ctx.clock())
    if (!(await deleteMember(tx, channelId, actor.userId))) throw notFound('Conversation', id)
    tx.publish({ type: 'channel.member_removed', channelId, userId: actor.userId })
  })
}

/** Gives a group another name. @throws HttpError 400, 404, 422 */
export async function renameGroup(ctx: Deps, actor: Actor, id: string, input: string): Promise<string> {
  const name = groupName(input)
  const { id: channelId } = await accessGroup(ctx.db.read, actor, id)
  await ctx.db.transact(async (tx) => {
    const channel = await lockConversation(tx, channelId, ctx.clock())
    const participants = (await participantsOf(tx, [channelId])).get(channelId)!
    if (!channel || !participants.includes(actor.userId)) throw notFound('Conversation', id)
    await renameChannel(tx, channelId, name)
    tx.publish({ type: 'channel.updated', channel: factsOf({ ...channel, name }) })
  })
  return channelId
}

async function invite(
  ctx: Deps,
  tx: Tx,
  channel: Parameters<typeof factsOf>[0],
  fromId: string,
  peer: Peer,
): Promise<void> {
  const approach = await approachOf(tx, fromId, peer)
  if (approach === 'refuse') throw notAccepted()
  if (approach === 'open') return join(ctx, tx, channel, peer.userId)
  return ask(ctx, tx, channel.id, { userId: peer.userId, fromId })
}

async function resolveLocal(ctx: Deps, names: readonly string[]): Promise<Peer[]> {
  const peers = new Map<string, Peer>()
  for (const name of names) {
    const peer = await resolvePeer(ctx, name)
    if (peer.remote) throw badRequest('A group can only have people of this server')
    peers.set(peer.userId, peer)
  }
  return [...peers.values()]
}

function groupName(input: string): string {
  const name = cleanLine(input.normalize('NFC'))
  if (characterCount(name) <= MAX_NAME) return name
  throw invalidField(['body', 'name'], `must have at most ${MAX_NAME} characters`, 'string_too_long')
}

function tooMany(): Error {
  return conflict(`A group can have at most ${MAX_PARTICIPANTS} people`)
}
