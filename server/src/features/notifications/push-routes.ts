import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { messageAnswer } from '#http/schemas.ts'
import { isoTime } from '#lib/clock.ts'
import { PushKeyAnswer, Subscribed, SubscribeInput, SubscriptionList, SubscriptionParams } from './schema.ts'
import { subscribe, unsubscribe } from './subscriptions.ts'
import { livingSubscriptions } from './subscription-store.ts'
import { publicPushKey } from './vapid.ts'

const common = { tag: 'Notifications', access: 'user', bucket: 'default' } as const
const SUBSCRIPTIONS = '/api/v1/notifications/push/subscriptions'

/** Routes by which devices let themselves be reached while they are away (Web Push). */
export function pushRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      ...common,
      method: 'GET',
      path: '/api/v1/notifications/push/key',
      summary: 'The key by which push services know this server',
      answers: { 200: PushKeyAnswer },
    },
    async () => ({ public_key: publicPushKey(ctx) }),
  )

  api.endpoint(
    {
      ...common,
      method: 'POST',
      path: SUBSCRIPTIONS,
      summary: 'Let this device be reached while it is away',
      description:
        'Takes the subscription of a browser (`PushSubscription.toJSON()`). It ends with the session, or when the push ' +
        'service does not know it any more. A new one of the same session replaces it. 409 when the caller has 20 already.',
      input: SubscribeInput,
      answers: { 201: Subscribed },
      errors: [409],
    },
    async ({ actor, input }) => ({
      message: 'Subscribed',
      subscription_id: await subscribe(ctx, actor, input),
    }),
  )

  api.endpoint(
    {
      ...common,
      method: 'GET',
      path: SUBSCRIPTIONS,
      summary: "List the caller's devices that can be reached",
      answers: { 200: SubscriptionList },
    },
    async ({ actor }) => {
      const rows = await livingSubscriptions(ctx.db.read, [actor.userId], ctx.clock())
      return {
        subscriptions: rows.map(({ id, session_id, created_at }) => ({
          subscription_id: id,
          session_id,
          created_at: isoTime(created_at),
        })),
      }
    },
  )

  api.endpoint(
    {
      ...common,
      method: 'DELETE',
      path: `${SUBSCRIPTIONS}/:subscription_id`,
      summary: 'Let a device be reached no more',
      params: SubscriptionParams,
      answers: { 200: messageAnswer(200, 'Unsubscribed') },
      errors: [404],
    },
    async ({ actor, params }) => {
      await unsubscribe(ctx, actor, params.subscription_id)
      return { message: 'Unsubscribed' }
    },
  )
}
