import type { Context } from '#context'
import { deliverPush, type DeliverDeps } from './deliver.ts'
import { tellThoseHere } from './here.ts'
import { planPush } from './push.ts'

const SECOND = 1000
/** A push that comes hours late is of little use. */
const BACKOFF = [10 * SECOND, 60 * SECOND, 600 * SECOND, 3600 * SECOND]

/** Does the durable work of this feature. */
export function notificationJobs(ctx: DeliverDeps & Pick<Context, 'jobs' | 'notifications'>): void {
  ctx.jobs.handle('notifications.here', ({ messageId }, { signal }) => tellThoseHere(ctx, messageId, signal))
  ctx.jobs.handle('notifications.push', (payload) => planPush(ctx, payload))
  ctx.jobs.handle(
    'notifications.deliver',
    (payload, { enqueuedAt }) => deliverPush(ctx, payload, enqueuedAt),
    { backoff: BACKOFF, concurrency: 8, apart: true },
  )
}
