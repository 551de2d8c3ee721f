import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { dirname } from 'node:path'
import type { Measurement } from './measurement.ts'

export function passes({ ours, floor, bar }: Measurement): boolean {
  if (!bar) return true
  if ('below' in bar) return ours < bar.below
  if ('above' in bar) return ours > bar.above
  return floor !== undefined && ours / floor >= bar.ratio
}

export function printTable(measurements: readonly Measurement[]): void {
  const head = ['measurement', 'ours', 'floor', 'ratio', 'bar', '']
  const rows = measurements.map((measurement) => [
    `${measurement.name}, ${measurement.unit}`,
    figure(measurement.ours),
    measurement.floor === undefined ? '–' : figure(measurement.floor),
    ratioOf(measurement)?.toFixed(2) ?? '–',
    barText(measurement),
    measurement.bar ? (passes(measurement) ? 'pass' : 'FAIL') : '',
  ])
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column > 0 && column < 4 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd()
  console.log(line(head))
  console.log(line(widths.map((width) => '-'.repeat(width))))
  for (const row of rows) console.log(line(row))
}

/** Writes what was measured, round by round, and on what machine. */
export function writeResults(
  file: string,
  measurements: readonly Measurement[],
  { quick }: { quick: boolean },
): void {
  const results = {
    at: new Date().toISOString(),
    quick,
    node: process.version,
    machine: { cpus: cpus().map(({ model }) => model), memory_bytes: totalmem(), load_after: loadavg() },
    measurements: measurements.map((measurement) => ({
      ...measurement,
      ratio: ratioOf(measurement),
      pass: passes(measurement),
    })),
  }
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`)
}

function ratioOf({ ours, floor }: Measurement): number | undefined {
  return floor === undefined ? undefined : ours / floor
}

function barText({ bar }: Measurement): string {
  if (!bar) return ''
  if ('ratio' in bar) return `ratio ≥ ${bar.ratio}`
  return 'below' in bar ? `< ${bar.below}` : `> ${bar.above}`
}

function figure(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US')
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)
}
