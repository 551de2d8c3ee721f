import { Cron } from 'croner'

/** The first moment after `after` that a cron expression means, in the given time zone. Milliseconds. */
export function nextTime(schedule: string, timeZone: string, after: number): number {
  const next = new Cron(schedule, { timezone: timeZone, paused: true }).nextRun(new Date(after))
  if (!next) throw new Error(`the schedule '${schedule}' never comes`)
  return next.getTime()
}
