import type { Context } from '#context'
import { prunableActors, pruneActors } from './store/actors.ts'
import { dropOldDeadDeliveries, endReviving } from './store/deliveries.ts'
import { forgetSeen } from './store/seen.ts'

const DAY = 24 * 3600_000
/** Longer than anybody tries to deliver something. A request that was caught on its way is no use after 15 minutes. */
const SEEN_MS = 90 * DAY
/** What waits for a peer that is away is sent if it is back by then. */
const REVIVABLE_MS = 7 * DAY
const DEAD_MS = 30 * DAY
const MAX_ACTORS = 10_000
const BATCH = 500

type Deps = Pick<Context, 'tasks' | 'db' | 'clock'>

/** Keeps bounded what other servers make this one remember. */
export function federationTasks(ctx: Deps): void {
  ctx.tasks.register({
    id: 'federation_cleanup',
    name: 'Federation cleanup',
    description:
      'Forgets deliveries that were given up long ago, and what is remembered of other servers to no use.',
    schedule: '12 3 * * *',
    scheduleLabel: 'Every night',
    run: async ({ signal }) => {
      const now = ctx.clock()
      await ctx.db.transact((tx) => endReviving(tx, now - REVIVABLE_MS))
      const batches = async (work: (limit: number) => Promise<number>): Promise<number> => {
        let total = 0
        for (let removed = BATCH; removed === BATCH; total += removed) {
          signal.throwIfAborted()
          removed = await work(BATCH)
        }
        return total
      }
      const { db } = ctx
      return {
        deliveries: await batches((limit) =>
          db.transact((tx) => dropOldDeadDeliveries(tx, now - DEAD_MS, limit)),
        ),
        activities: await batches((limit) => db.transact((tx) => forgetSeen(tx, now - SEEN_MS, limit))),
        actors: await batches(async (limit) => {
          const excess = (await prunableActors(db.read)) - MAX_ACTORS
          return excess <= 0 ? 0 : db.transact((tx) => pruneActors(tx, Math.min(limit, excess)))
        }),
      }
    },
  })
}
