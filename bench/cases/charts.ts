import { TemporaryFolder } from '../lib/folder.ts'
import { writePostgresHistory } from '../lib/history-postgres.ts'
import { writeHistory } from '../lib/history.ts'
import { requestBytes } from '../lib/http-connection.ts'
import { load } from '../lib/load.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { call, createChannel, signUp, startPufferblow } from '../lib/pufferblow.ts'
import { compare } from '../lib/stats.ts'
import { withPostgres } from '../lib/postgres.ts'

const CHANNELS = 40
const DAYS = 800
const charts = ['message-activity', 'user-registrations', 'channel-creation', 'online-users'] as const

type Env = Readonly<Record<string, string>>
/** Writes so many messages into the database of a server that does not run. */
type Fill = (dataDir: string, stored: number) => void | Promise<void>

export const chartsSqlite: Case = {
  name: 'charts',
  title: 'charts of a year over millions of messages, on SQLite',
  run: (options) => run('', {}, (dataDir, stored) => writeHistory(dataDir, stored, DAYS), options),
}

export const chartsPostgres: Case = {
  name: 'charts-postgres',
  title: 'charts of a year over millions of messages, on PostgreSQL',
  run: (options) =>
    withPostgres((url) =>
      run(
        'on PostgreSQL, ',
        { PUFFERBLOW_DATABASE_URL: url },
        (_, stored) => writePostgresHistory(url, stored, DAYS),
        options,
      ),
    ),
}

async function run(where: string, env: Env, fill: Fill, { quick }: CaseOptions): Promise<Measurement[]> {
  const stored = quick ? 200_000 : 3_000_000
  using folder = new TemporaryFolder()
  const token = await prepare(folder.path, env, fill, stored)
  await using server = await startPufferblow(folder.path, env)
  const counting = await countAll(where, server.url, token, stored)

  const body = JSON.stringify({ period: '1y', tz: 'Asia/Kolkata' })
  const measurements: Measurement[] = [counting]
  for (const chart of charts) {
    const path = `/api/v1/system/charts/${chart}`
    const requests = [[requestBytes(server.url, 'POST', path, { token, body })]]
    await load(server, requests, { total: 10 })
    const rounds = []
    for (let round = 0; round < (quick ? 2 : 5); round++)
      rounds.push(await load(server, requests, { total: quick ? 20 : 100 }))
    measurements.push(
      compare(
        { name: `${where}${chart}, a year: latency p99`, unit: 'ms', bar: { below: 50 } },
        { ours: rounds },
        (one) => one.p99Ms,
      ),
    )
  }
  return measurements
}

/** @returns the owner's token */
async function prepare(dataDir: string, env: Env, fill: Fill, stored: number): Promise<string> {
  let token: string
  {
    await using server = await startPufferblow(dataDir, env)
    const [owner] = await signUp(server.url, 1)
    token = owner!.token
    for (let channel = 0; channel < CHANNELS; channel++)
      await createChannel(server.url, owner!, `bench ${channel}`)
  }
  await fill(dataDir, stored)
  return token
}

/** Has the server count what was there before it had charts. */
async function countAll(where: string, url: string, token: string, stored: number): Promise<Measurement> {
  const started = performance.now()
  for (;;) {
    const answer = await call(url, 'POST', '/api/v1/background-tasks/run', {
      token,
      body: { task_id: 'chart_data_update' },
    })
    if (answer['status_code'] === 200) break
  }
  const seconds = (performance.now() - started) / 1000
  const chart = await call(url, 'POST', '/api/v1/system/charts/message-activity', {
    token,
    body: { period: '1y' },
  })
  const { messages_this_year: counted } = chart['raw_stats'] as { messages_this_year: number }
  const expected = (stored * 365) / DAYS
  if (Math.abs(counted - expected) > expected * 0.1)
    throw new Error(`a year has ${counted} messages, not about ${expected}`)
  return compare(
    { name: `${where}messages counted`, unit: 'messages/s' },
    { ours: [stored / seconds] },
    (perSecond) => perSecond,
  )
}
