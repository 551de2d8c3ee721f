import type { Context } from '#context'
import { enqueueTask, jobTypeOf } from './enqueue.ts'
import { runTask } from './run.ts'
import { nextTime } from './schedule.ts'
import { endRun, insertTasks, listOpenRuns, listTasks, setNextRun, tasksWithJob } from './store.ts'
import type { Task } from './task.ts'

/** A task whose process ends while it runs is begun again so often; then it waits for the next start of the server. */
const ATTEMPTS = 3

type Deps = Pick<Context, 'db' | 'clock' | 'jobs' | 'log' | 'config'>

/** The tasks of this server. Each is a job that leaves the next one behind, so one process runs it at a time. */
export class Tasks {
  readonly #ctx: Deps
  readonly #tasks = new Map<string, Task>()

  constructor(ctx: Deps) {
    this.#ctx = ctx
  }

  /** Adds a task. To be called before the server starts. */
  register(task: Task): void {
    if (this.#tasks.has(task.id)) throw new Error(`there is a task ${task.id} already`)
    this.nextTime(task)
    this.#tasks.set(task.id, task)
    this.#ctx.jobs.handle(
      jobTypeOf(task.id),
      (_payload, { signal }) => runTask(this.#ctx, this, task, signal),
      {
        attempts: ATTEMPTS,
        concurrency: 1,
      },
    )
  }

  /** In the order in which they were added. */
  get all(): readonly Task[] {
    return [...this.#tasks.values()]
  }

  find(id: string): Task | undefined {
    return this.#tasks.get(id)
  }

  /** Sees to it that each task has its job. What should have run while no server did is due at once. */
  async start(): Promise<void> {
    await this.#ctx.db.transact(async (tx) => {
      const withJob = await tasksWithJob(tx)
      const now = this.#ctx.clock()
      for (const { id, task_id: taskId } of await listOpenRuns(tx)) {
        // Its job was given up: nobody else would ever say that it is over.
        if (!withJob.has(taskId))
          await endRun(tx, id, { state: 'interrupted', ended_at: now, result: null, error: null })
      }
      const due = new Map(this.all.map((task) => [task.id, this.nextTime(task)]))
      if (due.size === 0) return
      await insertTasks(
        tx,
        [...due].map(([id, next]) => ({ id, next_run_at: next })),
      )
      const planned = new Map((await listTasks(tx)).map((row) => [row.id, row.next_run_at]))
      for (const [id, next] of due) {
        const before = planned.get(id) ?? null
        if (before === null) continue
        // A schedule that is denser than it was at the last start takes effect at once.
        const runAt = Math.min(before, next)
        if (runAt !== before) await setNextRun(tx, id, runAt)
        enqueueTask(tx, id, runAt)
      }
    })
  }

  /** When a task should run next. */
  nextTime(task: Task): number {
    const { clock, config } = this.#ctx
    return nextTime(task.schedule, config.tasks.time_zone, clock())
  }
}
