/** How long the slots of a time line are. */
export type Unit = 'five_minutes' | 'hour' | 'day' | 'week' | 'month'

/** A stretch of time, from `start` to before `end`, in milliseconds since the epoch. */
export interface Slot {
  /** `2026-11-24 14:05`, `2026-11-24 14:00`, `2026-11-24`, `2026-W48` (ISO 8601) or `2026-11`, by local time. */
  readonly key: string
  readonly start: number
  readonly end: number
}

const FIVE_MINUTES = 5 * 60 * 1000

/**
 * The last `count` slots of local time, oldest first; the last one is the one that `now` is in. Days have 23 or 25 hours
 * where clocks change, none where a place moved over the date line, and weeks begin on Monday (ISO 8601).
 */
export function slotsUntil(now: number, unit: Unit, count: number, timeZone: string): Slot[] {
  const beginnings: Beginning[] = []
  for (let back = count - 1; back >= -1; back--) beginnings.push(beginningOf(now, unit, back, timeZone))
  return beginnings
    .slice(0, -1)
    .map((beginning, index) => ({ ...beginning, end: beginnings[index + 1]!.start }))
}

/** When the day of local time began that `now` is in. */
export function startOfDay(now: number, timeZone: string): number {
  return localTime(now, timeZone).startOfDay().epochMilliseconds
}

/** The last full five minutes. Every time zone in use is off by whole quarters of an hour, so all agree on them. */
export function floorToFiveMinutes(time: number): number {
  return Math.floor(time / FIVE_MINUTES) * FIVE_MINUTES
}

type Beginning = Pick<Slot, 'key' | 'start'>

/** @param back how many slots before the one that `now` is in; negative for later ones */
function beginningOf(now: number, unit: Unit, back: number, timeZone: string): Beginning {
  const local = localTime(now, timeZone)
  const today = local.toPlainDate()
  switch (unit) {
    case 'five_minutes':
      return atClock(localTime(floorToFiveMinutes(now) - back * FIVE_MINUTES, timeZone))
    case 'hour':
      return atClock(local.round({ smallestUnit: 'hour', roundingMode: 'floor' }).subtract({ hours: back }))
    case 'day': {
      const day = today.subtract({ days: back })
      return { key: day.toString(), start: midnight(day, timeZone) }
    }
    case 'week': {
      const monday = today.subtract({ days: today.dayOfWeek - 1 + 7 * back })
      const key = `${monday.yearOfWeek}-W${String(monday.weekOfYear).padStart(2, '0')}`
      return { key, start: midnight(monday, timeZone) }
    }
    case 'month': {
      const first = today.with({ day: 1 }).subtract({ months: back })
      return { key: first.toPlainYearMonth().toString(), start: midnight(first, timeZone) }
    }
  }
}

function atClock(time: Temporal.ZonedDateTime): Beginning {
  const clock = time.toPlainTime().toString({ smallestUnit: 'minute' })
  return { key: `${time.toPlainDate().toString()} ${clock}`, start: time.epochMilliseconds }
}

function midnight(day: Temporal.PlainDate, timeZone: string): number {
  return day.toZonedDateTime(timeZone).epochMilliseconds
}

function localTime(time: number, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(time).toZonedDateTimeISO(timeZone)
}
