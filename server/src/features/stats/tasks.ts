import type { Context } from '#context'
import { deleteBefore, deleteInBatches } from '#db/delete-in-batches.ts'
import { countStatuses, deleteActiveDays, lastSampleAt, noteActiveDays } from './figures-store.ts'
import { rollUpMessages } from './roll-up.ts'
import { addSample } from './store.ts'

const DAY = 24 * 3600 * 1000
/** Enough for what is asked, which is 30 days. */
const ACTIVE_DAYS_KEPT = 35
/** Messages that the frequent task counts; what is more, after an update say, is left to the hourly one. */
const COUNTED_AT_ONCE = 200_000

type Deps = Pick<Context, 'tasks' | 'db' | 'clock' | 'config'>

export function statTasks(ctx: Deps): void {
  ctx.tasks.register({
    id: 'server_stats_update',
    name: 'Server statistics',
    description: 'Looks how many people are online, and counts new messages.',
    schedule: '*/5 * * * *',
    scheduleLabel: 'Every 5 minutes',
    run: async ({ signal }) => {
      const online = await sample(ctx)
      const { counted } = await rollUpMessages(ctx, { limit: COUNTED_AT_ONCE, signal })
      return { online, messages: counted }
    },
  })
  ctx.tasks.register({
    id: 'chart_data_update',
    name: 'Chart data',
    description:
      'Counts all messages that are not in the charts yet, also those from before there were charts.',
    schedule: '4 * * * *',
    scheduleLabel: 'Every hour',
    run: async ({ signal, progress }) => {
      const { counted } = await rollUpMessages(ctx, { signal, progress })
      return { messages: counted }
    },
  })
  ctx.tasks.register({
    id: 'activity_metrics_update',
    name: 'Activity cleanup',
    description: 'Forgets who was there and what happened longer ago than is shown.',
    schedule: '51 */6 * * *',
    scheduleLabel: 'Every 6 hours',
    run: async ({ signal }) => ({
      days: await ctx.db.transact((tx) => deleteActiveDays(tx, ctx.clock() - ACTIVE_DAYS_KEPT * DAY)),
      activities: await pruneActivity(ctx, signal),
    }),
  })
}

/** Looks who is there. @returns how many are online */
async function sample(ctx: Pick<Deps, 'db' | 'clock'>): Promise<number> {
  const now = ctx.clock()
  const statuses = await countStatuses(ctx.db.read)
  const online = [...statuses.values()].reduce((sum, count) => sum + count, 0)
  const since = await lastSampleAt(ctx.db.read)
  await ctx.db.transact(async (tx) => {
    await addSample(tx, 'online', now, online)
    await noteActiveDays(tx, since ?? now - ACTIVE_DAYS_KEPT * DAY, now)
  })
  return online
}

function pruneActivity({ db, clock, config }: Deps, signal: AbortSignal): Promise<number> {
  const before = clock() - config.stats.activity_retention_days * DAY
  return deleteInBatches(db, { signal }, (tx, limit) => deleteBefore(tx, 'activity', before, limit))
}
