// Measures PufferBlow against bare programs that do the least the same work can take, in the same run on the same
// machine: npm run bench [-- --only send,page] [--quick] [--json <file>]
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chartsPostgres, chartsSqlite } from './cases/charts.ts'
import { coldStart } from './cases/cold-start.ts'
import { crowd } from './cases/crowd.ts'
import { fanOut } from './cases/fan-out.ts'
import { files } from './cases/files.ts'
import { federation } from './cases/federation.ts'
import { limits } from './cases/limits.ts'
import { page } from './cases/page.ts'
import { permissions } from './cases/permissions.ts'
import { searchPostgres, searchSqlite } from './cases/search.ts'
import { send } from './cases/send.ts'
import { unread } from './cases/unread.ts'
import { thumbnails } from './cases/thumbnails.ts'
import { voice } from './cases/voice.ts'
import type { Case, Measurement } from './lib/measurement.ts'
import { passes, printTable, writeResults } from './lib/report.ts'

const cases: readonly Case[] = [
  send,
  page,
  files,
  thumbnails,
  fanOut,
  crowd,
  chartsSqlite,
  chartsPostgres,
  unread,
  voice,
  coldStart,
  limits,
  searchSqlite,
  searchPostgres,
  permissions,
  federation,
]

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string', default: fileURLToPath(new URL('results/latest.json', import.meta.url)) },
  },
})
const names = options.only?.split(',') ?? cases.map(({ name }) => name)
const unknown = names.filter((name) => !cases.some((known) => known.name === name))
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; there are ${cases.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
if (process.platform !== 'linux') {
  console.error('the benchmarks read /proc and so need Linux')
  process.exit(2)
}

// An end that comes early still runs what waits for `exit`: programs are stopped, folders removed.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

const measurements: Measurement[] = []
for (const { name, title, run } of cases.filter((known) => names.includes(known.name))) {
  console.error(`${name}: ${title} …`)
  try {
    measurements.push(...(await run({ quick: options.quick })))
  } catch (error) {
    console.error(`${name} could not be measured:`, error)
    process.exitCode = 1
  }
}
printTable(measurements)
writeResults(options.json, measurements, { quick: options.quick })
if (!measurements.every(passes)) process.exitCode = 1
