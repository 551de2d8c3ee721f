import type { Context } from '#context'
import { pruneNodeSessions } from './prune.ts'

export function nodeAuthTasks(ctx: Pick<Context, 'tasks' | 'db' | 'clock'>): void {
  ctx.tasks.register({
    id: 'node_session_cleanup',
    name: 'Node session cleanup',
    description: 'Removes challenges and node sessions that were over a day ago.',
    schedule: '37 3,15 * * *',
    scheduleLabel: 'Every 12 hours',
    run: async ({ signal }) => ({ removed: await pruneNodeSessions(ctx, signal) }),
  })
}
