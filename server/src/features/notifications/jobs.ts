import type { Context } from '#context'
import { tellThoseHere } from './here.ts'

/** Does the durable work of this feature. */
export function notificationJobs(ctx: Pick<Context, 'db' | 'clock' | 'roles' | 'jobs'>): void {
  ctx.jobs.handle('notifications.here', ({ messageId }, { signal }) => tellThoseHere(ctx, messageId, signal))
}
