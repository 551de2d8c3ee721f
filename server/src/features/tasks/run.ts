import type { Context } from '#context'
import { isUniqueViolation } from '#db/errors.ts'
import type { TaskRunTable } from '#db/tables.ts'
import { newId } from '#lib/id.ts'
import { redactText } from '#log/redact.ts'
import { enqueueTask } from './enqueue.ts'
import { ProgressReport } from './progress.ts'
import {
  countRun,
  endRun,
  findOpenRun,
  findTask,
  insertRun,
  noteProgress,
  pruneRuns,
  setNextRun,
  startRun,
} from './store.ts'
import type { Task, TaskResult } from './task.ts'
import type { Tasks } from './tasks.ts'
import { factsOf } from './wire.ts'

const MAX_ERROR = 500

type Deps = Pick<Context, 'db' | 'clock' | 'log'>

/** Runs a task if somebody asked for it or its time has come, keeps how it went, and plans the next run. */
export async function runTask(ctx: Deps, tasks: Tasks, task: Task, signal: AbortSignal): Promise<void> {
  const run = await begin(ctx, task)
  if (!run) return
  const report = new ProgressReport(async (progress) => {
    await ctx.db
      .transact(async (tx) => {
        if (await noteProgress(tx, run.id, progress))
          tx.publish({ type: 'task.changed', run: { ...factsOf(run, ctx.clock()), progress } })
      })
      .catch((error: unknown) => ctx.log.debug({ err: error, task: task.id }, 'progress could not be stored'))
  })
  let outcome: { result: TaskResult } | { error: unknown }
  try {
    const progress = (done: number, total?: number, note?: string): void =>
      report.note({ done, total: total ?? null, note: note ?? null })
    outcome = { result: await task.run({ signal, progress }) }
  } catch (error) {
    outcome = { error }
  }
  await report.end()
  if ('error' in outcome && signal.aborted && outcome.error === signal.reason) throw outcome.error
  await conclude(ctx, tasks, task, run, outcome)
}

/** @returns the run that has begun; undefined when nobody asked for one and it is not its time */
async function begin(ctx: Deps, task: Task): Promise<TaskRunTable | undefined> {
  try {
    return await ctx.db.transact(async (tx) => {
      const now = ctx.clock()
      const open = await findOpenRun(tx, task.id)
      const planned = await findTask(tx, task.id)
      let run = open
      if (open?.state === 'waiting') {
        await startRun(tx, open.id, now)
      } else {
        if (open) {
          // One job of a task runs at a time: whoever ran this one is gone.
          const end = { state: 'interrupted', ended_at: now, result: null, error: null } as const
          await endRun(tx, open.id, end)
          tx.publish({ type: 'task.changed', run: factsOf({ ...open, ...end }, now) })
        } else if (!planned || planned.next_run_at === null) {
          return undefined
        } else if (planned.next_run_at > now) {
          enqueueTask(tx, task.id, planned.next_run_at)
          return undefined
        }
        run = newRun(task.id, open?.requested_by ?? null, now)
        await insertRun(tx, run)
      }
      const started = { ...run!, state: 'running', started_at: now } as const
      tx.publish({ type: 'task.changed', run: factsOf(started, now) })
      return started
    })
  } catch (error) {
    // Somebody asked for a run at this moment: that is the one to be run.
    if (isUniqueViolation(error)) return begin(ctx, task)
    throw error
  }
}

async function conclude(
  ctx: Deps,
  tasks: Tasks,
  task: Task,
  run: TaskRunTable,
  outcome: { result: TaskResult } | { error: unknown },
): Promise<void> {
  const failed = 'error' in outcome
  if (failed) ctx.log.error({ err: outcome.error, task: task.id }, 'a background task failed')
  const now = ctx.clock()
  const startedAt = run.started_at ?? now
  const over = {
    state: failed ? 'failed' : 'done',
    ended_at: now,
    result: failed ? null : JSON.stringify(outcome.result),
    error: failed ? reasonOf(outcome.error) : null,
  } as const
  await ctx.db.transact(async (tx) => {
    // Another process has taken over, and taken this run for interrupted.
    if (!(await endRun(tx, run.id, over))) return
    const again = await countRun(tx, task.id, { startedAt, ms: now - startedAt, error: over.error })
    if (again) {
      const next = tasks.nextTime(task)
      await setNextRun(tx, task.id, next)
      enqueueTask(tx, task.id, next)
    }
    await pruneRuns(tx, task.id)
    tx.publish({ type: 'task.changed', run: factsOf({ ...run, ...over }, now) })
  })
}

/** A run that has not begun. */
export function newRun(taskId: string, requestedBy: string | null, now: number): TaskRunTable {
  return {
    id: newId(now),
    task_id: taskId,
    state: 'waiting',
    requested_by: requestedBy,
    created_at: now,
    started_at: null,
    ended_at: null,
    progress_done: null,
    progress_total: null,
    progress_note: null,
    result: null,
    error: null,
  }
}

function reasonOf(error: unknown): string {
  return redactText(error instanceof Error ? error.message : String(error)).slice(0, MAX_ERROR)
}
