import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { badRequest, notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { messageAnswer } from '#http/schemas.ts'
import { requestRun, taskNamed, toggleTask, waitForRun } from './request.ts'
import { History, HistoryInput, RunInput, TaskStatuses, Toggled, ToggleInput } from './schema.ts'
import { listOpenRuns, listRuns, listTasks } from './store.ts'
import { runToWire, taskToWire } from './wire.ts'

const tag = 'Background tasks'
const base = '/api/v1/background-tasks'
/** Short of what proxies wait for an answer. */
const WAIT_MS = 25_000

export function taskRoutes(api: Api, ctx: Context): void {
  const common = { method: 'POST', tag, access: 'manage_background_tasks', bucket: 'default' } as const

  api.endpoint(
    {
      ...common,
      path: `${base}/status`,
      summary: 'How the background tasks stand',
      answers: { 200: TaskStatuses },
    },
    async () => {
      const rows = new Map((await listTasks(ctx.db.read)).map((row) => [row.id, row]))
      const open = new Map((await listOpenRuns(ctx.db.read)).map((run) => [run.task_id, run]))
      const tasks = ctx.tasks.all.flatMap((task) => {
        const row = rows.get(task.id)
        return row ? [[task.id, taskToWire(task, row, open.get(task.id))] as const] : []
      })
      return { tasks: Object.fromEntries(tasks) }
    },
  )

  api.endpoint(
    {
      ...common,
      path: `${base}/run`,
      summary: 'Run a background task now',
      description:
        'Waits until it is over. If it runs already, that run is waited for. One that takes very long is answered ' +
        'with 202 and goes on.',
      input: RunInput,
      answers: {
        200: messageAnswer(200, "Background task 'auth_token_cleanup' executed successfully"),
        202: messageAnswer(202, "Background task 'storage_cleanup' is still running"),
      },
      errors: [404],
    },
    async ({ actor, input, reply }) => {
      const id = input.task_id
      const run = await waitForRun(ctx, await requestRun(ctx, actor.userId, id), WAIT_MS)
      if (run?.state === 'done') return { message: `Background task '${id}' executed successfully` }
      if (run) throw badRequest(`Background task '${id}' failed: ${run.error ?? 'it was interrupted'}`)
      reply.code(202)
      return { message: `Background task '${id}' is still running` }
    },
  )

  api.endpoint(
    {
      ...common,
      path: `${base}/toggle`,
      summary: 'Let a background task run by itself, or no more',
      input: ToggleInput,
      answers: { 200: Toggled },
      errors: [404],
    },
    async ({ actor, input }) => {
      const { task_id: id, enabled } = input
      await toggleTask(ctx, actor.userId, id, enabled)
      return { message: `Background task '${id}' ${enabled ? 'enabled' : 'disabled'}`, task_id: id, enabled }
    },
  )

  api.endpoint(
    {
      ...common,
      path: `${base}/history`,
      summary: 'What background tasks did',
      description: 'The last 200 runs of each task are kept.',
      input: HistoryInput,
      answers: { 200: History },
      errors: [404],
    },
    async ({ input }) => {
      const { before, limit } = input
      if (before && !isId(before)) throw notFound('Run', before)
      const ids = input.task_id ? [taskNamed(ctx, input.task_id).id] : ctx.tasks.all.map(({ id }) => id)
      const runs = await listRuns(ctx.db.read, ids, { before: before ?? undefined, limit: limit + 1 })
      const page = runs.slice(0, limit)
      return { runs: page.map(runToWire), next_before: runs.length > limit ? page.at(-1)!.id : null }
    },
  )
}
