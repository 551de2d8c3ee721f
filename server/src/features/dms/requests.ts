import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { Actor } from '#http/access.ts'
import { notFound, type HttpError } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { channelIdOf } from '#lib/conversation-id.ts'
import { demandPlace } from './groups.ts'
import { join } from './open.ts'
import { declineRequest, deleteRequest } from './people-store.ts'
import { lockConversation } from './store.ts'

type Deps = Pick<Context, 'db' | 'clock'>

/** Takes part in the conversation that one was asked into. @throws HttpError 404, 409 full */
export async function acceptRequest(ctx: Deps, actor: Actor, id: string): Promise<string> {
  return answering(ctx, id, async (tx, channelId) => {
    const channel = await lockConversation(tx, channelId, ctx.clock())
    if (!channel || !(await deleteRequest(tx, channelId, actor.userId))) throw requestNotFound(id)
    await demandPlace(tx, channelId, actor.userId)
    await join(ctx, tx, channel, actor.userId)
  })
}

/**
 * Wants no part in a conversation. Whoever asked is not told, and cannot ask again; writing to them takes it back.
 *
 * @throws HttpError 404
 */
export async function refuseRequest(ctx: Deps, actor: Actor, id: string): Promise<string> {
  return answering(ctx, id, async (tx, channelId) => {
    if (!(await declineRequest(tx, channelId, actor.userId))) throw requestNotFound(id)
  })
}

async function answering(
  ctx: Deps,
  id: string,
  answer: (tx: Tx, channelId: string) => Promise<void>,
): Promise<string> {
  const channelId = channelIdOf(id)
  if (!isId(channelId)) throw requestNotFound(id)
  await ctx.db.transact((tx) => answer(tx, channelId))
  return channelId
}

function requestNotFound(id: string): HttpError {
  return notFound('Request', id)
}
