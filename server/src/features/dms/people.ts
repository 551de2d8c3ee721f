import type { Context } from '#context'
import type { Actor } from '#http/access.ts'
import { badRequest, notFound } from '#http/errors.ts'
import { resolvePeer, type Peer } from './peers.ts'
import { deleteBlock, declineRequestsFrom, insertBlock, writePreferences } from './people-store.ts'
import type { AcceptFrom } from './policy.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'instance' | 'conversations'>

/**
 * Blocks somebody: neither can begin a conversation with the other, bring the other into a group, or write in the
 * conversation that they have. Doing it twice is no error.
 *
 * @throws HttpError 400 nobody by that name, or oneself
 */
export async function blockPerson(ctx: Deps, actor: Actor, name: string): Promise<Peer> {
  const peer = await resolvePeer(ctx, name)
  if (peer.userId === actor.userId) throw badRequest('You cannot block yourself')
  await ctx.db.transact(async (tx) => {
    await insertBlock(tx, actor.userId, peer.userId, ctx.clock())
    await declineRequestsFrom(tx, actor.userId, peer.userId)
    if (peer.remote) await ctx.conversations.remote?.cut(tx, actor.userId, peer.userId)
  })
  return peer
}

/** Takes a block back. @throws HttpError 400 nobody by that name, 404 not blocked */
export async function unblockPerson(ctx: Deps, actor: Actor, name: string): Promise<Peer> {
  const peer = await resolvePeer(ctx, name)
  const removed = await ctx.db.transact((tx) => deleteBlock(tx, actor.userId, peer.userId))
  if (!removed) throw notFound('A block of this person', name)
  return peer
}

/** Says from whom one takes new conversations, and who sees what one has read. Conversations that one has stay. */
export async function choosePreferences(
  ctx: Deps,
  userId: string,
  choice: { acceptFrom?: AcceptFrom | undefined; readReceipts?: boolean | undefined },
): Promise<void> {
  await ctx.db.transact((tx) => writePreferences(tx, userId, choice, ctx.clock()))
}
