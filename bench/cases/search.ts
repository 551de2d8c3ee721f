import { TemporaryFolder } from '../lib/folder.ts'
import { writeSearchableHistory, type History } from '../lib/searchable-history.ts'
import { HttpConnection, requestBytes } from '../lib/http-connection.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { call, signUp, startPufferblow, type Account } from '../lib/pufferblow.ts'
import { withPostgres } from '../lib/postgres.ts'
import { percentile } from '../lib/stats.ts'

const MESSAGES = 1_000_000
const CHANNELS = 200
const QUERIES = 300
const ROUNDS = 3
/** Tokens are bound to it, and the server is started twice. */
const origin = { PUFFERBLOW_PUBLIC_ORIGIN: 'https://chat.example' }

export const searchSqlite: Case = {
  name: 'search',
  title: `somebody searches ${MESSAGES.toLocaleString('en')} messages of ${CHANNELS} channels, on SQLite`,
  run: (options) => run('search', origin, options),
}

export const searchPostgres: Case = {
  name: 'search-postgres',
  title: `somebody searches ${MESSAGES.toLocaleString('en')} messages of ${CHANNELS} channels, on PostgreSQL`,
  run: (options) =>
    withPostgres((url) => run('search-postgres', { ...origin, PUFFERBLOW_DATABASE_URL: url }, options)),
}

async function run(
  name: string,
  env: Readonly<Record<string, string>>,
  { quick }: CaseOptions,
): Promise<Measurement[]> {
  using folder = new TemporaryFolder()
  const { reader, readerId, channelIds } = await furnish(folder.path, env)
  const began = performance.now()
  const history = await writeSearchableHistory(
    { ...env, PUFFERBLOW_DATA_DIR: folder.path },
    { count: quick ? MESSAGES / 20 : MESSAGES, channelIds, readerId },
  )
  console.error(`  written and indexed in ${Math.round((performance.now() - began) / 1000)} s`)

  await using server = await startPufferblow(folder.path, env)
  const requests = queriesOf(history, quick ? QUERIES / 5 : QUERIES).map((q) =>
    requestBytes(server.url, 'GET', `/api/v1/search?q=${encodeURIComponent(q)}`, { token: reader.token }),
  )
  await expectFound(server.url, reader, history)
  const rounds: number[][] = []
  for (let round = 0; round < ROUNDS; round++) rounds.push(await latencies(server.url, requests))
  const measure = (percent: number, bar?: { below: number }): Measurement => {
    const ours = rounds.map((round) => percentile(round, percent))
    return {
      name: `${name}: p${percent}`,
      unit: 'ms',
      ours: percentile(ours, 50),
      ...(bar && { bar }),
      rounds: { ours },
    }
  }
  return [measure(50), measure(95, { below: 20 }), measure(99)]
}

/** People and channels: the reader sees six of ten, and half of the private ones. */
async function furnish(
  dataDir: string,
  env: Readonly<Record<string, string>>,
): Promise<{ reader: Account; readerId: string; channelIds: string[] }> {
  await using server = await startPufferblow(dataDir, env)
  const [owner, reader] = (await signUp(server.url, 2)) as [Account, Account]
  const me = await call(server.url, 'POST', '/api/v1/users/profile', { token: reader.token, body: {} })
  const readerId = (me['user_data'] as { user_id: string }).user_id
  const channelIds: string[] = []
  for (let number = 0; number < CHANNELS; number++) {
    const is_private = number % 5 > 2
    const answer = await call(server.url, 'POST', '/api/v1/channels/create/', {
      token: owner.token,
      body: { channel_name: `channel ${number}`, is_private },
    })
    const { channel_id } = answer['channel_data'] as { channel_id: string }
    channelIds.push(channel_id)
    if (number % 10 !== 3 && number % 10 !== 4) continue
    await call(server.url, 'PUT', `/api/v1/channels/${channel_id}/add_user?to_add_user_id=${readerId}`, {
      token: owner.token,
    })
  }
  return { reader, readerId, channelIds }
}

/** What people search for: mostly a word or two, common and rare ones alike. */
function queriesOf({ vocabulary, samples, random }: History, count: number): string[] {
  const { words } = vocabulary
  // As many from the hundred commonest as from the rarest fifty thousand.
  const word = (): string => words[Math.floor(words.length ** random()) - 1]!
  const phrase = (): string => {
    const said = samples[Math.floor(random() * samples.length)]!.split(' ')
    const at = Math.floor(random() * (said.length - 2))
    return `"${said.slice(at, at + 2).join(' ')}"`
  }
  const month = (): string => {
    const date = new Date(Date.now() - random() * 700 * 24 * 3600 * 1000)
    return date.toISOString().slice(0, 7)
  }
  const kinds = [
    ...Array.from({ length: 8 }, () => word),
    ...Array.from({ length: 4 }, () => () => `${word()} ${word()}`),
    phrase,
    phrase,
    () => `${word()} -${word()}`,
    () => `${word()} from:me`,
    () => `${word()} in:"channel ${Math.floor(random() * CHANNELS)}"`,
    () => `${word()} before:${month()}`,
    () => `${word()} after:${month()}`,
    () => `${phrase()} on:${month()}`,
  ]
  return Array.from({ length: count }, (_, index) => kinds[index % kinds.length]!())
}

async function latencies(url: string, requests: readonly Buffer[]): Promise<number[]> {
  using connection = await HttpConnection.open(url)
  const took: number[] = []
  for (const request of requests) {
    const began = performance.now()
    const status = await new Promise<number>((resolve, reject) => connection.send(request, resolve, reject))
    took.push(performance.now() - began)
    if (status !== 200) throw new Error(`a search was answered with ${status}`)
  }
  return took
}

/** Speed counts only if what is there is found. */
async function expectFound(url: string, { token }: Account, { vocabulary }: History): Promise<void> {
  for (const word of [vocabulary.words[0]!, vocabulary.words[200]!]) {
    const { messages, complete } = await call(url, 'GET', `/api/v1/search?q="${word}"`, { token })
    const found = messages as { message: string }[]
    if (!complete || found.length !== 20 || !found.every(({ message }) => message.split(' ').includes(word)))
      throw new Error(`${word} was not found as it should be`)
  }
}
