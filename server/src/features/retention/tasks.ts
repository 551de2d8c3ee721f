import type { Context } from '#context'
import { pruneOldMessages } from './prune.ts'

export function retentionTasks(ctx: Pick<Context, 'tasks' | 'db' | 'clock' | 'settings'>): void {
  ctx.tasks.register({
    id: 'message_retention',
    name: 'Message retention',
    description: 'Removes messages that are older than their channel, or the server, says.',
    schedule: '23 * * * *',
    scheduleLabel: 'Every hour',
    run: async (run) => ({ removed: await pruneOldMessages(ctx, run) }),
  })
}
