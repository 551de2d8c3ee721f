import { randomBytes } from 'node:crypto'
import sharp from 'sharp'
import { TemporaryFolder } from '../lib/folder.ts'
import { formBytes } from '../lib/form.ts'
import { HttpConnection, requestBytes } from '../lib/http-connection.ts'
import { load } from '../lib/load.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { messageText } from '../lib/message.ts'
import type { Program } from '../lib/program.ts'
import { createChannel, signUp, startPufferblow } from '../lib/pufferblow.ts'
import { compare, percentile } from '../lib/stats.ts'

const SENDERS = 16
const PER_SECOND = 100
const PHOTOGRAPHERS = 2
const [WIDTH, HEIGHT] = [4000, 3000]

export const thumbnails: Case = {
  name: 'thumbnails',
  title: `people send ${PER_SECOND} messages a second while others send one photo of 12 megapixels after the other`,
  run,
}

interface Round {
  readonly quietMs: number
  readonly busyMs: number
  readonly photos: number
}

async function run({ quick }: CaseOptions): Promise<Measurement[]> {
  using folder = new TemporaryFolder()
  await using server = await startPufferblow(folder.path)
  const people = await signUp(server.url, SENDERS + PHOTOGRAPHERS)
  const channelId = await createChannel(server.url, people[0]!)
  const path = `/api/v1/channels/${channelId}/send_message`
  const body = JSON.stringify({ message: messageText })
  const messages = people
    .slice(0, SENDERS)
    .map(({ token }) => requestBytes(server.url, 'POST', path, { token, body }))
  const photo = await makePhoto()
  const photos = people
    .slice(SENDERS)
    .map(({ token }) => [formBytes(server.url, path, { token, field: 'attachments', content: photo })])

  const seconds = quick ? 2 : 6
  await sendSteadily(server, messages, 1)
  await load(server, photos, { total: PHOTOGRAPHERS })
  const rounds: Round[] = []
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    const quietMs = await sendSteadily(server, messages, seconds)
    const [busyMs, { answers }] = await Promise.all([
      sendSteadily(server, messages, seconds),
      load(server, photos, { seconds }),
    ])
    rounds.push({ quietMs, busyMs, photos: answers / seconds })
  }
  const name = 'send under image load'
  return [
    compare({ name: `${name}: p99 without`, unit: 'ms' }, { ours: rounds }, ({ quietMs }) => quietMs),
    compare({ name: `${name}: p99`, unit: 'ms' }, { ours: rounds }, ({ busyMs }) => busyMs),
    compare(
      { name: `${name}: p99 against without`, unit: '×', bar: { below: 2 } },
      { ours: rounds },
      ({ quietMs, busyMs }) => busyMs / quietMs,
    ),
    compare({ name: `${name}: photos`, unit: 'photos/s' }, { ours: rounds }, (round) => round.photos),
  ]
}

/**
 * Sends messages at a steady pace, whether or not the ones before were answered.
 *
 * @returns the 99th percentile of how long they took, in milliseconds, from when each was due
 */
async function sendSteadily(server: Program, requests: readonly Buffer[], seconds: number): Promise<number> {
  using connections = new DisposableStack()
  const free = await Promise.all(
    requests.map(async (request) => ({
      request,
      connection: connections.use(await HttpConnection.open(server.url)),
    })),
  )
  const latencies: number[] = []
  const due: number[] = []
  const started = performance.now()
  await new Promise<void>((resolve, reject) => {
    let planned = 0
    const total = PER_SECOND * seconds
    const sendDue = (): void => {
      while (due.length > 0 && free.length > 0) {
        const at = due.shift()!
        const client = free.shift()!
        client.connection.send(
          client.request,
          (status) => {
            if (status !== 201) return reject(new Error(`an answer ${status} under load`))
            latencies.push(performance.now() - at)
            free.push(client)
            if (latencies.length < total) return sendDue()
            clearInterval(timer)
            resolve()
          },
          reject,
        )
      }
    }
    const timer = setInterval(() => {
      const now = performance.now()
      for (; planned < total && started + (planned * 1000) / PER_SECOND <= now; planned++) {
        due.push(started + (planned * 1000) / PER_SECOND)
      }
      sendDue()
    }, 1)
  })
  return percentile(latencies, 99)
}

/** As large as those of a telephone, with enough in it to be work. */
async function makePhoto(): Promise<Buffer> {
  const [width, height] = [WIDTH / 10, HEIGHT / 10]
  const noise = randomBytes(width * height * 3)
  return sharp(noise, { raw: { width, height, channels: 3 } })
    .resize(WIDTH, HEIGHT)
    .jpeg({ quality: 85 })
    .toBuffer()
}
