import { expect, test } from 'vitest'
import { request, type Answer } from '#test/http.ts'
import { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'

const PROFILE = '/api/v1/users/profile'

function change(person: Person, from: string, to: string): Promise<Answer> {
  person.server.secrets.add(to)
  return person.put(PROFILE, { json: { new_password: to, old_password: from } })
}

function signInWith(person: Person, password: string): Promise<Answer> {
  return request(person.server, 'POST', '/api/v1/users/signin', {
    json: { username: person.name, password },
  })
}

async function isSignedIn(person: Person): Promise<boolean> {
  const { status } = await person.post(PROFILE)
  expect([200, 401]).toContain(status)
  return status === 200
}

test('a new password replaces the old one', async () => {
  await using server = await startServer()
  const bob = await server.person('bob')
  const { status, body } = await change(bob, bob.password, 'a-brand-new-password')
  expect(status).toBe(200)
  expect(body).toEqual({ status_code: 200, message: 'Password updated successfully' })
  expect((await signInWith(bob, bob.password)).status).toBe(401)
  expect((await signInWith(bob, 'a-brand-new-password')).status).toBe(200)
})

test('a new password ends every other session with its tokens and sockets, but not the one in use', async () => {
  await using server = await startServer()
  const [bob, ann] = await server.people('bob', 'ann')
  const [phone, tablet] = [await bob!.signIn(), await bob!.signIn()]
  using own = await bob!.connect()
  using phones = await phone.connect()
  using tablets = await tablet.connect()
  using anns = await ann!.connect()
  await change(bob!, bob!.password, 'a-brand-new-password')
  expect(await phones.closed()).toEqual({ code: 1008, reason: 'the session has ended' })
  expect(await tablets.closed()).toMatchObject({ code: 1008 })
  for (const other of [phone, tablet]) {
    expect(await isSignedIn(other)).toBe(false)
    const refresh = await request(server, 'POST', '/api/v1/auth/refresh', {
      json: { refresh_token: other.refreshToken },
    })
    expect(refresh.status).toBe(401)
    await expect(other.connect()).rejects.toMatchObject({ status: 401 })
  }
  await own.settled()
  await anns.settled()
  expect(await isSignedIn(bob!)).toBe(true)
  expect((await bob!.get('/api/v1/auth/sessions')).body.sessions).toHaveLength(1)
  const refresh = await request(server, 'POST', '/api/v1/auth/refresh', {
    json: { refresh_token: bob!.refreshToken },
  })
  expect(refresh.status).toBe(200)
})

test('without the old password nothing changes', async () => {
  await using server = await startServer()
  const bob = await server.person('bob')
  const phone = await bob.signIn()
  const missing = await bob.put(PROFILE, { json: { new_password: 'a-brand-new-password' } })
  expect(missing.status).toBe(400)
  expect(missing.body.detail).toContain('old_password')
  for (const wrong of ['wrong', bob.password.toUpperCase(), `${bob.password} `, 'x'.repeat(4096)]) {
    const { status, body } = await change(bob, wrong, 'a-brand-new-password')
    expect(status).toBe(401)
    expect(body).toEqual({ detail: 'The old password is wrong' })
  }
  for (const [bad, field] of [
    ['short', 'new_password'],
    ['x'.repeat(1025), 'new_password'],
    ['lone \ud800 surrogate', 'new_password'],
    ['x'.repeat(4097), 'new_password'],
  ] as const) {
    const { status, body } = await change(bob, bob.password, bad)
    expect(status).toBe(422)
    expect(body.errors).toMatchObject([{ loc: ['body', field] }])
  }
  expect(await isSignedIn(phone)).toBe(true)
  expect((await signInWith(bob, bob.password)).status).toBe(200)
})

test('of two people who know the password and change it at the same moment, one is locked out', async () => {
  await using server = await startServer({ env: { ACCOUNTS_PASSWORD_HASH_CONCURRENCY: '4' } })
  const bob = await server.person('bob')
  const thief = await bob.signIn()
  const answers = await Promise.all([
    change(bob, bob.password, 'chosen-by-bob'),
    change(thief, bob.password, 'chosen-by-the-thief'),
  ])
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401])
  const bobWon = answers[0].status === 200
  expect(await isSignedIn(bob)).toBe(bobWon)
  expect(await isSignedIn(thief)).toBe(!bobWon)
  expect((await signInWith(bob, 'chosen-by-bob')).status).toBe(bobWon ? 200 : 401)
  expect((await signInWith(bob, 'chosen-by-the-thief')).status).toBe(bobWon ? 401 : 200)
})

test('nobody stays signed in with the old password who signed in while it was being changed', async () => {
  await using server = await startServer({ env: { ACCOUNTS_PASSWORD_HASH_CONCURRENCY: '4' } })
  const bob = await server.person('bob')
  const [changed, ...signIns] = await Promise.all([
    change(bob, bob.password, 'a-brand-new-password'),
    ...Array.from({ length: 12 }, () => signInWith(bob, bob.password)),
  ])
  expect(changed.status).toBe(200)
  for (const { status, body } of signIns) {
    expect([200, 401]).toContain(status)
    if (status === 200) {
      expect(await isSignedIn(Person.fromTokens(server, 'bob', bob.password, body))).toBe(false)
    }
  }
  expect((await bob.get('/api/v1/auth/sessions')).body.sessions).toHaveLength(1)
})

test('resetting the token ends every session and opens a new one', async () => {
  await using server = await startServer()
  const [bob, ann] = await server.people('bob', 'ann')
  const phone = await bob!.signIn()
  using own = await bob!.connect()
  using phones = await phone.connect()
  const { status, body } = await bob!.post('/api/v1/users/profile/reset-auth-token', {
    password: bob!.password,
  })
  expect(status).toBe(200)
  expect(body).toMatchObject({
    status_code: 200,
    message: 'auth_token reset successfully',
    token_type: 'Bearer',
  })
  expect(await own.closed()).toMatchObject({ code: 1008 })
  expect(await phones.closed()).toMatchObject({ code: 1008 })
  expect(await isSignedIn(bob!)).toBe(false)
  expect(await isSignedIn(phone)).toBe(false)
  expect(await isSignedIn(ann!)).toBe(true)
  for (const { refreshToken } of [bob!, phone]) {
    const refresh = await request(server, 'POST', '/api/v1/auth/refresh', {
      json: { refresh_token: refreshToken },
    })
    expect(refresh.status).toBe(401)
  }
  const renewed = Person.fromTokens(server, 'bob', bob!.password, body)
  expect(await isSignedIn(renewed)).toBe(true)
  expect((await renewed.get('/api/v1/auth/sessions')).body.sessions).toHaveLength(1)
})

test('resetting the token needs the password, and a wrong one ends nothing', async () => {
  await using server = await startServer()
  const [bob, ann] = await server.people('bob', 'ann')
  const reset = (json: unknown) => bob!.post('/api/v1/users/profile/reset-auth-token', json)
  for (const password of ['wrong-password', ann!.password, 'x'.repeat(4096)]) {
    const { status, body } = await reset({ password })
    expect(status).toBe(404)
    expect(body).toEqual({ detail: 'An account with this password not found' })
  }
  for (const json of [
    {},
    { password: '' },
    { password: null },
    { password: 1 },
    { password: 'x'.repeat(4097) },
  ]) {
    expect((await reset(json)).status).toBe(422)
  }
  expect(await isSignedIn(bob!)).toBe(true)
  const anonymous = await request(server, 'POST', '/api/v1/users/profile/reset-auth-token', {
    json: { password: bob!.password },
  })
  expect(anonymous.status).toBe(401)
})

test('nobody resets tokens with a password that was changed meanwhile', async () => {
  await using server = await startServer({ env: { ACCOUNTS_PASSWORD_HASH_CONCURRENCY: '4' } })
  const bob = await server.person('bob')
  const thief = await bob.signIn()
  const [changed, ...resets] = await Promise.all([
    change(bob, bob.password, 'a-brand-new-password'),
    ...Array.from({ length: 6 }, () =>
      thief.post('/api/v1/users/profile/reset-auth-token', { password: bob.password }),
    ),
  ])
  // The thief may have been first; but once the new password counts, nothing of the old one does.
  for (const { status, body } of resets) {
    expect([200, 401, 404]).toContain(status)
    if (status === 200 && changed.status === 200) {
      expect(await isSignedIn(Person.fromTokens(server, 'bob', bob.password, body))).toBe(false)
    }
  }
})
