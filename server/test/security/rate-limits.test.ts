import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { changeSettings } from '#features/instance/index.ts'
import { request, type Answer, type RequestOptions } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { sendRaw } from '#test/raw.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { RefusedError, TestSocket } from '#test/socket.ts'

const PROXIED = { TRUSTED_PROXIES: '127.0.0.1' }
/** As a proxy on this machine hands on who asked. */
const from = (address: string): RequestOptions => ({ headers: { 'x-forwarded-for': address } })

const profile = (person: Person, options: RequestOptions = {}): Promise<Answer> =>
  person.post('/api/v1/users/profile', {}, options)
const info = (server: TestServer, options: RequestOptions = {}): Promise<Answer> =>
  request(server, 'GET', '/api/v1/info', options)

/** Statuses of so many requests, one after the other. */
async function statuses(count: number, send: () => Promise<Answer>): Promise<number[]> {
  const seen: number[] = []
  for (let index = 0; index < count; index++) seen.push((await send()).status)
  return seen
}

const times = (count: number, status: number): number[] => Array.from({ length: count }, () => status)

interface Told {
  readonly limit: number
  readonly remaining: number
  readonly reset: number
  readonly policy: string | null
  readonly wait: number
}

/** What an answer says about limits, after checking that its headers say the same. */
function told({ headers }: Pick<Answer, 'headers'>): Told {
  const number = (name: string): number => Number(headers.get(name) ?? Number.NaN)
  const limit = number('x-ratelimit-limit')
  const remaining = number('x-ratelimit-remaining')
  const [, policy, quota, window] = /^"([a-z-]+)";q=(\d+);w=(\d+)$/.exec(
    headers.get('ratelimit-policy') ?? '',
  )!
  expect([Number(quota), Number(window)]).toEqual([limit, 300])
  const [, name, rest, seconds] = /^"([a-z-]+)";r=(\d+);t=(\d+)$/.exec(headers.get('ratelimit') ?? '')!
  expect([name, Number(rest)]).toEqual([policy, remaining])
  const wait = number('retry-after')
  expect(wait).toBe(remaining > 0 ? 0 : Math.max(1, Number(seconds)))
  return { limit, remaining, reset: number('x-ratelimit-reset'), policy: policy!, wait }
}

describe('headers', () => {
  test('every answer tells how much is left, whatever it is an answer to', async () => {
    await using server = await startServer()
    const ann = await server.person('ann')
    const bearer = { authorization: `Bearer ${ann.token}` }
    const open = { undescribed: true } as const
    const answers: [string, number, Promise<Answer>][] = [
      ['default', 200, profile(ann)],
      ['default', 200, info(server)],
      ['default', 401, request(server, 'POST', '/api/v1/users/profile')],
      ['default', 401, request(server, 'POST', '/api/v1/users/profile', { token: 'nonsense' })],
      ['default', 400, request(server, 'POST', '/api/v1/users/profile', { raw: '{', headers: bearer })],
      ['messages', 404, ann.get(`/api/v1/channels/${ann.id}/load_messages`)],
      ['default', 404, request(server, 'GET', '/nowhere')],
      ['default', 405, request(server, 'PATCH', '/api/v1/info', open)],
      ['auth', 422, request(server, 'POST', '/api/v1/users/signin', { json: {} })],
      ['auth', 401, request(server, 'GET', '/api/v1/users/signin?username=a&password=b')],
      ['default', 200, request(server, 'GET', '/openapi.json', open)],
      ['default', 307, request(server, 'GET', '/', open)],
      ['default', 204, request(server, 'OPTIONS', '/api/v1/users/profile', open)],
      ['messages', 426, request(server, 'GET', '/ws')],
    ]
    for (const [policy, status, answer] of answers) {
      const { status: actual, ...rest } = await answer
      expect(actual).toBe(status)
      const { limit, remaining } = told(rest)
      const expected = { auth: 1200, messages: 3000, default: status === 204 ? 60_000 : 6000 }
      expect({ limit, policy: told(rest).policy }).toEqual({
        limit: expected[policy as 'auth'],
        policy,
      })
      expect(remaining).toBeGreaterThan(limit - 20)
      expect(remaining).toBeLessThan(limit)
    }
  })

  test('a request that cannot be taken apart counts too', async () => {
    await using server = await startServer({ settings: { max_rate_limit_requests: 5 } })
    const broken = 'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    for (const [remaining, status] of [
      ['4', 400],
      ['3', 400],
      ['2', 400],
      ['1', 400],
      ['0', 400],
      ['0', 429],
    ] as const) {
      const [answer] = await sendRaw(server, broken)
      expect(answer).toMatchObject({ status, headers: { 'x-ratelimit-remaining': remaining } })
      expect(answer!.headers['access-control-allow-origin']).toBe('*')
    }
  })

  test('what is left is that of the account, by bucket, and comes back', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({ clock })
    const ann = await server.person('ann')
    const first = told(await profile(ann))
    const second = told(await profile(ann))
    expect(first).toMatchObject({ limit: 6000, remaining: 5999 })
    expect(second.remaining).toBe(5998)
    expect(second.reset - Date.now() / 1000).toBeGreaterThan(295)
    expect(second.reset - Date.now() / 1000).toBeLessThan(305)
    expect(told(await ann.get(`/api/v1/channels/${ann.id}/load_messages`)).remaining).toBe(2999)
    clock.offset += 304_000
    expect(told(await profile(ann)).remaining).toBe(5999)
  })
})

describe('an account', () => {
  test('may send as much as its limit; then it is warned, cools down, and may again', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({ clock, settings: { max_rate_limit_requests: 10 } })
    const ann = await server.person('ann')
    expect(await statuses(10, () => profile(ann))).toEqual(times(10, 200))
    const refused = await profile(ann)
    expect(refused.status).toBe(429)
    const { wait } = told(refused)
    expect(wait).toBeGreaterThan(290)
    expect(refused.body).toEqual({
      detail: 'Too many requests',
      message: 'Too many requests',
      retry_after_seconds: wait,
    })
    expect((await profile(ann)).status).toBe(429)
    // Cools down for 60 seconds: in every bucket, and before anything else is looked at.
    const load = (): Promise<Answer> => ann.get(`/api/v1/channels/${ann.id}/load_messages`)
    const elsewhere = await load()
    expect(elsewhere.status).toBe(429)
    expect(elsewhere.body.retry_after_seconds).toBeGreaterThan(55)
    expect(elsewhere.body.retry_after_seconds).toBeLessThanOrEqual(60)
    clock.offset += 61_000
    expect((await load()).status).toBe(404)
    clock.offset += wait * 1000
    expect((await profile(ann)).status).toBe(200)
  })

  test('that floods takes nothing from others at its address, and nothing from those who are not signed in', async () => {
    await using server = await startServer({ settings: { max_rate_limit_requests: 10 } })
    const [ann, bob] = await server.people('ann', 'bob')
    await statuses(30, () => profile(ann!))
    expect((await profile(ann!)).status).toBe(429)
    expect(await statuses(10, () => profile(bob!))).toEqual(times(10, 200))
    expect((await info(server)).status).toBe(200)
  })

  test('is counted wherever it is, and by whichever session and token placement', async () => {
    await using server = await startServer({ env: PROXIED, settings: { max_rate_limit_requests: 10 } })
    const ann = await server.person('ann')
    const again = await ann.signIn()
    expect(await statuses(4, () => profile(ann, from('192.0.2.1')))).toEqual(times(4, 200))
    expect(await statuses(4, () => profile(again, from('2001:db8::1')))).toEqual(times(4, 200))
    const inBody = { json: { auth_token: ann.token }, ...from('192.0.2.7') }
    expect(await statuses(3, () => request(server, 'POST', '/api/v1/users/profile', inBody))).toEqual([
      200, 200, 429,
    ])
  })

  test('that goes on for hours is refused for five minutes at a time, but its address is not', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({
      clock,
      env: { ...PROXIED, ACCOUNTS_ACCESS_TOKEN_MINUTES: '1440' },
      settings: { max_rate_limit_requests: 5, rate_limit_duration: 1440, max_rate_limit_warnings: 3 },
    })
    const [ann, bob] = await server.people('ann', 'bob')
    const waits: number[] = []
    for (let index = 0; index < 12; index++) {
      const { status, headers } = await profile(ann!, from('192.0.2.1'))
      if (status === 429) waits.push(Number(headers.get('retry-after')))
      clock.offset += 301_000
    }
    expect(waits).toHaveLength(7)
    expect((await profile(bob!, from('192.0.2.1'))).status).toBe(200)
  })
})

describe('an address', () => {
  test('is limited for those who are not signed in; people at it who are do not notice', async () => {
    await using server = await startServer({ env: PROXIED, settings: { max_rate_limit_requests: 25 } })
    const ann = await server.person('ann')
    const guess = (options: RequestOptions): Promise<Answer> =>
      request(server, 'POST', '/api/v1/users/signin', {
        json: { username: crypto.randomUUID(), password: 'x' },
        ...options,
      })
    expect(await statuses(7, () => guess(from('192.0.2.1')))).toEqual([401, 401, 401, 401, 401, 429, 429])
    expect((await info(server, from('192.0.2.1'))).status).toBe(429)
    expect((await profile(ann, from('192.0.2.1'))).status).toBe(200)
    expect((await guess(from('192.0.2.2'))).status).toBe(401)
  })

  test('is limited for tokens that are no good, which cost it what other requests do', async () => {
    await using server = await startServer({ settings: { max_rate_limit_requests: 10 } })
    const ann = await server.person('ann')
    const guess = (): Promise<Answer> =>
      request(server, 'POST', '/api/v1/users/profile', { token: `${ann.token}x` })
    expect(await statuses(12, guess)).toEqual([...times(10, 401), 429, 429])
    expect((await profile(ann)).status).toBe(200)
  })

  test('is limited for all its accounts together, to so many times the limit of one', async () => {
    await using server = await startServer({
      env: PROXIED,
      settings: { max_rate_limit_requests: 20, rate_limit_address_factor: 2 },
    })
    const people = await server.people('ann', 'bob', 'cid')
    const results: number[] = []
    for (const person of people) {
      results.push(...(await statuses(15, () => profile(person, from('192.0.2.1')))))
    }
    expect(results.filter((status) => status === 200)).toHaveLength(40)
    const refused = await profile(people[0]!, from('192.0.2.1'))
    expect(refused.status).toBe(429)
    expect(told(refused)).toMatchObject({ policy: 'default-address', limit: 40 })
    // Only here, and what the others do is not told before.
    const elsewhere = await profile(people[0]!, from('192.0.2.9'))
    expect(elsewhere.status).toBe(200)
    expect(told(elsewhere)).toMatchObject({ policy: 'default', limit: 20, remaining: 4 })
  })

  test('of IPv6 is one by its first 64 bits', async () => {
    await using server = await startServer({ env: PROXIED, settings: { max_rate_limit_requests: 6 } })
    let host = 1
    const rotating = (): Promise<Answer> => info(server, from(`2001:db8:1:2:${(host++).toString(16)}::1`))
    expect(await statuses(7, rotating)).toEqual([...times(6, 200), 429])
    expect((await info(server, from('2001:db8:1:3::1'))).status).toBe(200)
    // The same address in its IPv4 and its mapped form.
    expect(await statuses(3, () => info(server, from('192.0.2.1')))).toEqual(times(3, 200))
    expect(await statuses(4, () => info(server, from('::ffff:192.0.2.1')))).toEqual([200, 200, 200, 429])
  })

  test.each([
    ['without trusted proxies', {}],
    ['when another proxy is trusted', { TRUSTED_PROXIES: '192.0.2.1,10.0.0.0/8' }],
  ])('cannot be forged %s', async (_how, env) => {
    await using server = await startServer({ env, settings: { max_rate_limit_requests: 5 } })
    let host = 1
    const forged = (): Promise<Answer> =>
      info(server, { headers: { 'x-forwarded-for': `198.51.100.${host++}`, 'x-real-ip': '198.51.100.7' } })
    expect(await statuses(6, forged)).toEqual([...times(5, 200), 429])
  })

  test.each([
    ['what the client itself sent', (n: number) => `198.51.100.${n}, 192.0.2.1`],
    [
      'what the client sent with trusted addresses',
      (n: number) => `198.51.100.${n}, 10.0.0.1, 192.0.2.1, 10.0.0.1`,
    ],
    ['what is no address', (n: number) => `nonsense${n}, 192.0.2.1`],
    ['a port', (n: number) => `192.0.2.1:${4000 + n}`],
  ])('behind trusted proxies is the last one that is no proxy: not by %s', async (_what, headerOf) => {
    await using server = await startServer({
      env: { TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8' },
      settings: { max_rate_limit_requests: 5 },
    })
    let host = 1
    expect(await statuses(6, () => info(server, from(headerOf(host++))))).toEqual([...times(5, 200), 429])
    expect((await info(server, from('192.0.2.2'))).status).toBe(200)
  })

  test('of a preflight request counts but is never refused, since no script could read why', async () => {
    await using server = await startServer({ settings: { max_rate_limit_requests: 5 } })
    await statuses(8, () => info(server))
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'GET' }
    const options = { headers, undescribed: true } as const
    expect(await statuses(60, () => request(server, 'OPTIONS', '/api/v1/info', options))).toEqual(
      times(60, 204),
    )
    const refused = await info(server, { headers: { origin: 'https://app.example' } })
    expect(refused.status).toBe(429)
    expect(refused.headers.get('access-control-allow-origin')).toBe('*')
    expect(refused.headers.get('access-control-expose-headers')).toContain('RateLimit')
  })
})

test('limits change while the server runs', async () => {
  await using server = await startServer({ settings: { max_rate_limit_requests: 5 } })
  const [ann, bob] = await server.people('ann', 'bob')
  expect(await statuses(6, () => profile(ann!))).toEqual([...times(5, 200), 429])
  await changeSettings(server.ctx, { max_rate_limit_requests: 8, rate_limit_messages_percent: 100 })
  expect(await statuses(4, () => profile(ann!))).toEqual([200, 200, 200, 429])
  expect(told(await bob!.get(`/api/v1/channels/${bob!.id}/load_messages`)).limit).toBe(8)
})

test('a proxy on this machine that nobody trusts is pointed out once', async () => {
  await using server = await startServer()
  for (let index = 0; index < 3; index++) await info(server, from('192.0.2.1'))
  expect(server.logLines.filter((line) => line.includes('set server.trusted_proxies'))).toHaveLength(1)
})

test('the log tells of warnings with the network, not the address', async () => {
  await using server = await startServer({ env: PROXIED, settings: { max_rate_limit_requests: 5 } })
  await statuses(6, () => info(server, from('192.0.2.77')))
  const lines = server.logLines.filter((line) => line.includes('beyond a rate limit'))
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0]!)).toMatchObject({ network: '192.0.2.0/24', scope: 'anonymous', warnings: 1 })
  expect(server.logLines.join('')).not.toContain('192.0.2.77')
})

describe('sockets', () => {
  const refusal = async (opening: Promise<TestSocket>): Promise<RefusedError> => {
    const error: unknown = await opening.then(
      (socket) => socket[Symbol.dispose](),
      (thrown) => thrown,
    )
    expect(error).toBeInstanceOf(RefusedError)
    return error as RefusedError
  }

  test('are limited by account when they are opened, and by address without a good token', async () => {
    await using server = await startServer({ settings: { max_rate_limit_requests: 12 } })
    const [ann, bob] = await server.people('ann', 'bob')
    for (let index = 0; index < 6; index++) (await ann!.connect())[Symbol.dispose]()
    const refused = await refusal(ann!.connect())
    expect(refused.status).toBe(429)
    expect(JSON.parse(refused.body)).toMatchObject({ message: 'Too many requests' })
    expect(refused.headers).toMatchObject({ 'x-ratelimit-limit': '6', 'x-ratelimit-remaining': '0' })
    expect(Number(refused.headers['retry-after'])).toBe(JSON.parse(refused.body).retry_after_seconds)
    const wrong = (): Promise<RefusedError> => refusal(TestSocket.open(server, { token: 'nonsense' }))
    const seen: number[] = []
    for (let index = 0; index < 8; index++) seen.push((await wrong()).status)
    expect(seen).toEqual([...times(6, 401), 429, 429])
    using _socket = await bob!.connect()
  })

  test('for voice are limited by address, since whose they are is only seen inside', async () => {
    await using server = await startServer({ settings: { max_rate_limit_requests: 10 } })
    const open = (): Promise<string> =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${server.url.replace('http', 'ws')}/rtc/v1/ws?join_token=nonsense`)
        socket.on('close', () => resolve('opened'))
        socket.on('unexpected-response', (_request, response) => {
          resolve(String(response.statusCode))
          response.resume()
        })
        socket.on('error', () => {})
      })
    const seen: string[] = []
    for (let index = 0; index < 7; index++) seen.push(await open())
    expect(seen).toEqual([...Array.from({ length: 5 }, () => 'opened'), '429', '429'])
  })

  test('of one account may send so many frames together', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({ clock, settings: { rate_limit_frames: 30 } })
    const [ann, bob] = await server.people('ann', 'bob')
    using first = await ann!.connect()
    using second = await ann!.connect()
    using other = await bob!.connect()
    for (let index = 0; index < 14; index++) {
      for (const socket of [first, second]) socket.send({ type: 'unknown' })
    }
    await first.settled()
    await second.settled()
    for (let index = 0; index < 29; index++) other.send({ type: 'unknown' })
    await other.settled()
    clock.offset += 10_100
    for (let index = 0; index < 29; index++) first.send('{}')
    await first.settled()
    second.send('{}')
    expect(await second.closed()).toEqual({ code: 1008, reason: 'too many frames' })
    expect(first.socket.readyState).toBe(first.socket.OPEN)
  })
})

describe('passwords', () => {
  const signIn = (
    server: TestServer,
    username: string,
    password: string,
    address = '192.0.2.1',
  ): Promise<Answer> =>
    request(server, 'POST', '/api/v1/users/signin', { json: { username, password }, ...from(address) })

  test('cannot be guessed on and on; a name that nobody has is answered alike', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({ clock, env: PROXIED, settings: { max_sign_in_failures: 3 } })
    const ann = await server.person('ann')
    for (const name of ['ann', 'nobody']) {
      expect(await statuses(3, () => signIn(server, name, 'wrong'))).toEqual(times(3, 401))
      const refused = await signIn(server, name.toUpperCase(), 'wrong')
      expect(refused.status).toBe(429)
      expect(refused.body.detail).toBe('Too many wrong passwords; try again later')
      expect(refused.body.retry_after_seconds).toBeGreaterThan(850)
    }
    expect((await signIn(server, 'ann', ann.password)).status).toBe(429)
    expect((await signIn(server, 'ann', ann.password, '192.0.2.2')).status).toBe(200)
    clock.offset += 910_000
    expect((await signIn(server, 'ann', ann.password)).status).toBe(200)
  })

  test('cannot be guessed from many addresses; but that does not keep out whoever signed in before', async () => {
    await using server = await startServer({ env: PROXIED, settings: { max_sign_in_failures: 3 } })
    const ann = await server.person('ann')
    expect((await signIn(server, 'ann', ann.password, '198.51.100.1')).status).toBe(200)
    let host = 1
    const guess = (): Promise<Answer> => signIn(server, 'ann', 'wrong', `192.0.2.${host++}`)
    expect(await statuses(17, guess)).toEqual([...times(15, 401), 429, 429])
    expect((await signIn(server, 'ann', ann.password, '203.0.113.1')).status).toBe(429)
    expect((await signIn(server, 'ann', ann.password, '198.51.100.1')).status).toBe(200)
  })

  test('that are right do not count, and guesses at the same moment all do', async () => {
    await using server = await startServer({
      env: { ...PROXIED, ACCOUNTS_PASSWORD_HASH_QUEUE: '1000' },
      settings: { max_sign_in_failures: 3 },
    })
    const ann = await server.person('ann')
    expect(await statuses(6, () => signIn(server, 'ann', ann.password))).toEqual(times(6, 200))
    const answers = await Promise.all(Array.from({ length: 20 }, () => signIn(server, 'ann', 'wrong')))
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(3)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(17)
  })

  test('cannot be guessed with a stolen token either', async () => {
    await using server = await startServer({ settings: { max_sign_in_failures: 3 } })
    const ann = await server.person('ann')
    const change = (): Promise<Answer> =>
      ann.put('/api/v1/users/profile', { json: { old_password: 'wrong', new_password: 'longenough' } })
    const reset = (): Promise<Answer> =>
      ann.post('/api/v1/users/profile/reset-auth-token', { password: 'wrong' })
    expect([await change(), await reset(), await change()].map(({ status }) => status)).toEqual([
      401, 404, 401,
    ])
    expect((await change()).status).toBe(429)
    expect((await reset()).status).toBe(429)
  })
})
