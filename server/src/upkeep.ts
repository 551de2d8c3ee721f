import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '#context'
import { pruneEvents } from '#db/prune-events.ts'
import { pruneAudit } from '#features/audit/index.ts'
import { deleteOldSessions } from '#features/auth/index.ts'
import { pruneNodeSessions } from '#features/node-auth/index.ts'

const HOUR = 3600 * 1000
const BATCH = 500

/** Work nobody waits for: removes what is over. Runs at the start and every hour. */
export function startUpkeep(ctx: Context): AsyncDisposable {
  const stop = new AbortController()
  let running = Promise.resolve()
  const run = (work: () => Promise<unknown>): void => {
    running = running.then(async () => {
      if (stop.signal.aborted) return
      await work().catch((error: unknown) =>
        ctx.log.error({ err: error }, 'upkeep failed; it is tried again later'),
      )
    })
  }
  const hourly = async (): Promise<void> => {
    await ctx.keyring.rotate()
    await pruneEvents(ctx.db, ctx.clock() - ctx.config.gateway.event_retention_hours * HOUR, stop.signal)
    await pruneSessions(ctx, stop.signal)
    await pruneNodeSessions(ctx, stop.signal)
    await pruneAudit(ctx, stop.signal)
  }
  run(hourly)
  const timer = setInterval(() => run(hourly), HOUR).unref()
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      clearInterval(timer)
      await running
    },
  }
}

/** Ended and expired sessions stay for a day, for whoever looks into an incident. */
async function pruneSessions(ctx: Context, signal: AbortSignal): Promise<void> {
  let removed: number
  do {
    removed = await ctx.db.transact((tx) => deleteOldSessions(tx, ctx.clock() - 24 * HOUR, BATCH))
    await sleep(10)
  } while (removed === BATCH && !signal.aborted)
}
