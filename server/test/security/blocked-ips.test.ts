import { describe, expect, test } from 'vitest'
import { request, type Answer, type RequestOptions } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'
import { RefusedError, TestSocket } from '#test/socket.ts'

const PROXIED = { TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8' }
/** As a proxy on this machine hands on who asked. */
const from = (address: string): RequestOptions => ({ headers: { 'x-forwarded-for': address } })
const info = (server: TestServer, address: string): Promise<Answer> =>
  request(server, 'GET', '/api/v1/info', from(address))

const block = (
  person: Person,
  ip: string,
  rest: object = {},
  options: RequestOptions = {},
): Promise<Answer> => person.post('/api/v1/blocked-ips/block', { ip, reason: 'flood', ...rest }, options)
const unblock = (person: Person, ip: string): Promise<Answer> =>
  person.post('/api/v1/blocked-ips/unblock', { ip })
const list = async (person: Person): Promise<Record<string, unknown>[]> => {
  const { status, body } = await person.post('/api/v1/blocked-ips/list')
  expect(status).toBe(200)
  return body.blocked_ips as Record<string, unknown>[]
}

test('a blocked address is refused everything at once, until it is let in again', async () => {
  await using server = await startServer({ env: PROXIED })
  const [owner, ann] = await server.people('owner', 'ann')
  const bad = from('192.0.2.7')
  const blocked = await block(owner!, '192.0.2.7')
  expect(blocked.status).toBe(201)
  expect(blocked.body).toEqual({
    status_code: 201,
    message: 'IP 192.0.2.7 has been blocked',
    reason: 'flood',
    ip: '192.0.2.7',
    expires_at: null,
  })
  const attempts = [
    await request(server, 'GET', '/api/v1/info', bad),
    await ann!.post('/api/v1/users/profile', {}, bad),
    await request(server, 'GET', '/nowhere', { ...bad, undescribed: true }),
    await request(server, 'POST', '/api/v1/users/signin', { ...bad, raw: '{' }),
    await request(server, 'GET', '/docs', { ...bad, undescribed: true }),
  ]
  for (const { status, body, headers } of attempts) {
    expect(status).toBe(403)
    expect(body).toEqual({ detail: 'This address is blocked', message: 'This address is blocked' })
    expect(headers.get('access-control-allow-origin')).toBe('*')
    expect(headers.get('x-ratelimit-remaining')).toBe('0')
  }
  expect((await info(server, '192.0.2.8')).status).toBe(200)
  const [row] = await list(owner!)
  expect(row).toMatchObject({
    ip: '192.0.2.7',
    reason: 'flood',
    automatic: false,
    expires_at: null,
    blocked_by: { id: owner!.id, username: 'owner' },
    block_attempts_count: 5,
  })
  expect(Date.parse(row!['last_attempt_at'] as string)).toBeGreaterThan(
    Date.parse(row!['blocked_at'] as string),
  )
  const lifted = await unblock(owner!, '192.0.2.7')
  expect(lifted.body).toEqual({ status_code: 200, message: 'IP 192.0.2.7 has been unblocked' })
  expect((await request(server, 'GET', '/api/v1/info', bad)).status).toBe(200)
  expect(await list(owner!)).toEqual([])
})

test('a preflight is answered, so that a page can read why it is refused', async () => {
  await using server = await startServer({ env: PROXIED })
  await block(await server.person('owner'), '192.0.2.7')
  const headers = {
    origin: 'https://app.example',
    'access-control-request-method': 'GET',
    ...from('192.0.2.7').headers,
  }
  const preflight = await request(server, 'OPTIONS', '/api/v1/info', { headers, undescribed: true })
  expect(preflight.status).toBe(204)
})

test('open sockets of a blocked network are closed, and no new one opens; others stay', async () => {
  await using server = await startServer({ env: PROXIED })
  const [owner, ann] = await server.people('owner', 'ann')
  using inside = await ann!.connect(from('192.0.2.77'))
  using outside = await ann!.connect(from('198.51.100.1'))
  await inside.settled()
  await block(owner!, '192.0.2.0/24')
  expect(await inside.closed()).toEqual({ code: 1008, reason: 'this address is blocked' })
  const refused: unknown = await ann!.connect(from('192.0.2.1')).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(RefusedError)
  expect((refused as RefusedError).status).toBe(403)
  expect(JSON.parse((refused as RefusedError).body)).toMatchObject({ message: 'This address is blocked' })
  expect((refused as RefusedError).headers['access-control-allow-origin']).toBe('*')
  await expect(
    TestSocket.open(server, { path: '/rtc/v1/ws', headers: from('192.0.2.1').headers! }),
  ).rejects.toMatchObject({ status: 403 })
  await outside.settled()
})

test('a block for some time is over by itself, and tells when', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ env: PROXIED, clock })
  const owner = await server.person('owner')
  const { body } = await block(owner, '192.0.2.7', { duration_minutes: 5 })
  expect(Date.parse(body.expires_at as string) - Date.now()).toBeGreaterThan(295_000)
  const refused = await info(server, '192.0.2.7')
  expect(refused.status).toBe(403)
  expect(refused.body.retry_after_seconds).toBeGreaterThan(295)
  expect(refused.headers.get('retry-after')).toBe(String(refused.body.retry_after_seconds))
  expect((await block(owner, '192.0.2.7')).status).toBe(400)
  clock.offset += 301_000
  expect((await info(server, '192.0.2.7')).status).toBe(200)
  expect(await list(owner)).toEqual([])
  expect((await unblock(owner, '192.0.2.7')).status).toBe(400)
  expect((await block(owner, '192.0.2.7')).status).toBe(201)
  expect((await info(server, '192.0.2.7')).status).toBe(403)
})

test('a block is for all addresses in it and for no other, however it is written', async () => {
  await using server = await startServer({ env: PROXIED })
  const owner = await server.person('owner')
  for (const [ip, inside, outside] of [
    ['192.0.2.0/24', '192.0.2.255', '192.0.3.0'],
    ['192.0.2.99/25', '192.0.2.127', '192.0.2.128'],
    ['2001:db8:1:2::/64', '2001:db8:1:2:ffff::1', '2001:db8:1:3::1'],
    ['2001:db8::1', '2001:DB8:0:0::1', '2001:db8::2'],
    ['::ffff:192.0.2.7', '192.0.2.7', '192.0.2.8'],
  ] as const) {
    expect((await block(owner, ip)).status, ip).toBe(201)
    expect((await info(server, inside)).status, ip).toBe(403)
    expect((await info(server, outside)).status, ip).toBe(200)
    const again = await block(owner, ip)
    expect(again.status).toBe(400)
    expect(again.body.detail).toContain('is blocked already')
    expect((await unblock(owner, ip)).status).toBe(200)
    expect((await info(server, inside)).status).toBe(200)
  }
})

describe('what must not be blocked', () => {
  test('the machine itself, proxies, oneself and half of the Internet', async () => {
    await using server = await startServer({ env: PROXIED })
    const owner = await server.person('owner')
    for (const [ip, detail] of [
      ['127.0.0.1', 'This machine itself cannot be blocked'],
      ['::1', 'This machine itself cannot be blocked'],
      ['127.0.0.0/8', 'This machine itself cannot be blocked'],
      ['0.0.0.0/0', 'This machine itself cannot be blocked'],
      ['::/0', 'This machine itself cannot be blocked'],
      ['10.1.2.3', 'A trusted proxy cannot be blocked'],
      ['10.0.0.0/8', 'A trusted proxy cannot be blocked'],
      ['10.0.0.0/7', 'A trusted proxy cannot be blocked'],
      ['192.0.2.7', 'This is your own address'],
      ['192.0.2.0/24', 'This is your own address'],
      ['128.0.0.0/4', 'At most a /8 can be blocked'],
      ['2000::/12', 'At most a /16 can be blocked'],
    ] as const) {
      const refused = await block(owner, ip, {}, from('192.0.2.7'))
      expect(refused.status, ip).toBe(400)
      expect(refused.body.detail).toContain(detail)
    }
    expect(await list(owner)).toEqual([])
  })

  test("one is not fooled about whose address is one's own", async () => {
    await using server = await startServer({ env: PROXIED })
    const owner = await server.person('owner')
    const forged = from('192.0.2.7, 198.51.100.1, 10.0.0.1')
    expect((await block(owner, '192.0.2.7', {}, forged)).status).toBe(201)
    expect((await block(owner, '198.51.100.1', {}, forged)).status).toBe(400)
  })

  test('what is no address', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const wrong = [
      'nonsense',
      '192.0.2',
      '192.0.2.7/33',
      '192.0.2.7:80',
      'example.org',
      '1.1.1.1 or 1=1',
      '%00',
    ]
    for (const ip of [...wrong, 'x'.repeat(50)]) {
      for (const send of [block, unblock]) {
        const { status, body } = await send(owner, ip)
        expect(status, ip).toBe(422)
        expect(body.errors[0].loc).toEqual(['body', 'ip'])
      }
    }
  })

  test('a reason is needed', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    for (const reason of [undefined, '', '   ', 'x'.repeat(501)]) {
      expect((await block(owner, '192.0.2.7', { reason })).status).toBe(422)
    }
  })
})

test('only who has the right may list, block and unblock', async () => {
  await using server = await startServer({ env: PROXIED })
  const [, ann] = await server.people('owner', 'ann')
  for (const path of ['list', 'block', 'unblock']) {
    const json = { ip: '192.0.2.7', reason: 'x' }
    const refused = await ann!.post(`/api/v1/blocked-ips/${path}`, json)
    expect(refused.status).toBe(403)
    expect(refused.body.detail).toContain('manage_blocked_ips')
    expect((await request(server, 'POST', `/api/v1/blocked-ips/${path}`, { json })).status).toBe(401)
  }
  expect((await info(server, '192.0.2.7')).status).toBe(200)
})

test('of several who block the same at the same moment one does', async () => {
  await using server = await startServer({ env: PROXIED })
  const owner = await server.person('owner')
  const answers = await Promise.all(Array.from({ length: 8 }, () => block(owner, '192.0.2.7')))
  expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 400, 400, 400, 400, 400, 400, 400])
  const lifted = await Promise.all(Array.from({ length: 8 }, () => unblock(owner, '192.0.2.7')))
  expect(lifted.map(({ status }) => status).toSorted()).toEqual([200, 400, 400, 400, 400, 400, 400, 400])
})

test('blocks outlive a restart, and stand in the audit log', async () => {
  await using place = await newPlace()
  const first = await startServer({ env: PROXIED, place })
  const owner = await first.person('owner')
  await block(owner, '192.0.2.7', { reason: 'spam\u0007' })
  await unblock(owner, '192.0.2.7')
  await block(owner, '192.0.2.0/24')
  const { body } = await owner.get('/api/v1/system/audit-log')
  expect(body.entries).toMatchObject([
    { action: 'address.blocked', target: { type: 'address', id: '192.0.2.0/24' }, actor: { id: owner.id } },
    { action: 'address.unblocked', target: { id: '192.0.2.7' } },
    { action: 'address.blocked', target: { id: '192.0.2.7' }, details: { reason: 'spam', automatic: false } },
  ])
  expect((await info(first, '192.0.2.1')).status).toBe(403)
  await first.stop()
  await using second = await startServer({ env: PROXIED, place })
  expect((await info(second, '192.0.2.1')).status).toBe(403)
  expect((await info(second, '192.0.3.1')).status).toBe(200)
})

describe('blocking by itself', () => {
  const settings = { max_rate_limit_requests: 5, max_rate_limit_warnings: 3, rate_limit_block_minutes: 30 }
  /** Floods beyond every warning, as patient as it takes. */
  async function flood(server: TestServer, clock: { offset: number }, address: string): Promise<number[]> {
    const seen: number[] = []
    for (let index = 0; index < 12 && seen.at(-1) !== 403; index++) {
      const { status, headers } = await info(server, address)
      seen.push(status)
      // Comes back the moment the cooldown is over, long before the window is.
      if (status === 429 && index > 5)
        clock.offset += Math.min(Number(headers.get('retry-after')), 121) * 1000
    }
    return seen
  }

  test('a flood is slowed down, cools down and is blocked for a while; others behind the same proxy are not', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({
      env: PROXIED,
      clock,
      settings: { ...settings, rate_limit_duration: 60 },
    })
    const [owner, ann] = await server.people('owner', 'ann')
    using socket = await ann!.connect(from('192.0.2.7'))
    const seen = await flood(server, clock, '192.0.2.7')
    expect(seen.slice(0, 6)).toEqual([200, 200, 200, 200, 200, 429])
    await expect.poll(async () => (await info(server, '192.0.2.7')).status).toBe(403)
    expect((await socket.closed()).code).toBe(1008)
    expect((await info(server, '192.0.2.8')).status).toBe(200)
    const [row] = await list(owner!)
    expect(row).toMatchObject({
      ip: '192.0.2.7',
      automatic: true,
      reason: 'Too many requests',
      blocked_by: null,
    })
    const { body } = await owner!.get('/api/v1/system/audit-log')
    expect(body.entries[0]).toMatchObject({
      action: 'address.blocked',
      actor: null,
      details: { automatic: true },
    })
    clock.offset += 61 * 60_000
    expect((await info(server, '192.0.2.7')).status).toBe(200)
  })

  test('blocks the /64 of an IPv6 address', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({
      env: PROXIED,
      clock,
      settings: { ...settings, rate_limit_duration: 60 },
    })
    const owner = await server.person('owner')
    await flood(server, clock, '2001:db8::1')
    await expect.poll(async () => (await info(server, '2001:db8::2')).status).toBe(403)
    expect((await list(owner))[0]).toMatchObject({ ip: '2001:db8::/64' })
    expect((await unblock(owner, '2001:db8::/64')).status).toBe(200)
    // And everything is forgiven.
    expect((await info(server, '2001:db8::1')).status).toBe(429)
    expect((await info(server, '2001:db8:0:1::1')).status).toBe(200)
  })

  test.each([
    ['the machine itself', '127.0.0.1', {}],
    ['a proxy that is trusted', '10.0.0.9', {}],
    [
      'an address by a header that nobody is trusted to send',
      '192.0.2.7',
      { TRUSTED_PROXIES: '203.0.113.1' },
    ],
  ])('never blocks %s', async (_what, address, env) => {
    const clock = { offset: 0 }
    await using server = await startServer({
      env: { ...PROXIED, ...env },
      clock,
      settings: { ...settings, rate_limit_duration: 60 },
    })
    const owner = await server.person('owner')
    expect(await flood(server, clock, address)).not.toContain(403)
    clock.offset += 3600_000
    expect(await list(await owner.signIn())).toEqual([])
  })

  test('never locks out whoever could lift the block, when others flood beside them', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({
      env: PROXIED,
      clock,
      settings: { ...settings, rate_limit_duration: 60 },
    })
    const owner = await server.person('owner')
    expect((await owner.post('/api/v1/users/profile', {}, from('192.0.2.7'))).status).toBe(200)
    expect(await flood(server, clock, '192.0.2.7')).not.toContain(403)
    expect((await owner.post('/api/v1/users/profile', {}, from('192.0.2.7'))).status).toBe(200)
  })
})
