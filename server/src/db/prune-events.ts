import type { Database } from './database.ts'

const BATCH = 1000

/**
 * Removes events older than `before` from the log, a batch at a time. Each batch first notes how far the log is
 * gone, in the same transaction, so that nobody resumes from a place that is no longer complete.
 *
 * @returns how many were removed
 */
export async function pruneEvents(db: Database, before: number, signal: AbortSignal): Promise<number> {
  let total = 0
  for (const { stream } of await db.read.selectFrom('event_stream').select('stream').execute()) {
    let removed = BATCH
    while (removed === BATCH) {
      signal.throwIfAborted()
      removed = await db.transact(async (tx) => {
        const old = await tx
          .selectFrom('event')
          .select(['pos', 'at'])
          .where('stream', '=', stream)
          .orderBy('pos')
          .limit(BATCH)
          .execute()
        const firstKept = old.findIndex(({ at }) => at >= before)
        const doomed = firstKept === -1 ? old : old.slice(0, firstKept)
        const last = doomed.at(-1)
        if (!last) return 0
        await tx
          .updateTable('event_stream')
          .set({ pruned_pos: last.pos })
          .where('stream', '=', stream)
          .execute()
        await tx.deleteFrom('event').where('stream', '=', stream).where('pos', '<=', last.pos).execute()
        return doomed.length
      })
      total += removed
    }
  }
  return total
}
