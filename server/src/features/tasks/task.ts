/** Work that the server does by itself at certain times, and when somebody asks for it. */
export interface Task {
  /** Part of the API and of the history: never changed. */
  readonly id: string
  /** For people. */
  readonly name: string
  readonly description: string
  /** Cron expression: minute, hour, day of the month, month, day of the week; in the time zone of the server. */
  readonly schedule: string
  /** The schedule for people. */
  readonly scheduleLabel: string
  /**
   * Does the work and tells in a few figures what came of it. Its process may end at any moment, and then it runs again
   * from its start.
   */
  run(run: TaskRun): Promise<TaskResult>
}

/** What a task gets to work with. */
export interface TaskRun {
  /** Aborted when the server stops. To throw its reason is no failure: the task runs again at the next start. */
  readonly signal: AbortSignal
  /** Tells how far it is, in units of its own. May be called often. */
  progress(done: number, total?: number, note?: string): void
}

export type TaskResult = Readonly<Record<string, number | string | boolean>>
