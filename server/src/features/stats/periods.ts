import type { Slot, Unit } from '#lib/calendar.ts'

/** What a chart may show, and how finely: the names of all clients that are known. */
export const periods = {
  '1h': { unit: 'five_minutes', count: 12 },
  '24h': { unit: 'hour', count: 24 },
  '7d': { unit: 'day', count: 7 },
  '30d': { unit: 'day', count: 30 },
  '90d': { unit: 'day', count: 90 },
  '1y': { unit: 'week', count: 53 },
  daily: { unit: 'day', count: 30 },
  weekly: { unit: 'week', count: 12 },
  monthly: { unit: 'month', count: 12 },
} as const satisfies Readonly<Record<string, { unit: Unit; count: number }>>

export type Period = keyof typeof periods

export function isPeriod(name: string): name is Period {
  return Object.hasOwn(periods, name)
}

const HOUR = 3600 * 1000
const DAY = 24 * HOUR

/** Stretches of time that reach up to now. A month has 30 days, a quarter 90, a year 365. */
export const spans = {
  hour: HOUR,
  day: DAY,
  week: 7 * DAY,
  month: 30 * DAY,
  quarter: 90 * DAY,
  year: 365 * DAY,
} as const

/**
 * Cuts the time before `end` into pieces that do not overlap, so that what lies in several stretches is added up once:
 * piece n reaches from the nth stretch, the shortest first, to the one before it.
 */
export function piecesOf(
  stretches: readonly number[],
  now: number,
  end: number,
): Pick<Slot, 'start' | 'end'>[] {
  return stretches.map((stretch, index) => ({
    start: now - stretch,
    end: index === 0 ? end : now - stretches[index - 1]!,
  }))
}

/**
 * By how many percent something grew, with one decimal. What was nothing before and is something now has grown by 100.
 */
export function growth(now: number, before: number): number {
  if (before === 0) return now === 0 ? 0 : 100
  return round(((now - before) / before) * 100, 1)
}

export function round(value: number, decimals: number): number {
  const factor = 10 ** decimals
  return Math.round(value * factor) / factor
}

/** What part `some` is of `all`, in percent with one decimal. */
export function percentage(some: number, all: number): number {
  return all === 0 ? 0 : round((some / all) * 100, 1)
}
