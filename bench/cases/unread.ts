import { TemporaryFolder } from '../lib/folder.ts'
import { writePostgresHistory } from '../lib/history-postgres.ts'
import { writeHistory } from '../lib/history.ts'
import { requestBytes } from '../lib/http-connection.ts'
import { load } from '../lib/load.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { call, createChannel, signUp, startPufferblow } from '../lib/pufferblow.ts'
import { withPostgres } from '../lib/postgres.ts'
import { compare } from '../lib/stats.ts'

const CHANNELS = 200
const DAYS = 100
const PATH = '/api/v1/channels/read-history'

export const unread: Case = {
  name: 'unread',
  title: `how much is unread in ${CHANNELS} channels, on both databases`,
  run: async (options) => [
    ...(await run('', {}, (dataDir, stored) => writeHistory(dataDir, stored, DAYS), options)),
    ...(await withPostgres((url) =>
      run(
        'on PostgreSQL, ',
        { PUFFERBLOW_DATABASE_URL: url },
        (_, stored) => writePostgresHistory(url, stored, DAYS),
        options,
      ),
    )),
  ],
}

async function run(
  where: string,
  env: Readonly<Record<string, string>>,
  fill: (dataDir: string, stored: number) => void | Promise<void>,
  { quick }: CaseOptions,
): Promise<Measurement[]> {
  const stored = quick ? 20_000 : 200_000
  using folder = new TemporaryFolder()
  const token = await prepare(folder.path, env, fill, stored)
  await using server = await startPufferblow(folder.path, env)
  const { unread_counts: counts } = await call(server.url, 'GET', PATH, { token })
  const sum = Object.values(counts as Record<string, number>).reduce((total, count) => total + count, 0)
  // One in a hundred was deleted, which nobody has to read.
  if (sum < stored * 0.98 || sum > stored * 0.995)
    throw new Error(`${sum} are unread, not about ${stored * 0.99}`)

  const requests = [[requestBytes(server.url, 'GET', PATH, { token })]]
  await load(server, requests, { total: 50 })
  const ours = []
  for (let round = 0; round < (quick ? 2 : 5); round++)
    ours.push(await load(server, requests, { total: 200 }))
  return [
    compare(
      { name: `${where}unread in ${CHANNELS} channels: latency p50`, unit: 'ms' },
      { ours },
      (one) => one.p50Ms,
    ),
    compare(
      { name: `${where}unread in ${CHANNELS} channels: latency p99`, unit: 'ms', bar: { below: 10 } },
      { ours },
      (one) => one.p99Ms,
    ),
  ]
}

/** @returns the token of somebody who has read nothing of what was said since they came */
async function prepare(
  dataDir: string,
  env: Readonly<Record<string, string>>,
  fill: (dataDir: string, stored: number) => void | Promise<void>,
  stored: number,
): Promise<string> {
  let token: string
  {
    await using server = await startPufferblow(dataDir, env)
    const [owner, reader] = await signUp(server.url, 2)
    for (let channel = 0; channel < CHANNELS; channel++)
      await createChannel(server.url, owner!, `bench ${channel}`)
    token = reader!.token
  }
  await fill(dataDir, stored)
  return token
}
