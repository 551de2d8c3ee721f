import type { Db, Tx } from '#db/database.ts'
import type { TaskRunTable, TaskTable } from '#db/tables.ts'
import type { TaskProgress } from '#events/events.ts'

/** Runs kept of each task. */
const KEPT_RUNS = 200

export function listTasks(db: Db): Promise<TaskTable[]> {
  return db.selectFrom('task').selectAll().execute()
}

export function findTask(db: Db, id: string): Promise<TaskTable | undefined> {
  return db.selectFrom('task').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Makes the rows of tasks that have none. */
export async function insertTasks(
  tx: Tx,
  tasks: readonly Pick<TaskTable, 'id' | 'next_run_at'>[],
): Promise<void> {
  const rows = tasks.map(({ id, next_run_at }) => ({
    id,
    enabled: 1 as const,
    next_run_at,
    runs: 0,
    errors: 0,
    total_ms: 0,
    last_run_at: null,
    last_error: null,
  }))
  await tx
    .insertInto('task')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function setNextRun(tx: Tx, id: string, nextRunAt: number): Promise<void> {
  await tx.updateTable('task').set({ next_run_at: nextRunAt }).where('id', '=', id).execute()
}

/**
 * Lets a task run at `nextRunAt` and then again and again, or not at all.
 *
 * @returns false if that was so already
 */
export async function setEnabled(tx: Tx, id: string, nextRunAt: number | null): Promise<boolean> {
  const enabled = nextRunAt === null ? 0 : 1
  const { numUpdatedRows } = await tx
    .updateTable('task')
    .set({ enabled, next_run_at: nextRunAt })
    .where('id', '=', id)
    .where('enabled', '!=', enabled)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Counts a run. @returns whether the task is to run again by itself */
export async function countRun(
  tx: Tx,
  id: string,
  run: { startedAt: number; ms: number; error: string | null },
): Promise<boolean> {
  const { enabled } = await tx
    .updateTable('task')
    .set((eb) => ({
      runs: eb('runs', '+', 1),
      errors: eb('errors', '+', run.error === null ? 0 : 1),
      total_ms: eb('total_ms', '+', run.ms),
      last_run_at: run.startedAt,
      last_error: run.error,
    }))
    .where('id', '=', id)
    .returning('enabled')
    .executeTakeFirstOrThrow()
  return enabled === 1
}

export async function insertRun(
  tx: Tx,
  run: Pick<TaskRunTable, 'id' | 'task_id' | 'state' | 'requested_by' | 'created_at' | 'started_at'>,
): Promise<void> {
  await tx
    .insertInto('task_run')
    .values({
      ...run,
      ended_at: null,
      progress_done: null,
      progress_total: null,
      progress_note: null,
      result: null,
      error: null,
    })
    .execute()
}

export function findRun(db: Db, id: string): Promise<TaskRunTable | undefined> {
  return db.selectFrom('task_run').selectAll().where('id', '=', id).executeTakeFirst()
}

/** The run of a task that waits or runs. */
export function findOpenRun(db: Db, taskId: string): Promise<TaskRunTable | undefined> {
  return openRuns(db).where('task_id', '=', taskId).executeTakeFirst()
}

export function listOpenRuns(db: Db): Promise<TaskRunTable[]> {
  return openRuns(db).execute()
}

function openRuns(db: Db) {
  return db.selectFrom('task_run').selectAll().where('ended_at', 'is', null)
}

export async function startRun(tx: Tx, id: string, at: number): Promise<void> {
  await tx.updateTable('task_run').set({ state: 'running', started_at: at }).where('id', '=', id).execute()
}

/** @returns false if the run is over */
export async function noteProgress(
  tx: Tx,
  id: string,
  { done, total, note }: TaskProgress,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('task_run')
    .set({ progress_done: done, progress_total: total, progress_note: note })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** @returns false if the run is over already */
export async function endRun(
  tx: Tx,
  id: string,
  end: Pick<TaskRunTable, 'state' | 'result' | 'error'> & { ended_at: number },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('task_run')
    .set(end)
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Forgets the oldest runs of a task. */
export async function pruneRuns(tx: Tx, taskId: string): Promise<void> {
  const oldestKept = await tx
    .selectFrom('task_run')
    .select('id')
    .where('task_id', '=', taskId)
    .orderBy('id', 'desc')
    .offset(KEPT_RUNS - 1)
    .limit(1)
    .executeTakeFirst()
  if (!oldestKept) return
  await tx.deleteFrom('task_run').where('task_id', '=', taskId).where('id', '<', oldestKept.id).execute()
}

export interface RunWithRequester extends TaskRunTable {
  requester_name: string | null
}

/** Runs, newest first: of one task or of all, before a run if given. */
export function listRuns(
  db: Db,
  taskIds: readonly string[],
  page: { before: string | undefined; limit: number },
): Promise<RunWithRequester[]> {
  let query = db
    .selectFrom('task_run')
    .leftJoin('user', 'user.id', 'task_run.requested_by')
    .selectAll('task_run')
    .select('user.username as requester_name')
    .where('task_id', 'in', taskIds)
  if (page.before !== undefined) query = query.where('task_run.id', '<', page.before)
  return query.orderBy('task_run.id', 'desc').limit(page.limit).execute()
}

/** Tasks that some job is to run. */
export async function tasksWithJob(db: Db): Promise<Set<string>> {
  const rows = await db.selectFrom('job').select('type').where('type', 'like', 'task.%').execute()
  return new Set(rows.map(({ type }) => type.slice('task.'.length)))
}
