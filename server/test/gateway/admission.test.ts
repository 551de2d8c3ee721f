import { expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { request } from '#test/http.ts'
import { sendRaw } from '#test/raw.ts'
import { startServer } from '#test/server.ts'
import { TestSocket, type RefusedError, type SocketOptions } from '#test/socket.ts'

async function refusal(opening: Promise<TestSocket>): Promise<RefusedError> {
  const outcome: unknown = await opening.catch((error: unknown) => error)
  if (outcome instanceof TestSocket) {
    outcome.socket.terminate()
    throw new Error('it was let in')
  }
  expect(outcome).toMatchObject({ name: 'Error', status: expect.any(Number) })
  return outcome as RefusedError
}

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

test('without a good token nobody gets a socket, on either form', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const other = await owner.signIn()
  await request(server, 'POST', '/api/v1/auth/revoke', { json: { refresh_token: other.refreshToken } })
  const [header, payload, signature] = owner.token.split('.') as [string, string, string]
  const foreign = Buffer.from(JSON.stringify({ sub: owner.id })).toString('base64url')
  const forms: SocketOptions[] = [
    {},
    { token: '' },
    { token: 'nonsense' },
    { token: other.token },
    { token: `${header}.${foreign}.${signature}` },
    { token: `${header}.${payload}.` },
    { token: owner.refreshToken },
    { headers: { authorization: owner.token } },
    { headers: { authorization: 'Bearer nonsense' } },
    { headers: { cookie: `auth_token=${owner.token}` } },
  ]
  for (const options of forms) {
    for (const where of [{}, { channel }, { channel: UNKNOWN }]) {
      const { status, body } = await refusal(TestSocket.open(server, { ...options, ...where }))
      expect(status, JSON.stringify(options)).toBe(401)
      expect(JSON.parse(body)).toEqual({ detail: expect.any(String) })
    }
  }
  using before = await owner.connect()
  clock.offset = 16 * 60_000
  expect((await refusal(owner.connect())).status).toBe(401)
  expect((await refusal(owner.connect({ channel }))).status).toBe(401)
  expect(await before.settled()).toEqual([])
})

test('a refusal is a whole HTTP answer that browsers and clients can read', async () => {
  await using server = await startServer()
  const [answer] = await sendRaw(
    server,
    'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  )
  expect(answer).toMatchObject({
    status: 401,
    headers: {
      'www-authenticate': 'Bearer',
      'access-control-allow-origin': '*',
      'cache-control': 'no-store',
      'content-type': 'application/json; charset=utf-8',
    },
    body: '{"detail":"Authentication required"}',
  })
})

test('the token may come as a query parameter or as a bearer header', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const headers = { authorization: `Bearer ${owner.token}` }
  for (const where of [{}, { channel }]) {
    using asQuery = await TestSocket.open(server, { token: owner.token, ...where })
    using asHeader = await TestSocket.open(server, { headers, ...where })
    await owner.send(channel, 'hello')
    for (const socket of [asQuery, asHeader])
      expect(await socket.next('message')).toMatchObject({ message: 'hello' })
  }
})

test('a page of another origin gets in by its token only, never by what a browser adds', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const headers = { origin: 'https://evil.example' }
  expect((await refusal(TestSocket.open(server, { headers }))).status).toBe(401)
  using socket = await TestSocket.open(server, { headers, token: owner.token })
  expect(await socket.settled()).toEqual([])
})

test('a channel that does not exist, was deleted or is hidden answers 404', async () => {
  await using server = await startServer()
  const [owner, bob] = (await server.people('owner', 'bob')) as [Person, Person]
  const hidden = await owner.createChannel('hidden', { private: true })
  const deleted = await owner.createChannel('deleted')
  await owner.delete(`/api/v1/channels/${deleted}/delete`)
  for (const channel of [hidden, deleted, UNKNOWN, 'nonsense', "'%20or%201=1"]) {
    expect((await refusal(bob.connect({ channel }))).status, channel).toBe(404)
  }
  using socket = await owner.connect({ channel: hidden })
  expect(await socket.settled()).toEqual([])
})

test('an address that is no socket answers 404 to an upgrade', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  for (const path of [
    '/',
    '/ws/channels',
    '/ws/channels/',
    '/ws/x',
    '/wss',
    '/api/v1/info',
    '/ws/channels/a/b',
  ]) {
    const [answer] = await sendRaw(
      server,
      `GET ${path}?auth_token=${owner.token} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    expect(answer!.status, path).toBe(404)
  }
})

test('a malformed handshake is refused and the server goes on', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const start = `GET /ws?auth_token=${owner.token} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n`
  for (const rest of [
    '',
    'Sec-WebSocket-Version: 13\r\n',
    'Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 99\r\n',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
  ]) {
    const [answer] = await sendRaw(server, `${start}${rest}\r\n`)
    expect([400, 426], rest).toContain(answer!.status)
  }
  expect(server.running.hub.size).toBe(0)
  using socket = await owner.connect()
  expect(await socket.settled()).toEqual([])
})

test('a request that offers another protocol is served as if it had not', async () => {
  await using server = await startServer()
  // Java's client does this on every plain connection.
  const [answer] = await sendRaw(
    server,
    'GET /api/v1/info HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n' +
      'HTTP2-Settings: AAEAAEAAAAIAAAAA\r\n\r\n',
  )
  expect(answer!.status).toBe(200)
})

test('a plain request to a socket address answers 426', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  for (const path of ['/ws', `/ws/channels/${UNKNOWN}`]) {
    expect((await owner.get(path)).status).toBe(426)
    expect((await request(server, 'GET', path)).status).toBe(426)
    expect((await owner.post(path)).status).toBe(405)
  }
})

test('one socket too many is refused with 429, for that person and until one is gone', async () => {
  await using server = await startServer({ env: { GATEWAY_MAX_SOCKETS_PER_USER: '3' } })
  const [owner, bob] = (await server.people('owner', 'bob')) as [Person, Person]
  const sockets = await Promise.all([owner.connect(), owner.connect(), owner.connect()])
  expect((await refusal(owner.connect())).status).toBe(429)
  using bobs = await bob.connect()
  expect(await bobs.settled()).toEqual([])
  sockets[0].socket.close()
  await sockets[0].closed()
  using again = await owner.connect()
  expect(await again.settled()).toEqual([])
  for (const socket of sockets) socket.socket.terminate()
})

test('the number of sockets holds when they are opened all at once', async () => {
  await using server = await startServer({ env: { GATEWAY_MAX_SOCKETS_PER_USER: '5' } })
  const owner = await server.person('owner')
  const outcomes = await Promise.allSettled(Array.from({ length: 40 }, () => owner.connect()))
  const open = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  expect(open).toHaveLength(5)
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ status: 429 })
  for (const socket of open) socket.socket.terminate()
})
