import { startFloor } from '../lib/floor.ts'
import { TemporaryFolder } from '../lib/folder.ts'
import { requestBytes } from '../lib/http-connection.ts'
import { load } from '../lib/load.ts'
import type { Bar, Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { messageText } from '../lib/message.ts'
import type { Program } from '../lib/program.ts'
import { call, createChannel, signUp, startPufferblow } from '../lib/pufferblow.ts'
import { compare, takeTurns } from '../lib/stats.ts'

const CLIENTS = 16
const PAGE = 50
/** Several times more than the server keeps decrypted, so that a walk through all of it finds nothing ready. */
const STORED = 20_000
/** What people scroll through: few enough to stay decrypted. */
const RECENT = 2000

export const page: Case = {
  name: 'page',
  title: `${CLIENTS} people load pages of ${PAGE} of ${STORED} messages`,
  run,
}

async function run({ quick }: CaseOptions): Promise<Measurement[]> {
  using folder = new TemporaryFolder()
  using floorFolder = new TemporaryFolder()
  await using server = await startPufferblow(folder.path)
  await using floor = await startFloor('page', floorFolder.path, String(STORED), messageText)

  const tokens = (await signUp(server.url, CLIENTS)).map(({ token }) => token)
  const channelId = await createChannel(server.url, { token: tokens[0]! })
  const body = JSON.stringify({ message: messageText })
  const path = `/api/v1/channels/${channelId}/load_messages?messages_per_page=${PAGE}`
  const writes = tokens.map((token) => [
    requestBytes(server.url, 'POST', `/api/v1/channels/${channelId}/send_message`, { token, body }),
  ])
  await load(server, writes, { total: STORED })

  const compareOn = async (
    { name, bar }: { name: string; bar?: Bar },
    pathsOf: (client: number) => readonly string[],
  ): Promise<Measurement[]> => {
    const requestsTo = ({ url }: Program): Buffer[][] =>
      tokens.map((token, client) => pathsOf(client).map((one) => requestBytes(url, 'GET', one, { token })))
    const [requests, floorRequests] = [requestsTo(server), requestsTo(floor)]
    for (const { url } of [server, floor]) await expectWholePage(url, pathsOf(0)[0]!, tokens[0]!)
    const seconds = quick ? 1 : 3
    await load(floor, floorRequests, { seconds: 1 })
    await load(server, requests, { seconds: quick ? 1 : 3 })
    const rounds = await takeTurns(quick ? 2 : 5, {
      floor: () => load(floor, floorRequests, { seconds }),
      ours: () => load(server, requests, { seconds }),
    })
    return [
      compare({ name, unit: 'pages/s', ...(bar && { bar }) }, rounds, (round) => round.perSecond),
      compare({ name, unit: 'pages/CPU-s' }, rounds, (round) => round.perCpuSecond),
      compare({ name: `${name}: latency p99`, unit: 'ms' }, rounds, (round) => round.p99Ms),
    ]
  }
  const walk = (client: number, among: number): string[] =>
    placesBack(client, among).map((before) => `${path}&before=${before}`)
  const bar = { ratio: 0.35 }
  return [
    ...(await compareOn({ name: 'newest page', bar }, () => [path])),
    ...(await compareOn({ name: 'recent page', bar }, (client) => walk(client, RECENT))),
    // Nothing of it was read lately, so each message has to be decrypted, which the floor is spared.
    ...(await compareOn({ name: 'old page' }, (client) => walk(client, STORED))),
  ]
}

/** Numbers to load before: the newest `among` messages, backwards, each client from a start of its own, in a circle. */
function placesBack(client: number, among: number): number[] {
  const pages = among / PAGE
  const first = Math.floor((client * pages) / CLIENTS)
  return Array.from({ length: pages }, (_, step) => STORED + 1 - ((first + step) % pages) * PAGE)
}

async function expectWholePage(url: string, path: string, token: string): Promise<void> {
  const answer = await call(url, 'GET', path, { token })
  const { length } = answer['messages'] as unknown[]
  if (length !== PAGE) throw new Error(`a page of ${PAGE} has ${length} messages`)
}
