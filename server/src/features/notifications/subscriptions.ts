import { hash } from 'node:crypto'
import type { Context } from '#context'
import { open, seal } from '#db/sealing.ts'
import type { PushSubscriptionTable } from '#db/tables.ts'
import { EgressRefusedError } from '#egress/errors.ts'
import type { Actor } from '#http/access.ts'
import { conflict, invalidField, notFound } from '#http/errors.ts'
import { isId, newId } from '#lib/id.ts'
import {
  countSubscriptions,
  deleteSubscription,
  deleteSubscriptionsLike,
  insertSubscription,
} from './subscription-store.ts'
import { parseReceiverKeys, type ReceiverKeys } from './web-push.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'keyring' | 'egress' | 'notifications'>

/** Devices of one person. */
const MAX_SUBSCRIPTIONS = 20

/** Where a device can be reached, and the keys that it alone can open messages with. */
export interface Subscription {
  readonly endpoint: string
  readonly keys: { readonly p256dh: string; readonly auth: string }
}

/**
 * Lets a device of the caller be reached while it is away, for as long as its session stands. One of the same session or the
 * same address is replaced.
 *
 * @returns the id of the subscription
 * @throws HttpError 409 when there are too many, 422
 */
export async function subscribe(ctx: Deps, actor: Actor, { endpoint, keys }: Subscription): Promise<string> {
  if (!parseReceiverKeys(keys)) {
    throw invalidField(['body', 'keys'], 'must be a point on P-256 and 16 bytes, in base64url', 'value_error')
  }
  try {
    ctx.egress.expectAllowed(endpoint)
  } catch (error) {
    if (!(error instanceof EgressRefusedError)) throw error
    throw invalidField(['body', 'endpoint'], error.message, 'value_error')
  }
  const { userId, sessionId } = actor
  const id = newId(ctx.clock())
  const { p256dh, auth } = keys
  const sealed = seal(
    ctx.keyring,
    'message',
    JSON.stringify({ endpoint, keys: { p256dh, auth } }),
    placeOf(id),
  )
  const endpointHash = hash('sha256', endpoint, 'hex')
  await ctx.db.transact(async (tx) => {
    await deleteSubscriptionsLike(tx, { sessionId, endpointHash })
    if ((await countSubscriptions(tx, userId)) >= MAX_SUBSCRIPTIONS) {
      throw conflict(`At most ${MAX_SUBSCRIPTIONS} devices can be reached`)
    }
    await insertSubscription(tx, {
      id,
      user_id: userId,
      session_id: sessionId,
      endpoint_hash: endpointHash,
      sealed,
      created_at: ctx.clock(),
    })
    tx.publish({ type: 'push.subscribed' })
  })
  await ctx.notifications.interest.reload()
  return id
}

/** Lets a device of the caller be reached no more. @throws HttpError 404 */
export async function unsubscribe(
  ctx: Pick<Context, 'db'>,
  actor: Actor,
  subscriptionId: string,
): Promise<void> {
  await ctx.db.transact(async (tx) => {
    if (!isId(subscriptionId) || !(await deleteSubscription(tx, subscriptionId, actor.userId))) {
      throw notFound('Subscription', subscriptionId)
    }
    tx.publish({ type: 'push.subscribed' })
  })
}

/** What a row holds. */
export async function openSubscription(
  { keyring }: Pick<Context, 'keyring'>,
  row: PushSubscriptionTable,
): Promise<{ endpoint: string; keys: ReceiverKeys }> {
  const text = await open(keyring, Buffer.from(row.sealed), placeOf(row.id))
  const { endpoint, keys } = JSON.parse(text.toString()) as Subscription
  return { endpoint, keys: parseReceiverKeys(keys)! }
}

/** Ties what is sealed to its row. */
function placeOf(id: string): string {
  return `push-subscription/v1/${id}`
}
