import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { ReplyTarget } from '#events/events.ts'
import { notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { excerptOf } from './excerpt.ts'
import { findMessage, type LivingMessage } from './store.ts'

/** What a new message refers to. */
export interface References {
  readonly replyTo: ReplyTarget | null
  readonly threadId: string | null
}

const none: References = { replyTo: null, threadId: null }

/**
 * Looks up what a new message answers, and the thread it belongs to. Whoever answers a message of a thread is in that
 * thread. There are no threads within threads: a thread that is begun by a message of another one is that other one.
 *
 * To be called when the channel is locked: what is found cannot be deleted or edited then before the new message is
 * stored.
 *
 * @throws HttpError 404 when there is no such message in the channel
 */
export async function referencesOf(
  ctx: Pick<Context, 'messages'>,
  tx: Tx,
  channelId: string,
  {
    reply_to: replyTo,
    thread_id: threadId,
  }: { reply_to?: string | null | undefined; thread_id?: string | null | undefined },
): Promise<References> {
  if (!replyTo && !threadId) return none
  const answered = replyTo ? await referred(tx, channelId, 'reply_to', replyTo) : undefined
  const root = threadId ? await referred(tx, channelId, 'thread_id', threadId) : undefined
  return {
    replyTo: answered
      ? {
          id: answered.id,
          senderId: answered.sender_id,
          excerpt: excerptOf(await ctx.messages.textOf(answered)),
        }
      : null,
    threadId: (root ? (root.thread_id ?? root.id) : answered?.thread_id) ?? null,
  }
}

async function referred(tx: Tx, channelId: string, field: string, id: string): Promise<LivingMessage> {
  const message = isId(id) ? await findMessage(tx, channelId, id) : undefined
  if (!message) throw notFound(field, id)
  return message
}
