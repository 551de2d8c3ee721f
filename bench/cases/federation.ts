import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { startFloor } from '../lib/floor.ts'
import { TemporaryFolder } from '../lib/folder.ts'
import { load, type LoadResult } from '../lib/load.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { messageText } from '../lib/message.ts'
import { Peer, peerKeyPem } from '../lib/peer.ts'
import { Program } from '../lib/program.ts'
import { call, signUp, startPufferblow } from '../lib/pufferblow.ts'
import { compare, percentile, takeTurns } from '../lib/stats.ts'

const CLIENTS = 32
const QUEUE = fileURLToPath(new URL('../programs/queue-deliveries.ts', import.meta.url))

export const federation: Case = {
  name: 'federation',
  title: 'direct messages between servers, verified activities, deliveries to a hundred peers',
  run: async (options) => [
    ...(await betweenServers(options)),
    ...(await inbox(options)),
    ...(await deliveries(options)),
  ],
}

interface Site extends AsyncDisposable {
  readonly origin: string
  readonly program: Program
}

async function startSite(folder: string, address: string): Promise<Site> {
  const origin = `http://${address}:${await freePort(address)}`
  const program = await startPufferblow(folder, federated(origin))
  return { origin, program, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
}

function federated(origin: string): Record<string, string> {
  const { hostname, port } = new URL(origin)
  return {
    PUFFERBLOW_HOST: hostname,
    PUFFERBLOW_PORT: port,
    PUFFERBLOW_PUBLIC_ORIGIN: origin,
    PUFFERBLOW_FEDERATION_ALLOW_PRIVATE: '1',
    PUFFERBLOW_FEDERATION_PEER_RATE: '100000',
  }
}

function freePort(address: string): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, address, () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

function idOf(token: string): string {
  return (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { sub: string }).sub
}

/** How long a direct message takes from the request of one person to the socket of another, on another server. */
async function betweenServers({ quick }: CaseOptions): Promise<Measurement[]> {
  using folders = new DisposableStack()
  const [one, other] = [folders.use(new TemporaryFolder()), folders.use(new TemporaryFolder())]
  await using a = await startSite(one.path, '127.0.0.1')
  await using b = await startSite(other.path, '127.0.0.2')
  const rest = quick ? 1000 : 5000
  await sleep(rest)
  const unused = [a, b].map(({ program }) => program.rssBytes() / 1e6)
  const colds = quick ? 3 : 40
  const senders = await signUp(a.program.url, colds)
  const receivers = await signUp(b.program.url, colds)
  const cold: number[] = []
  const warm: number[] = []
  for (const [index, { token }] of receivers.entries()) {
    const peer = `bench${index + 1}@${new URL(b.origin).host}`
    using socket = await Listener.open(b.program.url, token)
    cold.push(await socket.time(() => say(a, senders[index]!.token, peer)))
    for (let count = 0; count < (quick ? 5 : 10); count++) {
      warm.push(await socket.time(() => say(a, senders[index]!.token, peer)))
    }
  }
  // Actors are asked for again and again, as others do.
  for (let count = 0; count < 200; count++) {
    const id = idOf(receivers[count % receivers.length]!.token)
    await call(b.program.url, 'GET', `/ap/users/${id}`)
  }
  await sleep(rest)
  const single = (value: number) => ({ ours: [value] })
  const rss = [a, b].map(({ program }) => program.rssBytes() / 1e6)
  return [
    compare(
      { name: 'federation: first message between two people, p95', unit: 'ms', bar: { below: 500 } },
      single(percentile(cold, 95)),
      (value) => value,
    ),
    compare(
      { name: 'federation: further messages, p50', unit: 'ms', bar: { below: 60 } },
      single(percentile(warm, 50)),
      (value) => value,
    ),
    compare(
      { name: 'federation: further messages, p95', unit: 'ms' },
      single(percentile(warm, 95)),
      (value) => value,
    ),
    compare(
      { name: 'federation: memory at rest, on and not used', unit: 'MB', bar: { below: 150 } },
      { ours: unused },
      (value) => value,
    ),
    compare(
      { name: 'federation: memory at rest after these messages', unit: 'MB' },
      { ours: rss },
      (value) => value,
    ),
  ]
}

async function say({ program }: Site, token: string, peer: string): Promise<void> {
  await call(program.url, 'POST', '/api/v1/dms/send', { token, body: { peer, message: messageText } })
}

/** A socket that is told of messages. */
class Listener implements Disposable {
  readonly #socket: WebSocket
  #heard: (() => void) | undefined

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data: Buffer) => {
      if ((JSON.parse(data.toString()) as { type: string }).type === 'message') this.#heard?.()
    })
  }

  static async open(url: string, token: string): Promise<Listener> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws?auth_token=${token}`)
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    return new Listener(socket)
  }

  /** Milliseconds from the begin of an action until a message is heard. */
  async time(action: () => Promise<void>): Promise<number> {
    const heard = new Promise<void>((resolve) => (this.#heard = resolve))
    const start = performance.now()
    await Promise.all([action(), heard])
    return performance.now() - start
  }

  [Symbol.dispose](): void {
    this.#socket.terminate()
  }
}

/** Activities whose actors are known: checked, decrypted for nobody, encrypted, indexed and stored as messages. */

async function inbox({ quick }: CaseOptions): Promise<Measurement[]> {
  using folder = new TemporaryFolder()
  using floorFolder = new TemporaryFolder()
  await using site = await startSite(folder.path, '127.0.0.1')
  await using floor = await startFloor('inbox', floorFolder.path, peerKeyPem)
  await using peer = await Peer.start('127.0.0.3')
  const [ann] = await signUp(site.program.url, 1)
  const to = `${site.origin}/ap/users/${idOf(ann!.token)}`
  const each = quick ? 20 : 150
  /** Every activity counts once, so each round has its own. */
  const send = (target: Program): Promise<LoadResult> => {
    const requests = Array.from({ length: CLIENTS }, (_, client) =>
      Array.from({ length: each }, () =>
        peer.directMessage(target.url, { from: `user${client}`, to, text: messageText }),
      ),
    )
    return load(target, requests, { once: true })
  }
  for (const one of [floor, site.program]) await send(one)
  const rounds = await takeTurns(quick ? 2 : 7, { floor: () => send(floor), ours: () => send(site.program) })
  const name = 'federation: verified messages stored'
  return [
    compare({ name, unit: 'activities/CPU-s', bar: { ratio: 0.15 } }, rounds, (round) => round.perCpuSecond),
    compare(
      { name, unit: 'activities/CPU-s', bar: { above: 3000 } },
      { ours: rounds.ours },
      (round) => round.perCpuSecond,
    ),
    compare({ name, unit: 'activities/s' }, rounds, (round) => round.perSecond),
  ]
}

/** What waits for a hundred peers, of which a third is down, when the server starts. */
async function deliveries({ quick }: CaseOptions): Promise<Measurement[]> {
  const PEERS = 100
  const LIVING = 67
  const total = quick ? 1000 : 10_000
  using folder = new TemporaryFolder()
  const origin = `http://127.0.0.1:${await freePort('127.0.0.1')}`
  {
    await using server = await startPufferblow(folder.path, federated(origin))
    await signUp(server.url, 1)
  }
  await using peers = new AsyncDisposableStack()
  const living: Peer[] = []
  for (let index = 0; index < LIVING; index++)
    living.push(peers.use(await Peer.start(`127.0.1.${index + 1}`)))
  const gone = Array.from({ length: PEERS - LIVING }, (_, index) => `http://127.0.2.${index + 1}:9`)
  const inboxes = [...living.map((peer) => peer.origin), ...gone].map((peer) => `${peer}/users/bob/inbox`)
  await using _queued = await Program.start(
    [QUEUE, folder.path, origin, String(total), ...inboxes],
    (line) => (JSON.parse(line) as { url: string }).url,
  )
  await _queued[Symbol.asyncDispose]()
  const expected = Array.from({ length: total }, (_, index) => index % PEERS).filter(
    (index) => index < LIVING,
  ).length
  await using server = await startPufferblow(folder.path, federated(origin))
  const cpuBefore = server.cpuSeconds()
  const arrived = (): number[] => living.flatMap((peer) => peer.arrivals)
  const deadline = performance.now() + 300_000
  while (arrived().length < expected) {
    if (performance.now() > deadline) throw new Error(`only ${arrived().length} of ${expected} arrived`)
    await sleep(50)
  }
  const times = arrived()
  const seconds = (Math.max(...times) - Math.min(...times)) / 1000
  const cpu = server.cpuSeconds() - cpuBefore
  const single = (value: number) => ({ ours: [value] })
  return [
    compare(
      {
        name: 'federation: deliveries, a third of the peers down',
        unit: 'deliveries/s',
        bar: { above: 100 },
      },
      single(expected / seconds),
      (value) => value,
    ),
    compare(
      { name: 'federation: deliveries, a third of the peers down', unit: 'deliveries/CPU-s' },
      single(expected / cpu),
      (value) => value,
    ),
  ]
}
