import { afterEach, expect, test, vi } from 'vitest'
import type { Person } from '#test/person.ts'
import { frame, Opcode, RawSocket } from '#test/raw-socket.ts'
import { startServer, type TestServer } from '#test/server.ts'
import type { TestSocket } from '#test/socket.ts'

afterEach(() => void vi.useRealTimers())

const LARGE = 'x'.repeat(40_000)

/** The TCP connection under a client's socket. */
function tcpOf({ socket }: TestSocket): { pause(): void; resume(): void } {
  return (socket as unknown as { _socket: { pause(): void; resume(): void } })._socket
}

test('who reads too slowly is cut with 4008 and can resume; others are not held up', async () => {
  await using server = await startServer({ env: { GATEWAY_SEND_QUEUE_KB: '64' } })
  const [owner, slow, quick] = (await server.people('owner', 'slow', 'quick')) as [Person, Person, Person]
  const channel = await owner.createChannel('general')
  using quicks = await quick.connect()
  using slows = await slow.connect({ resume: 'now' })
  await slows.next('ready')
  tcpOf(slows).pause()
  const sent: string[] = []
  // The kernel takes some megabytes before the server notices.
  while ((await cutSoFar(server)) === 0) {
    const batch = Array.from({ length: 10 }, (_, index) => `${sent.length + index} ${LARGE}`)
    await Promise.all(batch.map((text) => owner.send(channel, text)))
    sent.push(...batch)
  }
  tcpOf(slows).resume()
  expect(await slows.closed()).toMatchObject({ code: 4008 })
  await owner.send(channel, 'the end')
  await quicks.settled()
  expect(quicks.texts.toSorted()).toEqual([...sent, 'the end'].toSorted())
  expect(quicks.frames.filter(({ type }) => type === 'message').map(({ seq }) => seq)).toEqual(
    Array.from({ length: sent.length + 1 }, (_, index) => index + 1),
  )
  using again = await slow.connect({ resume: slows.cursor })
  await again.next('ready')
  await again.settled()
  expect([...slows.texts, ...again.texts].length).toBe(sent.length + 1)
  expect([...slows.texts, ...again.texts]).toEqual(quicks.texts)
})

/** Sockets that were closed for reading too slowly, by the server's own count. */
async function cutSoFar({ ctx }: TestServer): Promise<number> {
  const text = await ctx.metrics.registry.metrics()
  return Number(/^\S*sockets_closed\S*\{[^}]*reason="4008"[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0)
}

test('who never takes what was missed is cut as well, and costs no more than the queue', async () => {
  await using server = await startServer({ env: { GATEWAY_SEND_QUEUE_KB: '64' } })
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  using watcher = await owner.connect({ resume: 'now' })
  const { cursor } = await watcher.next('ready')
  for (let count = 0; count < 20; count++) {
    await Promise.all(Array.from({ length: 10 }, () => owner.send(channel, LARGE)))
  }
  using raw = await RawSocket.open(server, `/ws?auth_token=${owner.token}&resume=${cursor as string}`)
  raw.socket.pause()
  // What comes live meanwhile is held back, within the same bound.
  for (let count = 0; count < 10; count++) await owner.send(channel, LARGE)
  raw.socket.resume()
  expect(await raw.ended()).toBe(4008)
  await watcher.settled()
  expect(watcher.texts).toHaveLength(210)
})

test('who does not answer pings is dropped; who does stays', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  await using server = await startServer()
  const [owner, bob] = (await server.people('owner', 'bob')) as [Person, Person]
  using answering = await owner.connect()
  using silent = await RawSocket.open(server, `/ws?auth_token=${bob.token}`)
  using polite = await RawSocket.open(server, `/ws?auth_token=${bob.token}`)
  const interval = server.ctx.config.gateway.ping_seconds * 1000
  for (let round = 1; round <= 3; round++) {
    vi.advanceTimersByTime(interval)
    if (round === 2) expect(await silent.ended()).toBeUndefined()
    await polite.until(() => polite.frames.filter(({ opcode }) => opcode === Opcode.ping).length === round)
    polite.write(frame(Opcode.pong, ''))
    polite.sendText('{"type":"ping"}')
    await polite.until(() => polite.json.filter(({ type }) => type === 'pong').length === round)
    await answering.settled()
  }
  expect(server.running.hub.size).toBe(2)
  expect(silent.frames.filter(({ opcode }) => opcode === Opcode.ping)).toHaveLength(1)
})
