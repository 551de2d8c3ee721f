import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startFloor } from '../lib/floor.ts'
import { TemporaryFolder } from '../lib/folder.ts'
import { formBytes } from '../lib/form.ts'
import { requestBytes } from '../lib/http-connection.ts'
import { load } from '../lib/load.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { createChannel, signUp, startPufferblow, type Account } from '../lib/pufferblow.ts'
import { compare, takeTurns } from '../lib/stats.ts'

const KB = 1024
const SMALL = 64 * KB
const LARGE = 16 * KB * KB
const UPLOADERS = 16

export const files: Case = {
  name: 'files',
  title: 'people fetch files of 64 KB and 16 MB, plain and encrypted, and store files of 64 KB',
  run,
}

async function run(options: CaseOptions): Promise<Measurement[]> {
  return [
    ...(await serving(options, { encrypted: false, bar: 0.7 })),
    ...(await serving(options, { encrypted: true, bar: 0.4 })),
    ...(await storing(options)),
  ]
}

async function serving(
  { quick }: CaseOptions,
  { encrypted, bar }: { encrypted: boolean; bar: number },
): Promise<Measurement[]> {
  using folder = new TemporaryFolder()
  using floorFolder = new TemporaryFolder()
  await using server = await startPufferblow(folder.path, {
    PUFFERBLOW_STORAGE_ENCRYPT: String(encrypted),
  })
  await using floor = await startFloor('file', floorFolder.path)
  const [owner] = await signUp(server.url, 1)
  const seconds = quick ? 1 : 3
  const measurements: Measurement[] = []
  for (const [label, size, clients] of [
    ['64 KB', SMALL, 16],
    ['16 MB', LARGE, 4],
  ] as const) {
    const content = randomBytes(size)
    writeFileSync(join(floorFolder.path, label.replace(' ', '')), content)
    const path = await upload(server.url, owner!, content)
    const requests = Array.from({ length: clients }, () => [requestBytes(server.url, 'GET', path)])
    const floorRequests = Array.from({ length: clients }, () => [
      requestBytes(floor.url, 'GET', `/${label.replace(' ', '')}`),
    ])
    await load(floor, floorRequests, { seconds: 1 })
    await load(server, requests, { seconds: quick ? 1 : 2 })
    const rounds = await takeTurns(quick ? 2 : 5, {
      floor: () => load(floor, floorRequests, { seconds }),
      ours: () => load(server, requests, { seconds }),
    })
    const name = `file of ${label}, ${encrypted ? 'encrypted' : 'plain'}`
    measurements.push(
      compare({ name, unit: 'files/s', bar: { ratio: bar } }, rounds, (round) => round.perSecond),
      compare({ name, unit: 'files/CPU-s' }, rounds, (round) => round.perCpuSecond),
    )
  }
  return measurements
}

async function storing({ quick }: CaseOptions): Promise<Measurement[]> {
  using folder = new TemporaryFolder()
  using floorFolder = new TemporaryFolder()
  await using server = await startPufferblow(folder.path)
  await using floor = await startFloor('file', floorFolder.path)
  const people = await signUp(server.url, UPLOADERS)
  const channelId = await createChannel(server.url, people[0]!)
  const path = `/api/v1/channels/${channelId}/send_message`
  // Enough different contents that hardly any upload finds its own there already.
  const contents = Array.from({ length: 200 }, () => randomBytes(SMALL))
  const requests = people.map(({ token }) =>
    contents.map((content) =>
      formBytes(server.url, path, { token, field: 'attachments', content: own(content) }),
    ),
  )
  const floorRequests = people.map(() => contents.map((content) => plainBytes(floor.url, own(content))))
  const seconds = quick ? 1 : 3
  await load(floor, floorRequests, { seconds: 1 })
  await load(server, requests, { seconds: 1 })
  const rounds = await takeTurns(quick ? 2 : 5, {
    floor: () => load(floor, floorRequests, { seconds }),
    ours: () => load(server, requests, { seconds }),
  })
  const name = 'upload of 64 KB'
  return [
    compare({ name, unit: 'files/s', bar: { ratio: 0.4 } }, rounds, (round) => round.perSecond),
    compare({ name, unit: 'files/CPU-s' }, rounds, (round) => round.perCpuSecond),
    compare({ name: `${name}: latency p99`, unit: 'ms' }, rounds, (round) => round.p99Ms),
  ]
}

/** The same bytes but for a few, so that each client sends its own. */
function own(content: Buffer): Buffer {
  const copy = Buffer.from(content)
  randomBytes(16).copy(copy)
  return copy
}

/** Stores a file that everybody may fetch. @returns its address */
async function upload(url: string, { token }: Account, content: Buffer): Promise<string> {
  const form = new FormData()
  form.set('directory', 'files')
  form.set('file', new File([new Uint8Array(content)], 'bench.bin'), 'bench.bin')
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(new URL('/api/v1/storage/upload', url), { method: 'POST', headers, body: form })
  if (!answer.ok) throw new Error(`the upload was answered with ${answer.status}: ${await answer.text()}`)
  return ((await answer.json()) as { url: string }).url
}

function plainBytes(url: string, content: Buffer): Buffer {
  const headers = [`POST / HTTP/1.1`, `Host: ${new URL(url).host}`, `Content-Length: ${content.length}`]
  return Buffer.concat([Buffer.from(`${headers.join('\r\n')}\r\n\r\n`), content])
}
