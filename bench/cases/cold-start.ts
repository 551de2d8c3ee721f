import { setTimeout as sleep } from 'node:timers/promises'
import { TemporaryFolder } from '../lib/folder.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { call, startPufferblow } from '../lib/pufferblow.ts'
import { compare } from '../lib/stats.ts'

export const coldStart: Case = {
  name: 'cold-start',
  title: 'from the command to the first answer, with data already there; then memory at rest',
  run,
}

async function run({ quick }: CaseOptions): Promise<Measurement[]> {
  using folder = new TemporaryFolder()
  // The first start creates keys and database, and, in a fresh checkout, the cache of compiled sources.
  await (await startPufferblow(folder.path))[Symbol.asyncDispose]()
  const starts: { startMs: number; rssMb: number }[] = []
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    const started = performance.now()
    await using server = await startPufferblow(folder.path)
    await call(server.url, 'GET', '/healthz')
    const startMs = performance.now() - started
    await sleep(quick ? 1000 : 5000)
    starts.push({ startMs, rssMb: server.rssBytes() / 1e6 })
  }
  const rounds = { ours: starts }
  return [
    compare(
      { name: 'cold start to first answer', unit: 'ms', bar: { below: 1500 } },
      rounds,
      (start) => start.startMs,
    ),
    compare({ name: 'memory at rest', unit: 'MB', bar: { below: 150 } }, rounds, (start) => start.rssMb),
  ]
}
