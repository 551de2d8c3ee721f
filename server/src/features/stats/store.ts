import type { Db, Tx } from '#db/database.ts'
import type { ActivityTable, StatCountTable, StatMinutes } from '#db/tables.ts'
import { valuesOf } from '#db/values.ts'
import type { Slot } from '#lib/calendar.ts'

/** What is counted: how often it happened. */
export type CountMetric = 'registrations' | 'channels' | 'messages'
/** What is looked at now and then: how high it is. */
export type LevelMetric = 'online'

/** Databases take only so many values in a statement. */
const ROWS_PER_STATEMENT = 1000

type Range = Pick<Slot, 'start' | 'end'>

/** Counts one. Its rows may be wanted by others at this moment, but never for long: they are written last. */
export function addCount(tx: Tx, metric: CountMetric, at: number): void {
  tx.later(countInsert(tx, metric, summed([{ start: at, count: 1 }])))
}

/** Adds what happened in stretches of five minutes, each of them once. */
export async function addCounts(
  tx: Tx,
  metric: CountMetric,
  counts: readonly { start: number; count: number }[],
): Promise<void> {
  const sums = summed(counts)
  for (let from = 0; from < sums.length; from += ROWS_PER_STATEMENT) {
    await countInsert(tx, metric, sums.slice(from, from + ROWS_PER_STATEMENT)).execute()
  }
}

type Sum = Pick<StatCountTable, 'minutes' | 'start' | 'count'>

function summed(counts: readonly { start: number; count: number }[]): Sum[] {
  const sums = new Map<string, Sum>()
  for (const { start: time, count } of counts) {
    for (const minutes of resolutions) {
      const start = floorTo(minutes, time)
      const sum = sums.get(`${minutes} ${start}`)
      if (sum) sum.count += count
      else sums.set(`${minutes} ${start}`, { minutes, start, count })
    }
  }
  return [...sums.values()]
}

function countInsert(tx: Tx, metric: CountMetric, sums: readonly Sum[]) {
  return tx
    .insertInto('stat_count')
    .values(sums.map((sum) => ({ metric, ...sum })))
    .onConflict((conflict) =>
      conflict
        .columns(['metric', 'minutes', 'start'])
        .doUpdateSet((eb) => ({ count: eb('stat_count.count', '+', eb.ref('excluded.count')) })),
    )
}

export async function addSample(tx: Tx, metric: LevelMetric, at: number, value: number): Promise<void> {
  await tx
    .insertInto('stat_level')
    .values(
      resolutions.map((minutes) => ({
        metric,
        minutes,
        start: floorTo(minutes, at),
        samples: 1,
        total: value,
        peak: value,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['metric', 'minutes', 'start']).doUpdateSet((eb) => ({
        samples: eb('stat_level.samples', '+', 1),
        total: eb('stat_level.total', '+', value),
        peak: eb
          .case()
          .when('stat_level.peak', '<', value)
          .then(eb.val(value))
          .else(eb.ref('stat_level.peak'))
          .end(),
      })),
    )
    .execute()
}

/** How often something happened in each of the ranges: one statement, whatever lies in them. */
export async function countsIn(db: Db, metric: CountMetric, ranges: readonly Range[]): Promise<number[]> {
  const counts = ranges.map(() => 0)
  const parts = partsOf(ranges)
  if (parts.length === 0) return counts
  // A subquery for each part: joined, PostgreSQL would rather go through the whole table.
  const rows = await db
    .selectFrom(valuesOf<PartRow, 'part'>(parts, 'part'))
    .select(({ selectFrom }) => [
      'part.column1 as index',
      selectFrom('stat_count')
        .select(({ fn }) => fn.sum('count').as('count'))
        .where('metric', '=', metric)
        .whereRef('minutes', '=', 'part.column2')
        .whereRef('start', '>=', 'part.column3')
        .whereRef('start', '<', 'part.column4')
        .as('count'),
    ])
    .execute()
  // PostgreSQL sums up to a number of any size, which comes as text.
  for (const { index, count } of rows) counts[index]! += Number(count)
  return counts
}

export interface Level {
  readonly samples: number
  readonly average: number
  readonly peak: number
}

/** How high something was in each of the ranges; 0 where nobody looked. */
export async function levelsIn(db: Db, metric: LevelMetric, ranges: readonly Range[]): Promise<Level[]> {
  const sums = ranges.map(() => ({ samples: 0, total: 0, peak: 0 }))
  const parts = partsOf(ranges)
  const rows =
    parts.length === 0
      ? []
      : await db
          .selectFrom(valuesOf<PartRow, 'part'>(parts, 'part'))
          .select(({ selectFrom }) => {
            const within = selectFrom('stat_level')
              .where('metric', '=', metric)
              .whereRef('minutes', '=', 'part.column2')
              .whereRef('start', '>=', 'part.column3')
              .whereRef('start', '<', 'part.column4')
            return [
              'part.column1 as index',
              within.select(({ fn }) => fn.sum('samples').as('sum')).as('samples'),
              within.select(({ fn }) => fn.sum('total').as('sum')).as('total'),
              within.select(({ fn }) => fn.max('peak').as('max')).as('peak'),
            ]
          })
          .execute()
  for (const { index, samples, total, peak } of rows) {
    const sum = sums[index]!
    sum.samples += Number(samples)
    sum.total += Number(total)
    sum.peak = Math.max(sum.peak, Number(peak))
  }
  return sums.map(({ samples, total, peak }) => ({
    samples,
    peak,
    average: samples === 0 ? 0 : total / samples,
  }))
}

/** Columns of {@link partsOf}. */
type PartRow = Record<'column1' | 'column2' | 'column3' | 'column4', number>

/**
 * The stored stretches that make up ranges, as number of the range, minutes of the stretches, start and end: whole hours
 * where they fit, five minutes at the edges. So a year is some thousand rows, and its weeks may begin at half past.
 */
function partsOf(
  ranges: readonly Range[],
): [index: number, minutes: StatMinutes, start: number, end: number][] {
  return ranges.flatMap(({ start, end }, index) => {
    const firstHour = -floorTo(60, -start)
    const lastHour = floorTo(60, end)
    const parts: [number, StatMinutes, number, number][] =
      firstHour < lastHour
        ? [
            [index, 5, start, firstHour],
            [index, 60, firstHour, lastHour],
            [index, 5, lastHour, end],
          ]
        : [[index, 5, start, end]]
    return parts.filter(([, , from, to]) => from < to)
  })
}

const resolutions = [5, 60] as const

function floorTo(minutes: StatMinutes, time: number): number {
  return Math.floor(time / (minutes * 60_000)) * minutes * 60_000
}

/** Its id is new, so the write cannot fail and is not waited for. */
export function insertActivity(tx: Tx, row: ActivityTable): void {
  tx.later(tx.insertInto('activity').values(row))
}

/** Whether somebody did something since a time. */
export async function hasActivitySince(
  db: Db,
  { type, userId }: { type: string; userId: string },
  since: number,
): Promise<boolean> {
  const row = await db
    .selectFrom('activity')
    .select('id')
    .where('at', '>=', since)
    .where('type', '=', type)
    .where('user_id', '=', userId)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
