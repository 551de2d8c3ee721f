import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'

const Progress = z
  .object({
    done: z.number(),
    total: z.number().nullable().meta({ description: 'Null when it cannot be known beforehand.' }),
    percent: z.int().nullable(),
    note: z.string().nullable(),
  })
  .nullable()
  .meta({ description: 'How far it is, in units of its own.' })

const BackgroundTask = z
  .object({
    registered: z.literal(true),
    enabled: z.boolean(),
    next_run: IsoTime.nullable().meta({ description: 'Null while it is disabled.' }),
    running: z.boolean(),
    runs: z.int(),
    errors: z.int(),
    last_run: IsoTime.nullable(),
    last_error: z.string().nullable().meta({ description: 'Null once it went well again.' }),
    total_runtime: z.number().meta({ description: 'Seconds, of all runs together.' }),
    name: z.string(),
    description: z.string(),
    schedule: z.string().meta({ description: 'Cron expression.', example: '0 3 * * *' }),
    schedule_label: z.string().meta({ example: 'Every night' }),
    progress: Progress,
  })
  .meta({ id: 'BackgroundTask' })

const BackgroundTaskRun = z
  .object({
    run_id: z.string().meta({ format: 'uuid' }),
    task_id: z.string(),
    state: z.enum(['waiting', 'running', 'done', 'failed', 'interrupted']),
    requested_by: z
      .object({ id: z.string(), username: z.string().nullable() })
      .nullable()
      .meta({ description: 'Null when it was its time.' }),
    created_at: IsoTime,
    started_at: IsoTime.nullable(),
    ended_at: IsoTime.nullable(),
    duration: z.number().nullable().meta({ description: 'Seconds.' }),
    progress: Progress,
    result: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])).nullable(),
    error: z.string().nullable(),
  })
  .meta({ id: 'BackgroundTaskRun' })

export const TaskStatuses = z.object({
  status_code: z.literal(200),
  tasks: z.record(z.string(), BackgroundTask).meta({ description: 'By task id.' }),
})

const TaskId = z.string().min(1).max(100).meta({ example: 'auth_token_cleanup' })

export const RunInput = z.object({ task_id: TaskId })

export const ToggleInput = z.object({ task_id: TaskId, enabled: z.boolean() })

export const Toggled = z.object({
  status_code: z.literal(200),
  message: z.string(),
  task_id: z.string(),
  enabled: z.boolean(),
})

export const HistoryInput = z.object({
  task_id: TaskId.nullish().meta({ description: 'Of this task only.' }),
  before: z.string().max(100).nullish().meta({ description: 'Id of the last run of the page before.' }),
  limit: z.int().min(1).max(200).default(50),
})

export const History = z.object({
  status_code: z.literal(200),
  runs: z.array(BackgroundTaskRun).meta({ description: 'Newest first.' }),
  next_before: z.string().nullable().meta({ description: '`before` of the next page; null on the last.' }),
})
