import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import type { Actor } from '#http/access.ts'
import { badRequest } from '#http/errors.ts'
import { threadRefs } from './conversation-store.ts'
import { accessMessage } from './mark.ts'
import { messageRefs } from './store.ts'

const MAX_LIMIT = 50

export interface ThreadPage {
  /** Of the message that began it. */
  readonly id: string
  /** Undefined when it was deleted. What was answered stays. */
  readonly root: MessageContent | undefined
  /** Oldest first. */
  readonly messages: readonly MessageContent[]
}

/**
 * A thread: the message that began it, and a page of those that followed, the newest if not said otherwise. The thread of
 * a message that began none is empty, that of one within a thread is that thread.
 *
 * @param page.before,page.after numbers (`seq`)
 * @throws HttpError 400, 404
 */
export async function loadThread(
  ctx: Pick<Context, 'db' | 'messages'>,
  actor: Actor,
  channelId: string,
  messageId: string,
  { limit, before, after }: { limit: number; before?: number | undefined; after?: number | undefined },
): Promise<ThreadPage> {
  if (limit < 1 || limit > MAX_LIMIT) throw badRequest(`limit must be from 1 to ${MAX_LIMIT}`)
  if (before !== undefined && after !== undefined)
    throw badRequest('Only one of before and after can be used')
  const db = ctx.db.read
  const { message } = await accessMessage(db, actor, channelId, messageId)
  const id = message.thread_id ?? message.id
  const refs =
    after === undefined
      ? (await threadRefs(db, id, { below: before ?? Number.MAX_SAFE_INTEGER }, limit)).toReversed()
      : await threadRefs(db, id, { above: after }, limit)
  const messages = await ctx.messages.read(db, [...(await messageRefs(db, [id])), ...refs])
  const root = messages[0]?.id === id ? messages.shift() : undefined
  return { id, root, messages }
}
