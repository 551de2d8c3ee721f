import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import type { StagedFile } from '#features/files/index.ts'
import { checkMessage, pageOfChannel, sendMessage } from '#features/messages/index.ts'
import { demand, type Actor } from '#http/access.ts'
import { conversationIdOf } from '#lib/conversation-id.ts'
import { directConversationId, openDirect } from './open.ts'
import { localActorUri, resolvePeer, type Peer } from './peers.ts'
import { findRequest } from './people-store.ts'
import { pairKeyOf } from './policy.ts'
import { findDirect, participantsOf } from './store.ts'

/**
 * Sends a message to one person, here or elsewhere, and begins the conversation with them if there is none.
 *
 * @param name of the person, as a client says it
 * @param files that came with it
 * @throws HttpError 400 nobody by that name, empty, too long; 403 the person does not take it; 413; 422; 507
 */
export async function sendDirect(
  ctx: Context,
  actor: Actor,
  name: string,
  input: Parameters<typeof checkMessage>[1],
  files: readonly StagedFile[],
): Promise<{ sent: MessageContent; peer: Peer }> {
  // Everything that can be wrong with the message is found before there is a conversation for it.
  checkMessage(ctx, input, files)
  demand(actor, 'send_messages')
  const peer = await resolvePeer(ctx, name)
  const channelId = await openDirect(ctx, actor.userId, peer)
  return { sent: await sendMessage(ctx, actor, channelId, input, files), peer }
}

/**
 * A page of what two people wrote to each other, oldest first. Who was asked to take part may look before answering.
 *
 * @throws HttpError 400 nobody by that name
 */
export async function loadDirect(
  ctx: Context,
  actor: Actor,
  input: { peer: string; page: number; messages_per_page: number },
): Promise<{ conversationId: string; peer: Peer; messages: readonly MessageContent[] }> {
  const peer = await resolvePeer(ctx, input.peer)
  const conversation = await findDirect(ctx.db.read, pairKeyOf(actor.userId, peer.userId))
  if (!conversation) {
    const actors = [localActorUri(ctx, actor.userId), peer.actorUri] as const
    return { conversationId: directConversationId([...actors]), peer, messages: [] }
  }
  const { id } = conversation
  const participants = (await participantsOf(ctx.db.read, [id])).get(id)!
  const mayRead = participants.includes(actor.userId) || (await findRequest(ctx.db.read, id, actor.userId))
  const messages = mayRead ? await pageOfChannel(ctx, conversation, input) : []
  return { conversationId: conversationIdOf(id), peer, messages }
}
