import type { Context } from '#context'
import { isUniqueViolation } from '#db/errors.ts'
import type { TaskRunTable } from '#db/tables.ts'
import { recordAudit } from '#features/audit/index.ts'
import { notFound } from '#http/errors.ts'
import { enqueueTask } from './enqueue.ts'
import { newRun } from './run.ts'
import { findOpenRun, findRun, insertRun, setEnabled } from './store.ts'
import type { Task } from './task.ts'

/** Another process may run it and tell nobody here. */
const POLL_MS = 1000

type Deps = Pick<Context, 'db' | 'clock' | 'tasks'>

/** @throws HttpError 404 */
export function taskNamed(ctx: Pick<Context, 'tasks'>, id: string): Task {
  const task = ctx.tasks.find(id)
  if (!task) throw notFound('Background task', id)
  return task
}

/**
 * Has a task run now, also a disabled one. If it waits or runs already, that run is the one.
 *
 * @returns the id of the run
 * @throws HttpError 404
 */
export async function requestRun(ctx: Deps, actorId: string, taskId: string): Promise<string> {
  const task = taskNamed(ctx, taskId)
  try {
    return await ctx.db.transact(async (tx) => {
      const open = await findOpenRun(tx, task.id)
      if (open) return open.id
      const now = ctx.clock()
      const run = newRun(task.id, actorId, now)
      await insertRun(tx, run)
      enqueueTask(tx, task.id, now)
      recordAudit(tx, { actorId, action: 'task.requested', targetType: 'task', targetId: task.id, at: now })
      return run.id
    })
  } catch (error) {
    // It has begun, or somebody else asked, at the same moment.
    if (isUniqueViolation(error)) return requestRun(ctx, actorId, taskId)
    throw error
  }
}

/** Waits until a run is over. @returns undefined when it is not over in time, or the server stops */
export async function waitForRun(
  ctx: Pick<Context, 'db' | 'bus' | 'instance'>,
  runId: string,
  timeoutMs: number,
): Promise<TaskRunTable | undefined> {
  const deadline = performance.now() + timeoutMs
  let wake = (): void => {}
  const unsubscribe = ctx.bus.subscribe(({ event }) => {
    if (event.type === 'task.changed' && event.run.runId === runId) wake()
  })
  try {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve
      })
      const run = await findRun(ctx.db.read, runId)
      // A run that is gone from the history was over long ago.
      if (!run) return undefined
      if (run.ended_at !== null) return run
      const left = deadline - performance.now()
      if (left <= 0 || ctx.instance.stopping) return undefined
      await Promise.race([changed, pause(Math.min(POLL_MS, left))])
    }
  } finally {
    unsubscribe()
  }
}

/**
 * Lets a task run by itself, or no more. A run that is going on is not touched.
 *
 * @throws HttpError 404
 */
export async function toggleTask(
  ctx: Deps,
  actorId: string,
  taskId: string,
  enabled: boolean,
): Promise<void> {
  const task = taskNamed(ctx, taskId)
  await ctx.db.transact(async (tx) => {
    const next = enabled ? ctx.tasks.nextTime(task) : null
    if (!(await setEnabled(tx, task.id, next))) return
    if (next !== null) enqueueTask(tx, task.id, next)
    recordAudit(tx, {
      actorId,
      action: enabled ? 'task.enabled' : 'task.disabled',
      targetType: 'task',
      targetId: task.id,
      at: ctx.clock(),
    })
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
