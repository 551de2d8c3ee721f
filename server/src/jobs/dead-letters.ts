import type { Db, Tx } from '#db/database.ts'
import type { NewJob } from '#db/job-queue.ts'
import type { DeadLetterTable } from '#db/tables.ts'

/** Jobs that were given up, the newest first. */
export function listDeadLetters(db: Db, limit: number): Promise<DeadLetterTable[]> {
  return db
    .selectFrom('dead_letter')
    .selectAll()
    .orderBy('died_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}

/**
 * Makes jobs of dead letters again, with all attempts before them. Where a job of the same key waits already, that one
 * stands for both.
 *
 * @param ids which; all if not given
 * @returns how many
 */
export async function retryDeadLetters(tx: Tx, ids?: readonly number[]): Promise<number> {
  let query = tx.deleteFrom('dead_letter')
  if (ids) query = query.where('id', 'in', ids)
  const letters = await query.returningAll().execute()
  for (const { type, payload, key, queue } of letters.toSorted((a, b) => a.id - b.id)) {
    // It was enqueued once, so it is a job; whether this version handles its type shows when it runs.
    const job = { type, payload: JSON.parse(payload) as object, ...(key && { key }), ...(queue && { queue }) }
    tx.enqueue(job as NewJob)
  }
  return letters.length
}

/** @param ids which; all if not given. @returns how many */
export async function dropDeadLetters(tx: Tx, ids?: readonly number[]): Promise<number> {
  let query = tx.deleteFrom('dead_letter')
  if (ids) query = query.where('id', 'in', ids)
  const { numDeletedRows } = await query.executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

/** Forgets what was given up before a time. @returns how many */
export async function pruneDeadLetters(tx: Tx, before: number): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('dead_letter')
    .where('died_at', '<', before)
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}
