import type { Context } from '#context'
import { pruneDeadLetters } from '#jobs/dead-letters.ts'
import { pruneEvents } from '#db/prune-events.ts'

const HOUR = 3600 * 1000
const DAY = 24 * HOUR
const DEAD_LETTER_DAYS = 30

/** Tasks that belong to no feature: what keeps the database in order. */
export function housekeepingTasks(ctx: Pick<Context, 'tasks' | 'db' | 'clock' | 'config' | 'keyring'>): void {
  ctx.tasks.register({
    id: 'event_log_cleanup',
    name: 'Event log cleanup',
    description: 'Removes events that are too old for clients to resume from.',
    schedule: '7 * * * *',
    scheduleLabel: 'Every hour',
    run: async ({ signal }) => {
      const before = ctx.clock() - ctx.config.gateway.event_retention_hours * HOUR
      return { removed: await pruneEvents(ctx.db, before, signal) }
    },
  })
  ctx.tasks.register({
    id: 'key_rotation',
    name: 'Key rotation',
    description:
      'Takes a new key for messages when the one in use is 30 days old. Old ones stay for reading.',
    schedule: '12 2 * * *',
    scheduleLabel: 'Every night',
    run: async () => ({ rotated: await ctx.keyring.rotate() }),
  })
  ctx.tasks.register({
    id: 'dead_letter_cleanup',
    name: 'Dead letter cleanup',
    description: `Drops jobs that were given up ${DEAD_LETTER_DAYS} days ago.`,
    schedule: '27 2 * * *',
    scheduleLabel: 'Every night',
    run: async () => {
      const before = ctx.clock() - DEAD_LETTER_DAYS * DAY
      return { removed: await ctx.db.transact((tx) => pruneDeadLetters(tx, before)) }
    },
  })
  ctx.tasks.register({
    id: 'database_upkeep',
    name: 'Database upkeep',
    description:
      'Lets the database learn about its data again and gives back space that is not used any more.',
    schedule: '42 3 * * *',
    scheduleLabel: 'Every night',
    run: ({ signal, progress }) => ctx.db.maintain({ signal, progress }),
  })
}
