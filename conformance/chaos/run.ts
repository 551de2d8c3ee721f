// Kills a server of this checkout again and again under load, or loads it for long: node conformance/chaos/run.ts chaos|soak
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Evidence, Verdict } from './check.ts'
import { createChannel, signUp } from './client.ts'
import { Postgres } from './postgres.ts'
import { Program } from './program.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

const USAGE = `usage: node conformance/chaos/run.ts chaos|soak [options]

  --seconds N     how long at most (default 300)
  --kills N       chaos: end after so many kills
  --processes N   so many server processes on one PostgreSQL instead of one on SQLite
  --rolling       chaos: stop processes in good order, one after the other, as an update does, instead of killing them
  --restarts N    chaos with --processes: restart PostgreSQL after every N kills
  --writers N     people who write without pause (chaos, default 8) or ten times a second (soak)`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '300' },
    kills: { type: 'string', default: '1000000' },
    processes: { type: 'string', default: '0' },
    restarts: { type: 'string', default: '0' },
    rolling: { type: 'boolean', default: false },
    writers: { type: 'string', default: '8' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const [kind] = positionals
const [seconds, kills, processes, restarts, writerCount] = (
  ['seconds', 'kills', 'processes', 'restarts', 'writers'] as const
).map((name) => Number(values[name])) as [number, number, number, number, number]
if (
  values.help ||
  (kind !== 'chaos' && kind !== 'soak') ||
  [seconds, kills, processes, restarts, writerCount].some((number) => !Number.isInteger(number) || number < 0)
) {
  console.error(USAGE)
  process.exit(values.help ? 0 : 2)
}

const folder = mkdtempSync(join(tmpdir(), 'pufferblow-chaos-'))
try {
  const wrong = await run(kind)
  for (const problem of wrong) console.error(`WRONG: ${problem}`)
  process.exitCode = wrong.length > 0 ? 1 : 0
} finally {
  rmSync(folder, { recursive: true, force: true })
}
// The package of PostgreSQL would end the process with its own code.
process.exit()

async function run(what: 'chaos' | 'soak'): Promise<readonly string[]> {
  await using stack = new AsyncDisposableStack()
  const postgres = processes > 0 ? stack.use(await Postgres.start(folder)) : undefined
  const shared = postgres
    ? { DATABASE_URL: postgres.url, MASTER_KEY: randomBytes(32).toString('base64') }
    : {}
  const programs: Program[] = []
  for (let number = 1; number <= Math.max(1, processes); number++) {
    const own = join(folder, `process-${number}`)
    mkdirSync(own)
    const program = stack.use(await Program.create(own, shared))
    await program.start()
    programs.push(program)
  }
  const [first] = programs
  // Limits are not what is tried here.
  first!.command('settings', 'set', 'max_rate_limit_requests=10000000', 'rate_limit_address_factor=1000')
  const urls = programs.map(({ url }) => url)
  const owner = await signUp(first!.url, 'owner')
  const channels = [
    await createChannel(first!.url, owner, 'one'),
    await createChannel(first!.url, owner, 'two'),
  ]
  const readers: Reader[] = []
  for (const url of urls) readers.push(stack.use(await Reader.open(url, owner)))
  const writers: Writer[] = []
  for (let number = 0; number < writerCount; number++) {
    const token = await signUp(first!.url, `writer-${number}`)
    const pauseMs = what === 'soak' ? 100 : 0
    writers.push(new Writer({ name: `w${number}`, urls, token, channels, pauseMs }))
  }
  const end = performance.now() + seconds * 1000
  const wrong = what === 'chaos' ? await wreak(programs, postgres, end) : await soak(first!, readers, end)
  for (const writer of writers) await writer.stop()
  return [...wrong, ...(await judge({ urls, token: owner, channels }, writers, readers))]
}

/** Ends processes at random instants and starts them again. */
async function wreak(
  programs: readonly Program[],
  postgres: Postgres | undefined,
  end: number,
): Promise<readonly string[]> {
  let [killed, restarted] = [0, 0]
  while (killed < kills && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 700))
    // In turn in an update; else whichever it hits.
    const victim =
      programs[values.rolling ? killed % programs.length : Math.floor(Math.random() * programs.length)]!
    await (values.rolling ? victim.stop() : victim.kill())
    killed++
    if (postgres && restarts > 0 && killed % restarts === 0) {
      await postgres.restart()
      restarted++
    }
    await victim.start()
    if (killed % 20 === 0) console.error(`${killed} times`)
  }
  console.log(
    `${values.rolling ? 'stopped' : 'killed'} ${killed} times, PostgreSQL restarted ${restarted} times`,
  )
  return []
}

/** Looks at memory under a steady load, in which readers come and go. */
async function soak(program: Program, readers: readonly Reader[], end: number): Promise<readonly string[]> {
  const samples: number[] = []
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    samples.push(program.memory())
    if (samples.length % 10 === 0) for (const reader of readers) reader.drop()
  }
  // The first third is for caches to fill; then the middle of a sixth at each end.
  const steady = samples.slice(Math.floor(samples.length / 3))
  const part = Math.max(1, Math.floor(steady.length / 4))
  const [start, last] = [median(steady.slice(0, part)), median(steady.slice(-part))]
  const growth = (last / start - 1) * 100
  console.log(
    `memory: ${start.toFixed(1)} MiB after the first third, ${last.toFixed(1)} MiB at the end (${growth.toFixed(1)} %)`,
  )
  return growth > 10 ? [`memory grew by ${growth.toFixed(1)} %`] : []
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)]!
}

async function judge(
  where: Pick<Evidence, 'urls' | 'token' | 'channels'>,
  writers: readonly Writer[],
  readers: readonly Reader[],
): Promise<readonly string[]> {
  const last = new Map<string, number>()
  for (const { channel, seq } of writers.flatMap(({ acknowledged }) => acknowledged))
    last.set(channel, Math.max(last.get(channel) ?? 0, seq))
  for (const reader of readers) await reader.reaches(last, 20_000)
  // What was stored last may not have been acknowledged; it comes as well.
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const evidence: Evidence = {
    ...where,
    writers: writers.map(({ acknowledged, attempted }) => ({ acknowledged, attempted })),
    readers: readers.map(({ seen }) => seen),
  }
  const file = join(folder, 'evidence.json')
  writeFileSync(file, JSON.stringify(evidence), { mode: 0o600 })
  const checker = fileURLToPath(new URL('check.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [checker, file], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status !== 0) return [`the checker failed: ${stderr}`]
  const verdict = JSON.parse(stdout) as Verdict
  const refused = new Map<number, number>()
  for (const writer of writers)
    for (const [code, count] of writer.refused) refused.set(code, (refused.get(code) ?? 0) + count)
  const answers = [...refused].map(([code, count]) => `${count} × ${code === 0 ? 'no answer' : code}`)
  console.log(
    `${verdict.acknowledged} messages acknowledged, ${verdict.stored} stored, of which ${verdict.unacknowledged} ` +
      `whose answer was lost; not acknowledged: ${answers.join(', ') || 'none'}`,
  )
  console.log(
    `${readers.length} readers: reconnected ${readers.map(({ reconnects }) => reconnects).join(', ')} ` +
      `times, loaded afresh ${readers.map(({ lostCursors }) => lostCursors).join(', ')} times`,
  )
  console.log(verdict.problems.length === 0 ? 'Everything is as it should be' : 'Something is wrong')
  return verdict.problems
}
