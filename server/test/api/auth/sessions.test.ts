import { createLocalJWKSet, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { request } from '#test/http.ts'
import { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'

const SESSIONS = '/api/v1/auth/sessions'
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/

async function signInWith(server: TestServer, person: Person, userAgent: string): Promise<Person> {
  const { body } = await request(server, 'POST', '/api/v1/users/signin', {
    json: { username: person.name, password: person.password },
    headers: { 'user-agent': userAgent },
  })
  return Person.fromTokens(server, person.name, person.password, body)
}

async function devices(person: Person): Promise<string[]> {
  const { body } = await person.get(SESSIONS)
  return body.sessions.map(({ device }: { device: string }) => device)
}

test('the list of sessions tells where one is signed in, the one used last first', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const [ann, bob] = await server.people('ann', 'bob')
  clock.offset += 1000
  await signInWith(server, ann!, 'Phone/1.0')
  clock.offset += 1000
  const tablet = await signInWith(server, ann!, `Tablet\t${'x'.repeat(300)}`)
  const { status, body } = await tablet.get(SESSIONS)
  expect(status).toBe(200)
  expect(body.sessions).toHaveLength(3)
  expect(body.sessions[0]).toEqual({
    session_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    device: `Tablet ${'x'.repeat(193)}`,
    created_at: expect.stringMatching(ISO),
    last_used_at: expect.stringMatching(ISO),
    expires_at: expect.stringMatching(ISO),
    is_current: true,
  })
  expect(body.sessions[1]).toMatchObject({ device: 'Phone/1.0', is_current: false })
  expect(body.sessions[2]).toMatchObject({ is_current: false })
  expect(await devices(bob!)).toHaveLength(1)
  clock.offset += 1000
  await request(server, 'POST', '/api/v1/auth/refresh', { json: { refresh_token: ann!.refreshToken } })
  expect((await devices(ann!)).slice(1)).toEqual([`Tablet ${'x'.repeat(193)}`, 'Phone/1.0'])
})

test('a session that is ended from another device takes its tokens and sockets with it', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const phone = await signInWith(server, ann, 'Phone')
  using socket = await phone.connect()
  using own = await ann.connect()
  const { body } = await ann.get(SESSIONS)
  const { session_id: id } = body.sessions.find(({ device }: { device: string }) => device === 'Phone')
  const ended = await ann.delete(`${SESSIONS}/${id}`)
  expect(ended.status).toBe(200)
  expect(ended.body).toEqual({ status_code: 200, message: 'Session ended' })
  expect(await socket.closed()).toMatchObject({ code: 1008 })
  expect((await phone.get(SESSIONS)).status).toBe(401)
  const refresh = await request(server, 'POST', '/api/v1/auth/refresh', {
    json: { refresh_token: phone.refreshToken },
  })
  expect(refresh.status).toBe(401)
  await own.settled()
  expect(await devices(ann)).toHaveLength(1)
  expect((await ann.delete(`${SESSIONS}/${id}`)).status).toBe(404)
})

test('one can end the session one is in', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const { body } = await ann.get(SESSIONS)
  expect((await ann.delete(`${SESSIONS}/${body.sessions[0].session_id}`)).status).toBe(200)
  expect((await ann.get(SESSIONS)).status).toBe(401)
})

test('sessions of others, and those that do not exist, are not found alike', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'bob')
  const { body } = await bob!.get(SESSIONS)
  for (const id of [
    body.sessions[0].session_id,
    body.sessions[0].session_id.toUpperCase(),
    crypto.randomUUID(),
    'x',
    '%00',
    'a%00b',
    '%F0%9F%A6%94',
    '%27%20or%201=1',
    '..%2f',
    'x'.repeat(500),
  ]) {
    const { status, body: answer } = await owner!.delete(`${SESSIONS}/${id}`)
    expect(status, id).toBe(404)
    expect(answer.detail).toMatch(/^Session not found: '/)
  }
  expect((await owner!.delete(`${SESSIONS}/${'x'.repeat(501)}`)).status).toBe(404)
  expect(await devices(bob!)).toHaveLength(1)
  for (const method of ['GET', 'DELETE']) {
    const path = method === 'GET' ? SESSIONS : `${SESSIONS}/${body.sessions[0].session_id}`
    expect((await request(server, method, path)).status).toBe(401)
  }
})

test('anybody can check an access token with the published keys', async () => {
  await using server = await startServer({ env: { PUBLIC_ORIGIN: 'https://chat.example' } })
  const ann = await server.person('ann')
  const { status, body } = await request(server, 'GET', '/.well-known/jwks.json')
  expect(status).toBe(200)
  expect(body.keys).toHaveLength(1)
  expect(Object.keys(body.keys[0]).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x'])
  expect(body.keys[0]).toMatchObject({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' })
  const { payload, protectedHeader } = await jwtVerify(ann.token, createLocalJWKSet(body))
  expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'JWT', kid: body.keys[0].kid })
  expect(payload).toEqual({
    sub: ann.id,
    sid: expect.stringMatching(/^[0-9a-f-]{36}$/),
    iss: 'chat.example',
    origin_server: 'chat.example',
    iat: expect.any(Number),
    exp: payload.iat! + 15 * 60,
    jti: expect.stringMatching(/^[0-9a-f]{24}$/),
  })
})
