import type { Context } from '#context'
import { listVisibleChannels } from '#features/channels/index.ts'
import type { Api } from '#http/endpoint.ts'
import { ActivityInput, ActivityList } from './schema.ts'
import { listActivity } from './store.ts'
import { activityToWire } from './wire.ts'

export function activityRoutes(api: Api, ctx: Pick<Context, 'db'>): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/system/recent-activity',
      tag: 'Analytics',
      summary: 'What happened on the server lately',
      description:
        'Accounts, channels and settings. What is about channels that the caller may not see is left out.',
      access: 'view_audit_logs',
      bucket: 'default',
      input: ActivityInput,
      answers: { 200: ActivityList },
    },
    async ({ actor, input }) => {
      const channels = await listVisibleChannels(ctx.db.read, actor)
      const ids = channels.map(({ id }) => id)
      return { activities: (await listActivity(ctx.db.read, ids, input.limit)).map(activityToWire) }
    },
  )
}
