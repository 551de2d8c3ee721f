import type { Bar, Measurement } from './measurement.ts'

function median(values: readonly number[]): number {
  return percentile(values, 50)
}

/** By linear interpolation between the closest ranks. */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) throw new Error('no values to take a percentile of')
  const sorted = Float64Array.from(values).toSorted()
  const place = ((sorted.length - 1) * percent) / 100
  const below = sorted[Math.floor(place)]!
  const above = sorted[Math.ceil(place)]!
  return below + (above - below) * (place - Math.floor(place))
}

/** Results of both sides, a round each in turn. */
export interface Rounds<T> {
  readonly ours: T[]
  readonly floor: T[]
}

/** Lets floor and ours take turns, so that whatever else the machine does meets both. */
export async function takeTurns<T>(
  count: number,
  sides: { floor: () => Promise<T>; ours: () => Promise<T> },
): Promise<Rounds<T>> {
  const rounds: Rounds<T> = { ours: [], floor: [] }
  for (let round = 0; round < count; round++) {
    rounds.floor.push(await sides.floor())
    rounds.ours.push(await sides.ours())
  }
  return rounds
}

/** A figure of every round, as a measurement. */
export function compare<T>(
  { name, unit, bar }: Pick<Measurement, 'name' | 'unit'> & { bar?: Bar },
  rounds: { readonly ours: readonly T[]; readonly floor?: readonly T[] },
  figure: (round: T) => number,
): Measurement {
  const ours = rounds.ours.map(figure)
  const floor = rounds.floor?.map(figure)
  return {
    name,
    unit,
    ours: median(ours),
    ...(floor && { floor: median(floor) }),
    ...(bar && { bar }),
    rounds: { ours, ...(floor && { floor }) },
  }
}
