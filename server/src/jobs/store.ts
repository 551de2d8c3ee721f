import type { Database, Db, Tx } from '#db/database.ts'
import type { JobType } from '#db/job-queue.ts'
import type { JobTable } from '#db/tables.ts'
import { valuesOf } from '#db/values.ts'

/** A row of the queue, as it is read. */
export interface JobRow extends Omit<JobTable, 'id'> {
  readonly id: number
}

/** One run of a job: what another process has taken over meanwhile is not the same run. */
export type Run = Pick<JobRow, 'id' | 'runs'>

/** Who takes jobs, and until when they are taken for alive. */
export interface Lease {
  readonly by: number
  readonly until: number
}

/** Looked at beyond what is wanted, to get past jobs that must wait for their queue. */
const LOOK_AHEAD = 32

/** When the next job of each type is due; types of which none waits are left out. */
export async function nextDue(db: Db, types: readonly JobType[]): Promise<Map<JobType, number>> {
  if (types.length === 0) return new Map()
  const rows = await db
    .selectFrom(
      valuesOf<{ column1: JobType }, 'kind'>(
        types.map((type) => [type]),
        'kind',
      ),
    )
    .select(({ selectFrom }) => [
      'kind.column1 as type',
      selectFrom('job')
        .select(({ fn }) => fn.min('run_at').as('due'))
        .where('state', '=', 'waiting')
        .whereRef('type', '=', 'kind.column1')
        .as('due'),
    ])
    .execute()
  return new Map(rows.flatMap(({ type, due }) => (due === null ? [] : [[type, due] as const])))
}

/**
 * Takes up to `limit` jobs of a type that are due, and those of processes that have not said for too long that they
 * live. Of a queue only the first is taken; those behind it are parked.
 *
 * @param mine jobs that this process runs, however late it is to say so
 * @returns what was taken, and how many jobs were found to be behind others
 */
export async function claimJobs(
  { tx, dialect }: { tx: Tx; dialect: Database['dialect'] },
  type: JobType,
  limit: number,
  { lease, now, mine }: { lease: Lease; now: number; mine: readonly number[] },
): Promise<{ jobs: JobRow[]; parked: number }> {
  const orphans = await orphanedJobs({ tx, dialect }, type, limit, { now, mine })
  const due = tx
    .selectFrom('job')
    .select(['id', 'queue'])
    .where('state', '=', 'waiting')
    .where('type', '=', type)
    .where('run_at', '<=', now)
    .orderBy('run_at')
    .orderBy('id')
    .limit(limit + LOOK_AHEAD)
  const candidates = await (dialect === 'postgres' ? due.forUpdate().skipLocked() : due).execute()
  const { ready, parked } = await sortByQueue({ tx, dialect }, candidates)
  if (parked.length > 0) {
    await tx.updateTable('job').set({ state: 'parked' }).where('id', 'in', parked).execute()
  }
  // Whoever ran an orphan did not come back from it: that counts, lest a job that kills its process does so for ever.
  const jobs = await take(tx, orphans, lease, { failed: true })
  jobs.push(...(await take(tx, ready.slice(0, limit - orphans.length), lease)))
  return { jobs, parked: parked.length }
}

async function orphanedJobs(
  { tx, dialect }: { tx: Tx; dialect: Database['dialect'] },
  type: JobType,
  limit: number,
  { now, mine }: { now: number; mine: readonly number[] },
): Promise<number[]> {
  let query = tx
    .selectFrom('job')
    .select('id')
    .where('state', '=', 'running')
    .where('type', '=', type)
    .where('leased_until', '<=', now)
    .orderBy('id')
    .limit(limit)
  if (mine.length > 0) query = query.where('id', 'not in', mine)
  const rows = await (dialect === 'postgres' ? query.forUpdate().skipLocked() : query).execute()
  return rows.map(({ id }) => id)
}

/** Those of `candidates` that nothing of their queue comes before, and those that are behind another job of it. */
async function sortByQueue(
  { tx, dialect }: { tx: Tx; dialect: Database['dialect'] },
  candidates: readonly Pick<JobRow, 'id' | 'queue'>[],
): Promise<{ ready: number[]; parked: number[] }> {
  const ready: number[] = []
  const parked: number[] = []
  for (const { id, queue } of candidates) {
    const before = queue === null ? undefined : await findBefore(tx, id, queue)
    if (before === undefined) ready.push(id)
    else if (dialect !== 'postgres' || (await isHeld(tx, before))) parked.push(id)
  }
  return { ready, parked }
}

/** The job that `id` must wait for: one that runs, or that was written before it. */
async function findBefore(tx: Tx, id: number, queue: string): Promise<number | undefined> {
  const row = await tx
    .selectFrom('job')
    .select('id')
    .where('queue', '=', queue)
    .where('id', '!=', id)
    .where((where) => where.or([where('id', '<', id), where('state', '=', 'running')]))
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row?.id
}

/**
 * Holds a job until the end of the transaction, so that it cannot be over before what waits for it is known to wait.
 *
 * @returns false when somebody else has it in hand: then it is better to look again
 */
async function isHeld(tx: Tx, id: number): Promise<boolean> {
  const row = await tx
    .selectFrom('job')
    .select('id')
    .where('id', '=', id)
    .forKeyShare()
    .skipLocked()
    .executeTakeFirst()
  return row !== undefined
}

async function take(
  tx: Tx,
  ids: readonly number[],
  lease: Lease,
  options: { failed?: true } = {},
): Promise<JobRow[]> {
  if (ids.length === 0) return []
  const rows = await tx
    .updateTable('job')
    .set((eb) => ({
      state: 'running' as const,
      runs: eb('runs', '+', 1),
      ...(options.failed && {
        failures: eb('failures', '+', 1),
        last_error: 'the process that ran it ended',
      }),
      leased_by: lease.by,
      leased_until: lease.until,
    }))
    .where('id', 'in', ids)
    .returningAll()
    .execute()
  return rows.toSorted((a, b) => a.run_at - b.run_at || a.id - b.id)
}

/** Says that the process lives which runs these. @returns those of them that nobody else has taken over */
export async function renewLeases(tx: Tx, runs: readonly Run[], lease: Lease): Promise<number[]> {
  const rows = await tx
    .updateTable('job')
    .set({ leased_until: lease.until })
    .where((where) =>
      where.or(runs.map(({ id, runs: count }) => where.and({ id, runs: count, state: 'running' }))),
    )
    .returning('id')
    .execute()
  return rows.map(({ id }) => id)
}

/** Whether any job of the given types was left by a process that has not said for too long that it lives. */
export async function hasOrphans(db: Db, now: number, mine: readonly number[]): Promise<boolean> {
  let query = db
    .selectFrom('job')
    .select('id')
    .where('state', '=', 'running')
    .where('leased_until', '<=', now)
    .limit(1)
  if (mine.length > 0) query = query.where('id', 'not in', mine)
  return (await query.executeTakeFirst()) !== undefined
}

/**
 * At the start of a process: what a process before it on the same stream was running is free at once, since a stream
 * has one process at a time. Parked jobs are looked at again, should one have been left behind.
 */
export async function recoverJobs(tx: Tx, stream: number): Promise<void> {
  await tx
    .updateTable('job')
    .set({ leased_until: 0 })
    .where('state', '=', 'running')
    .where('leased_by', '=', stream)
    .execute()
  await tx.updateTable('job').set({ state: 'waiting' }).where('state', '=', 'parked').execute()
}

/** Removes a job that is done. @returns false if this run of it does not count any more */
export async function finishJob(tx: Tx, run: Run): Promise<boolean> {
  const row = await tx
    .deleteFrom('job')
    .where('id', '=', run.id)
    .where('runs', '=', run.runs)
    .where('state', '=', 'running')
    .returning('queue')
    .executeTakeFirst()
  if (row) await wakeNext(tx, row.queue)
  return row !== undefined
}

/** Makes a dead letter of a job. @returns false if this run of it does not count any more */
export async function buryJob(
  tx: Tx,
  job: JobRow,
  end: { failures: number; reason: string; at: number },
): Promise<boolean> {
  if (!(await finishJob(tx, job))) return false
  const { id, type, payload, queue, key, created_at } = job
  const { failures, reason } = end
  await tx
    .insertInto('dead_letter')
    .values({ id, type, payload, queue, key, failures, reason, created_at, died_at: end.at })
    .execute()
  return true
}

/**
 * Gives a job back, to be run again. If another one of its key waits, that one stands for both, with what this one
 * has behind it.
 *
 * @returns false if this run of it does not count any more
 */
export async function returnJob(
  tx: Tx,
  job: JobRow,
  next: { runAt: number; failures: number; error: string | null },
): Promise<boolean> {
  const again = { run_at: next.runAt, failures: next.failures, last_error: next.error }
  if (job.key !== null) {
    const { numUpdatedRows } = await tx
      .updateTable('job')
      .set(again)
      .where('key', '=', job.key)
      .where('state', '!=', 'running')
      .executeTakeFirstOrThrow()
    if (numUpdatedRows > 0n) return finishJob(tx, job)
  }
  const { numUpdatedRows } = await tx
    .updateTable('job')
    .set({ ...again, state: 'waiting', leased_by: null, leased_until: null })
    .where('id', '=', job.id)
    .where('runs', '=', job.runs)
    .where('state', '=', 'running')
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Lets the next job of a queue be looked at again. */
async function wakeNext(tx: Tx, queue: string | null): Promise<void> {
  if (queue === null) return
  await tx
    .updateTable('job')
    .set({ state: 'waiting' })
    .where('id', '=', ({ selectFrom }) =>
      selectFrom('job')
        .select(({ fn }) => fn.min('id').as('id'))
        .where('queue', '=', queue)
        .where('state', '=', 'parked'),
    )
    .execute()
}
