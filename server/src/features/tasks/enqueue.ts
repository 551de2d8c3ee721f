import type { Tx } from '#db/database.ts'

/** Lets a task run at the given time, or earlier if that was asked for already. One job of it waits, one runs. */
export function enqueueTask(tx: Tx, taskId: string, runAt: number): void {
  const type = jobTypeOf(taskId)
  tx.enqueue({ type, payload: {}, key: type, queue: type, runAt })
}

export function jobTypeOf(taskId: string): `task.${string}` {
  return `task.${taskId}`
}
