import type { Context } from '#context'
import { pruneAudit } from './prune.ts'

export function auditTasks(ctx: Pick<Context, 'tasks' | 'db' | 'clock' | 'config'>): void {
  ctx.tasks.register({
    id: 'audit_log_cleanup',
    name: 'Audit log cleanup',
    description: 'Removes entries of the audit log that are older than the operator wants them kept.',
    schedule: '32 2 * * *',
    scheduleLabel: 'Every night',
    run: async ({ signal }) => ({ removed: await pruneAudit(ctx, signal) }),
  })
}
