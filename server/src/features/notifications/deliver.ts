import { hash } from 'node:crypto'
import type { Context } from '#context'
import { EgressRefusedError } from '#egress/errors.ts'
import { messageRefs } from '#features/messages/index.ts'
import { GiveUp, TryLater } from '#jobs/errors.ts'
import { conversationIdOf } from '#lib/conversation-id.ts'
import type { Concerning } from './notifications.ts'
import { reasonToReach, type PushReason } from './push.ts'
import { deleteSubscription, livingSubscription } from './subscription-store.ts'
import { openSubscription } from './subscriptions.ts'
import { vapidHeader } from './vapid.ts'
import { encryptPush } from './web-push.ts'

export type DeliverDeps = Pick<
  Context,
  'db' | 'clock' | 'roles' | 'keyring' | 'egress' | 'instance' | 'settings' | 'messages' | 'profiles'
>

/** How long a push service keeps a message for a device that is off; after that we do not send it either. */
const TTL_SECONDS = 24 * 3600
const MAX_TEXT = 200
const MAX_RETRY_AFTER_SECONDS = 6 * 3600

/**
 * Sends one message to one device, by its push service (RFC 8030), unless it concerns the person no more. A subscription that
 * the service does not know any more is removed.
 */
export async function deliverPush(
  ctx: DeliverDeps,
  { subscriptionId, messageId }: { subscriptionId: string; messageId: string },
  enqueuedAt: number,
): Promise<void> {
  if (ctx.clock() - enqueuedAt > TTL_SECONDS * 1000) return
  const row = await livingSubscription(ctx.db.read, subscriptionId, ctx.clock())
  const found = row && (await reasonToReach(ctx, messageId, row.user_id))
  if (!found) return
  const { message, reason } = found
  const { endpoint, keys } = await openSubscription(ctx, row)
  const body = encryptPush(Buffer.from(JSON.stringify(await payloadOf(ctx, message, reason))), keys)
  const authorization = await vapidHeader(ctx, new URL(endpoint))
  const drop = async (): Promise<void> => {
    await ctx.db.transact((tx) => deleteSubscription(tx, subscriptionId))
  }
  const answer = await ctx.egress
    .request({
      method: 'POST',
      url: endpoint,
      body,
      redirects: 0,
      maxBytes: 64 * 1024,
      headers: () => ({
        authorization,
        ttl: String(TTL_SECONDS),
        urgency: reason === 'message' ? 'normal' : 'high',
        // Of several from one channel, a device that was off gets the last. Nobody else can tell the channel by it.
        topic: hash('sha256', `${subscriptionId}/${message.channelId}`, 'base64url').slice(0, 32),
        'content-type': 'application/octet-stream',
        'content-encoding': 'aes128gcm',
      }),
    })
    .catch(async (error: unknown) => {
      // It was allowed once; what it leads to now is not.
      if (error instanceof EgressRefusedError) return drop()
      throw error
    })
  if (!answer) return
  const { status } = answer
  if (status >= 200 && status < 300) return
  if (status === 404 || status === 410) return drop()
  if (status === 429 || status >= 500) {
    const seconds = Number(answer.headers['retry-after'])
    if (seconds > 0 && seconds <= MAX_RETRY_AFTER_SECONDS) {
      throw new TryLater('the push service wants to be left alone', ctx.clock() + seconds * 1000)
    }
    throw new Error(`the push service answered ${status}`)
  }
  throw new GiveUp(`the push service answered ${status}`)
}

/** What a device is told. What was said, and by whom, only where the owner wants that. */
async function payloadOf(
  ctx: DeliverDeps,
  { id, channelId, isDirect, senderId }: Concerning,
  reason: PushReason,
): Promise<object> {
  const fields = {
    type: reason,
    server: ctx.instance.origin,
    channel_id: channelId,
    conversation_id: isDirect ? conversationIdOf(channelId) : null,
    message_id: id,
  }
  if (!ctx.settings.current.push_message_text) return fields
  const db = ctx.db.read
  const [content] = await ctx.messages.read(db, await messageRefs(db, [id]))
  const sender = (await ctx.profiles.of([senderId])).get(senderId)
  return {
    ...fields,
    sender_user_id: senderId,
    sender_username: sender?.username ?? null,
    message: content ? Array.from(content.text).slice(0, MAX_TEXT).join('') : '',
  }
}
