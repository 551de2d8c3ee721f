import { startFloor } from '../lib/floor.ts'
import { TemporaryFolder } from '../lib/folder.ts'
import { requestBytes } from '../lib/http-connection.ts'
import { load, type LoadResult } from '../lib/load.ts'
import type { Bar, Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import type { Program } from '../lib/program.ts'
import { signUp } from '../lib/pufferblow.ts'
import { compare, takeTurns } from '../lib/stats.ts'

const CLIENTS = 16

export const limits: Case = {
  name: 'limits',
  title: 'small requests, with and without rate limits',
  run,
}

async function run({ quick }: CaseOptions): Promise<Measurement[]> {
  using folder = new TemporaryFolder()
  using floorFolder = new TemporaryFolder()
  await using server = await startFloor('limits', folder.path, 'with')
  await using floor = await startFloor('limits', floorFolder.path, 'without')
  const tokens = new Map<Program, string[]>()
  for (const one of [server, floor]) {
    tokens.set(
      one,
      (await signUp(one.url, CLIENTS)).map(({ token }) => token),
    )
  }
  const measure = async (
    { name, bar }: { name: string; bar?: Bar },
    method: string,
    path: string,
  ): Promise<Measurement> => {
    const send = (to: Program, until: { seconds: number } | { total: number }): Promise<LoadResult> => {
      const requests = tokens.get(to)!.map((token) => [requestBytes(to.url, method, path, { token })])
      return load(to, requests, until)
    }
    for (const one of [server, floor]) await send(one, { seconds: 1 })
    // Short rounds and many of them: the difference is small, and the machine's moods are not.
    const total = quick ? 2000 : 6000
    const rounds = await takeTurns(quick ? 5 : 25, {
      floor: () => send(floor, { total }),
      ours: () => send(server, { total }),
    })
    return compare(
      { name, unit: 'answers/CPU-s', ...(bar && { bar }) },
      rounds,
      (round) => round.perCpuSecond,
    )
  }
  return [
    await measure({ name: 'with limits: profile', bar: { ratio: 0.95 } }, 'POST', '/api/v1/users/profile'),
    // The smallest answer there is: here it shows what six headers cost.
    await measure({ name: 'with limits: info' }, 'GET', '/api/v1/info'),
  ]
}
