import { expect, test } from 'vitest'
import { request, type Answer } from '#test/http.ts'
import { Person } from '#test/person.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'

const DAY = 24 * 3600 * 1000

function refresh(server: TestServer, refreshToken: unknown): Promise<Answer> {
  return request(server, 'POST', '/api/v1/auth/refresh', { json: { refresh_token: refreshToken } })
}

function revoke(server: TestServer, refreshToken: unknown): Promise<Answer> {
  return request(server, 'POST', '/api/v1/auth/revoke', { json: { refresh_token: refreshToken } })
}

/** The session after a refresh that must succeed. */
async function renewed(
  server: TestServer,
  person: Person,
  refreshToken = person.refreshToken,
): Promise<Person> {
  const { status, body } = await refresh(server, refreshToken)
  expect(status, JSON.stringify(body)).toBe(200)
  return Person.fromTokens(server, person.name, person.password, body)
}

async function statusOf(person: Person): Promise<number> {
  return (await person.post('/api/v1/users/profile')).status
}

test('a refresh token is exchanged for a new pair', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const { status, body } = await refresh(server, ann.refreshToken)
  expect(status).toBe(200)
  expect(Object.keys(body)).toEqual([
    'status_code',
    'message',
    'auth_token',
    'refresh_token',
    'token_type',
    'auth_token_expire_time',
    'refresh_token_expire_time',
  ])
  expect(body).toMatchObject({
    status_code: 200,
    message: 'Token refreshed successfully',
    token_type: 'Bearer',
  })
  expect(body.refresh_token).not.toBe(ann.refreshToken)
  const next = Person.fromTokens(server, 'ann', ann.password, body)
  expect(next.id).toBe(ann.id)
  expect(await statusOf(next)).toBe(200)
  // The access token of before is still good until it expires: it is of the same session.
  expect(await statusOf(ann)).toBe(200)
  expect((await ann.get('/api/v1/auth/sessions')).body.sessions).toHaveLength(1)
})

test('a chain of refreshes goes on and on', async () => {
  await using server = await startServer()
  let ann = await server.person('ann')
  const seen = new Set([ann.refreshToken])
  for (let round = 0; round < 5; round++) {
    ann = await renewed(server, ann)
    expect(seen.has(ann.refreshToken)).toBe(false)
    seen.add(ann.refreshToken)
  }
  expect(await statusOf(ann)).toBe(200)
})

test('two tabs that race get the same successor', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const [first, second] = await Promise.all([
    refresh(server, ann.refreshToken),
    refresh(server, ann.refreshToken),
  ])
  expect([first.status, second.status]).toEqual([200, 200])
  expect(first.body.refresh_token).toBe(second.body.refresh_token)
  expect(first.body.refresh_token_expire_time).toBe(second.body.refresh_token_expire_time)
  const next = Person.fromTokens(server, 'ann', ann.password, second.body)
  // And so again in the next round.
  const [third, fourth] = await Promise.all([
    refresh(server, next.refreshToken),
    refresh(server, next.refreshToken),
  ])
  expect([third.status, fourth.status]).toEqual([200, 200])
  expect(third.body.refresh_token).toBe(fourth.body.refresh_token)
})

test('a token that is used a third time ends its session, with tokens and sockets', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const other = await ann.signIn()
  using socket = await ann.connect()
  using othersSocket = await other.connect()
  const next = await renewed(server, ann)
  expect((await renewed(server, ann)).refreshToken).toBe(next.refreshToken)
  const third = await refresh(server, ann.refreshToken)
  expect(third.status).toBe(401)
  expect(third.body).toEqual({ detail: 'The refresh token is not valid' })
  expect(await socket.closed()).toMatchObject({ code: 1008 })
  expect(await statusOf(ann)).toBe(401)
  expect(await statusOf(next)).toBe(401)
  expect((await refresh(server, next.refreshToken)).status).toBe(401)
  // The other device did nothing wrong.
  expect(await statusOf(other)).toBe(200)
  await othersSocket.settled()
})

test('a spent token that comes back after ten seconds ends its session', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const ann = await server.person('ann')
  const next = await renewed(server, ann)
  clock.offset += 11_000
  expect((await refresh(server, ann.refreshToken)).status).toBe(401)
  expect(await statusOf(next)).toBe(401)
  expect((await refresh(server, next.refreshToken)).status).toBe(401)
})

test('within ten seconds a late tab is still served, unless the successor was used', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const ann = await server.person('ann')
  const next = await renewed(server, ann)
  clock.offset += 8_000
  expect((await renewed(server, ann)).refreshToken).toBe(next.refreshToken)
  const other = await ann.signIn()
  const successor = await renewed(server, other)
  const afterThat = await renewed(server, successor)
  expect((await refresh(server, other.refreshToken)).status).toBe(401)
  expect(await statusOf(afterThat)).toBe(401)
  expect((await refresh(server, afterThat.refreshToken)).status).toBe(401)
})

test('of twenty concurrent refreshes two succeed, and the others end the session', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(server, ann.refreshToken)))
  const succeeded = answers.filter(({ status }) => status === 200)
  expect(succeeded).toHaveLength(2)
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(18)
  const [successor, ...rest] = new Set(succeeded.map(({ body }) => body.refresh_token))
  expect(rest).toEqual([])
  expect((await refresh(server, successor)).status).toBe(401)
  expect(await statusOf(ann)).toBe(401)
})

test('a refresh token expires when it was not used for its time', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  let ann = await server.person('ann')
  clock.offset += 30 * DAY - 60_000
  ann = await renewed(server, ann)
  clock.offset += 30 * DAY - 60_000
  ann = await renewed(server, ann)
  clock.offset += 30 * DAY
  const { status, body } = await refresh(server, ann.refreshToken)
  expect(status).toBe(401)
  expect(body).toEqual({ detail: 'The refresh token has expired' })
})

test('what is no refresh token renews nothing', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  for (const token of [
    'x',
    ann.token,
    ann.id,
    `${ann.refreshToken}x`,
    ann.refreshToken.slice(0, -1),
    ann.refreshToken.toUpperCase(),
    ` ${ann.refreshToken}`,
    `${ann.refreshToken}\0`,
    ann.refreshToken.replace('pbr_', ''),
    `pbr_${'A'.repeat(43)}`,
    '\ud800',
    "' or 1=1 --",
    'x'.repeat(4096),
  ]) {
    const { status, body } = await refresh(server, token)
    expect(status, JSON.stringify(token).slice(0, 60)).toBe(401)
    expect(body).toEqual({ detail: 'The refresh token is not valid' })
  }
  for (const token of [undefined, null, '', 1, true, {}, [ann.refreshToken], 'x'.repeat(4097)]) {
    for (const call of [refresh, revoke]) {
      const { status, body } = await call(server, token)
      expect(status, JSON.stringify(token)?.slice(0, 60)).toBe(422)
      expect(body.errors).toMatchObject([{ loc: ['body', 'refresh_token'] }])
    }
  }
  expect(
    (await request(server, 'POST', '/api/v1/auth/refresh', { query: { refresh_token: ann.refreshToken } }))
      .status,
  ).toBe(422)
  expect((await renewed(server, ann)).id).toBe(ann.id)
})

test('revoking a refresh token ends its session at once, and twice is no error', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const other = await ann.signIn()
  using socket = await ann.connect()
  for (const token of [
    ann.refreshToken,
    ann.refreshToken,
    'unknown',
    `pbr_${'A'.repeat(43)}`,
    'a\0b',
    '\ud800',
  ]) {
    const { status, body } = await revoke(server, token)
    expect(status).toBe(200)
    expect(body).toEqual({ status_code: 200, message: 'Refresh token revoked successfully' })
  }
  expect(await socket.closed()).toMatchObject({ code: 1008 })
  expect(await statusOf(ann)).toBe(401)
  expect((await refresh(server, ann.refreshToken)).status).toBe(401)
  expect(await statusOf(other)).toBe(200)
})

test('revoking a token that was spent already ends the session it belonged to', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const next = await renewed(server, ann)
  expect((await revoke(server, ann.refreshToken)).status).toBe(200)
  expect(await statusOf(next)).toBe(401)
  expect((await refresh(server, next.refreshToken)).status).toBe(401)
})

test('a refresh that meets a sign-out never leaves a session open', async () => {
  await using server = await startServer()
  for (let round = 0; round < 5; round++) {
    const ann = await (await server.person('ann')).signIn()
    const [answer] = await Promise.all([refresh(server, ann.refreshToken), revoke(server, ann.refreshToken)])
    expect([200, 401]).toContain(answer.status)
    expect(await statusOf(ann)).toBe(401)
    if (answer.status === 200) expect((await refresh(server, answer.body.refresh_token)).status).toBe(401)
  }
})

test('sessions survive a restart of the server', async () => {
  await using place = await newPlace()
  const env = { PUBLIC_ORIGIN: 'https://chat.example' }
  const before = await startServer({ place, env })
  const ann = await before.person('ann')
  await before.stop()
  await using after = await startServer({ place, env })
  const again = Person.fromTokens(after, 'ann', ann.password, {
    auth_token: ann.token,
    refresh_token: ann.refreshToken,
  })
  expect(await statusOf(again)).toBe(200)
  expect(await statusOf(await renewed(after, again))).toBe(200)
})
