import type { Db } from '#db/database.ts'
import { accessChannel } from '#features/channels/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, HttpError, notFound } from '#http/errors.ts'
import { channelIdOf } from '#lib/conversation-id.ts'
import { findConversation, type Conversation } from './store.ts'

/**
 * A conversation that `actor` takes part in.
 *
 * @throws HttpError 404, the same whether it does not exist or is hidden
 */
export async function accessConversation(db: Db, actor: Actor, id: string): Promise<Conversation> {
  const channelId = channelIdOf(id)
  try {
    await accessChannel(db, actor, channelId)
  } catch (error) {
    throw error instanceof HttpError && error.status === 404 ? notFound('Conversation', id) : error
  }
  const conversation = await findConversation(db, channelId)
  if (!conversation) throw notFound('Conversation', id)
  return conversation
}

/** Like {@link accessConversation}, for what only groups have. @throws HttpError 400, 404 */
export async function accessGroup(db: Db, actor: Actor, id: string): Promise<Conversation> {
  const conversation = await accessConversation(db, actor, id)
  if (conversation.kind !== 'group') throw badRequest('This is a conversation of two, not a group')
  return conversation
}
