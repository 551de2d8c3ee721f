import type { Context } from '#context'
import { findLoose, forgetLoose, hasLoose, loosenAbandoned, sweep } from './store.ts'

const BATCH = 100
/** Whoever writes for longer than this is gone: no upload is that slow. */
const ABANDONED_MS = 7 * 24 * 3600 * 1000

type Deps = Pick<Context, 'db' | 'clock' | 'eventLog' | 'vault'>

/** Takes over what earlier lives of this process, or anybody long ago, were writing when they ended. */
export async function recoverUploads(ctx: Deps): Promise<void> {
  if (!(await hasLoose(ctx.db.read))) return
  await ctx.db.transact(async (tx) => {
    await loosenAbandoned(tx, {
      writer: ctx.vault.writer,
      earlierLives: `${ctx.eventLog.stream}/`,
      since: ctx.clock() - ABANDONED_MS,
    })
    tx.enqueue(sweep)
  })
}

/**
 * Removes objects that are of no use from their stores. What cannot be removed now stays on the list.
 *
 * @returns how many were removed
 * @throws AggregateError of what kept some of them from being removed, after all were tried
 */
export async function sweepObjects(
  ctx: Pick<Context, 'db' | 'vault'>,
  signal?: AbortSignal,
): Promise<number> {
  const errors: unknown[] = []
  let removed = 0
  for (let after = ''; ;) {
    signal?.throwIfAborted()
    const batch = await findLoose(ctx.db.read, after, BATCH)
    const done: string[] = []
    for (const { object, store } of batch) {
      try {
        await ctx.vault.stores.of(store).delete(object)
        done.push(object)
      } catch (error) {
        errors.push(error)
      }
    }
    if (done.length > 0) await ctx.db.transact((tx) => forgetLoose(tx, done))
    removed += done.length
    if (batch.length < BATCH) break
    after = batch.at(-1)!.object
  }
  if (errors.length > 0) throw new AggregateError(errors, 'some objects could not be removed')
  return removed
}

export function handleSweeps(ctx: Pick<Context, 'db' | 'jobs' | 'vault'>): void {
  ctx.jobs.handle('files.sweep', async (_payload, { signal }) => void (await sweepObjects(ctx, signal)), {
    attempts: 100,
    concurrency: 1,
  })
}
