import { createHash } from 'node:crypto'
import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import { factsOf, insertMember } from '#features/channels/index.ts'
import { channelIdOf } from '#lib/conversation-id.ts'
import { notAccepted } from './conversations.ts'
import { localActorUri, type Peer } from './peers.ts'
import { deleteRequest, insertRequest, isBlocked, readAcceptFrom } from './people-store.ts'
import { judgeApproach, pairKeyOf } from './policy.ts'
import { areAcquainted, findDirect, insertConversation } from './store.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'instance'>

/**
 * The id of the conversation of two people: `dm-` and the first 32 hex digits of SHA-256 over the addresses of their
 * actors, in order, joined by `::`. Other servers come to the same.
 */
export function directConversationId(actorUris: readonly [string, string]): string {
  return `dm-${createHash('sha256').update(actorUris.toSorted().join('::')).digest('hex').slice(0, 32)}`
}

/**
 * The conversation of `userId` with `peer`, begun if there is none. Who was asked to take part, and now writes, does.
 *
 * @returns the id of its channel
 * @throws HttpError 403 when the peer takes no messages from this person
 */
export function openDirect(ctx: Deps, userId: string, peer: Peer): Promise<string> {
  const initiator = { userId, actorUri: localActorUri(ctx, userId) }
  return ctx.db.transact((tx) => openDirectIn(ctx, tx, initiator, peer))
}

/** Like {@link openDirect}, within a transaction, and also for somebody on another server who begins. */
export async function openDirectIn(
  ctx: Pick<Context, 'clock'>,
  tx: Tx,
  initiator: Initiator,
  peer: Pick<Peer, 'userId' | 'actorUri' | 'remote'>,
): Promise<string> {
  const { userId } = initiator
  const pairKey = pairKeyOf(userId, peer.userId)
  const known = await findDirect(tx, pairKey)
  if (!known) {
    const begun = await begin(ctx, tx, initiator, peer, pairKey)
    if (begun !== undefined) return begun
  }
  // Where both begin at the same moment, one of them finds what the other has made.
  const channel = known ?? (await findDirect(tx, pairKey))!
  if (await deleteRequest(tx, channel.id, userId)) await join(ctx, tx, channel, userId)
  return channel.id
}

/** Who begins a conversation. */
export interface Initiator {
  readonly userId: string
  readonly actorUri: string
}

/** @returns undefined when the other one has just begun it */
async function begin(
  ctx: Pick<Context, 'clock'>,
  tx: Tx,
  { userId, actorUri }: Initiator,
  peer: Pick<Peer, 'userId' | 'actorUri' | 'remote'>,
  pairKey: string,
): Promise<string | undefined> {
  const approach = await approachOf(tx, userId, peer)
  if (approach === 'refuse') throw notAccepted()
  const now = ctx.clock()
  const id = channelIdOf(directConversationId([actorUri, peer.actorUri]))
  const channel = { id, ...emptyChannel(userId, now) }
  const conversation = { channel_id: id, kind: 'direct' as const, pair_key: pairKey, active_at: now }
  if (!(await insertConversation(tx, channel, conversation))) return undefined
  tx.publish({ type: 'channel.created', channel: factsOf(channel) })
  await join(ctx, tx, channel, userId)
  if (approach === 'open') await join(ctx, tx, channel, peer.userId)
  else await ask(ctx, tx, id, { userId: peer.userId, fromId: userId })
  return id
}

/** How `userId` may approach somebody. People elsewhere are protected by their own server. */
export async function approachOf(
  tx: Tx,
  userId: string,
  peer: Pick<Peer, 'userId' | 'remote'>,
): Promise<'open' | 'ask' | 'refuse'> {
  if (peer.userId === userId) return 'open'
  return judgeApproach({
    isBlocked: await isBlocked(tx, userId, peer.userId),
    acceptFrom: peer.remote ? 'everybody' : await readAcceptFrom(tx, peer.userId),
    areAcquainted: await areAcquainted(tx, userId, peer.userId),
  })
}

/** Somebody takes part from now on. */
export async function join(
  ctx: Pick<Context, 'clock'>,
  tx: Tx,
  channel: Parameters<typeof factsOf>[0],
  userId: string,
): Promise<void> {
  if (!(await insertMember(tx, channel.id, userId, ctx.clock()))) return
  tx.publish({ type: 'channel.member_added', channel: factsOf(channel), userId })
}

/** Asks somebody whether they want to take part. */
export async function ask(
  ctx: Pick<Context, 'clock'>,
  tx: Tx,
  channelId: string,
  { userId, fromId }: { userId: string; fromId: string },
): Promise<void> {
  const row = { channel_id: channelId, user_id: userId, from_id: fromId, created_at: ctx.clock() }
  await insertRequest(tx, { ...row, state: 'pending' })
  tx.publish({ type: 'conversation.requested', channelId, userId, fromId })
}

/** What the channel of every new conversation has. */
export function emptyChannel(createdBy: string, now: number) {
  return {
    name: '',
    name_key: null,
    type: 'dm',
    is_private: 1 as const,
    last_seq: 0,
    changes: 0,
    access_revision: 0,
    slow_mode_seconds: 0,
    topic: null,
    category_id: null,
    position: null,
    created_by: createdBy,
    created_at: now,
    updated_at: now,
    deleted_at: null,
  }
}
