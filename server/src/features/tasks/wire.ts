import type { TaskRunTable, TaskTable } from '#db/tables.ts'
import type { TaskProgress, TaskRunFacts } from '#events/events.ts'
import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import type { RunWithRequester } from './store.ts'
import type { Task, TaskResult } from './task.ts'

export function factsOf(run: TaskRunTable, at: number): TaskRunFacts {
  return {
    taskId: run.task_id,
    runId: run.id,
    state: run.state,
    progress: progressOf(run),
    error: run.error,
    at,
  }
}

/** @param open the run that waits or runs now */
export function taskToWire(task: Task, row: TaskTable, open: TaskRunTable | undefined) {
  return {
    registered: true as const,
    enabled: row.enabled === 1,
    next_run: isoTimeOrNull(row.next_run_at),
    running: open?.state === 'running',
    runs: row.runs,
    errors: row.errors,
    last_run: isoTimeOrNull(row.last_run_at),
    last_error: row.last_error,
    total_runtime: row.total_ms / 1000,
    name: task.name,
    description: task.description,
    schedule: task.schedule,
    schedule_label: task.scheduleLabel,
    progress: open ? progressToWire(progressOf(open)) : null,
  }
}

export function runToWire(run: RunWithRequester) {
  const { started_at: started, ended_at: ended } = run
  return {
    run_id: run.id,
    task_id: run.task_id,
    state: run.state,
    requested_by: run.requested_by === null ? null : { id: run.requested_by, username: run.requester_name },
    created_at: isoTime(run.created_at),
    started_at: isoTimeOrNull(started),
    ended_at: isoTimeOrNull(ended),
    duration: started === null || ended === null ? null : (ended - started) / 1000,
    progress: progressToWire(progressOf(run)),
    result: run.result === null ? null : (JSON.parse(run.result) as TaskResult),
    error: run.error,
  }
}

/** A frame's fields. */
export function runFrame(run: TaskRunFacts) {
  return {
    task_id: run.taskId,
    run_id: run.runId,
    state: run.state,
    progress: progressToWire(run.progress),
    error: run.error,
    timestamp: isoTime(run.at),
  }
}

function progressToWire(progress: TaskProgress | null) {
  if (!progress) return null
  const { done, total, note } = progress
  const percent = total === null || total <= 0 ? null : Math.min(100, Math.round((done / total) * 100))
  return { done, total, percent, note }
}

function progressOf(run: TaskRunTable): TaskProgress | null {
  const { progress_done: done, progress_total: total, progress_note: note } = run
  return done === null ? null : { done, total, note }
}
