import { fileURLToPath } from 'node:url'
import { bareRoom, ourRoom, talk, type Talk } from '../lib/listeners.ts'
import { startFloor } from '../lib/floor.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { Program } from '../lib/program.ts'
import { compare, percentile, takeTurns } from '../lib/stats.ts'

export const voice: Case = {
  name: 'voice',
  title: 'one person talks to 100 and to 400 others',
  run,
}

async function run(options: CaseOptions): Promise<Measurement[]> {
  return [...(await measure(100, options)), ...(await measure(400, options))]
}

async function measure(listeners: number, { quick }: CaseOptions): Promise<Measurement[]> {
  await using floorServer = await startFloor('relay')
  const file = fileURLToPath(new URL('../programs/media-server.ts', import.meta.url))
  await using ourServer = await Program.start([file], (line) => (JSON.parse(line) as { url: string }).url)
  const memoryBefore = ourServer.rssBytes()
  const cpuBefore = ourServer.cpuSeconds()
  await using floor = await bareRoom(floorServer, listeners)
  await using ours = await ourRoom(ourServer, listeners)
  const joinCpuMs = ((ourServer.cpuSeconds() - cpuBefore) * 1000) / listeners
  const memory = (ourServer.rssBytes() - memoryBefore) / listeners

  for (const room of [floor, ours]) await talk(room, listeners, 500)
  const ms = quick ? 2000 : 8000
  const rounds = await takeTurns(quick ? 1 : 3, {
    floor: () => talk(floor, listeners, ms),
    ours: () => talk(ours, listeners, ms),
  })
  const name = (what: string): string => `voice, 1 to ${listeners}: ${what}`
  const latency = (percent: number) => (round: Talk) => percentile(round.latencies, percent)
  const only = { ours: rounds.ours }
  return [
    compare(
      { name: name('forwarded'), unit: 'packets/CPU-s', bar: { ratio: 0.35 } },
      rounds,
      (round) => round.packets / Math.max(round.cpuSeconds, 0.01),
    ),
    compare(
      { name: name('CPU of a core'), unit: '%', ...(listeners === 400 && { bar: { below: 35 } }) },
      only,
      (round) => (100 * round.cpuSeconds) / round.seconds,
    ),
    compare({ name: name('delay p50'), unit: 'ms' }, rounds, latency(50)),
    compare({ name: name('delay p99'), unit: 'ms' }, rounds, latency(99)),
    compare({ name: name('lost'), unit: 'packets', bar: { below: 1 } }, only, (round) => round.lost),
    compare(
      { name: name('memory'), unit: 'KB a participant', bar: { below: 400 } },
      { ours: [memory / 1024] },
      Number,
    ),
    compare({ name: name('CPU of a join'), unit: 'ms', bar: { below: 15 } }, { ours: [joinCpuMs] }, Number),
    compare(
      { name: name('connected p50'), unit: 'ms', bar: { below: 100 } },
      { ours: [percentile(ours.connectMs, 50)] },
      Number,
    ),
  ]
}
