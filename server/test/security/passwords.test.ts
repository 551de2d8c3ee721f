import { expect, test } from 'vitest'
import { request, type Answer } from '#test/http.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { dumpTables } from '#test/sql.ts'

function signIn(server: TestServer, username: string, password: string): Promise<Answer> {
  server.secrets.add(password)
  return request(server, 'POST', '/api/v1/users/signin', { json: { username, password } })
}

test('neither passwords nor tokens can be read from the database', async () => {
  await using server = await startServer({ realPasswords: true })
  const ann = await server.person('ann')
  const again = await ann.signIn()
  await request(server, 'POST', '/api/v1/auth/refresh', { json: { refresh_token: again.refreshToken } })
  const { body } = await ann.put('/api/v1/users/profile', {
    json: { old_password: ann.password, new_password: server.secrets.add('a-brand-new-password') },
  })
  expect(body.message).toBe('Password updated successfully')
  await signIn(server, 'ann', 'a-wrong-password')
  await signIn(server, 'a-password-typed-as-a-name', 'a-wrong-password')
  const dump = await dumpTables(server)
  expect(dump).toContain('$argon2id$v=19$m=19456,t=2,p=1$')
  expect(server.secrets.foundIn(dump)).toEqual([])
  for (const { token, refreshToken } of [ann, again]) {
    for (const part of [token.split('.')[2]!, refreshToken.slice(4)]) expect(dump).not.toContain(part)
  }
  expect(server.secrets.foundIn((await ann.get('/metrics', { undescribed: true })).text)).toEqual([])
})

test('two people with one password have different hashes', async () => {
  await using server = await startServer({ realPasswords: true })
  for (const username of ['ann', 'bob']) {
    const json = { username, password: server.secrets.add('the-same-password') }
    expect((await request(server, 'POST', '/api/v1/users/signup', { json })).status).toBe(201)
  }
  const hashes = (await dumpTables(server)).match(/\$argon2id\$\S+/g)
  expect(hashes).toHaveLength(2)
  expect(new Set(hashes).size).toBe(2)
})

test('when too many passwords wait to be checked, the others are told to come back', async () => {
  await using server = await startServer({
    realPasswords: true,
    env: { ACCOUNTS_PASSWORD_HASH_CONCURRENCY: '1', ACCOUNTS_PASSWORD_HASH_QUEUE: '1' },
  })
  const ann = await server.person('ann')
  const calls = (count: number, call: () => Promise<Answer>) =>
    Promise.all(Array.from({ length: count }, () => call()))
  for (const [name, call, success] of [
    ['sign-in', () => signIn(server, 'ann', ann.password), 200],
    ['sign-in of nobody', () => signIn(server, 'nobody', ann.password), 401],
    ['reset', () => ann.post('/api/v1/users/profile/reset-auth-token', { password: 'wrong-password' }), 404],
    [
      'change',
      () =>
        ann.put('/api/v1/users/profile', { json: { old_password: 'wrong', new_password: 'long-enough' } }),
      401,
    ],
  ] as const) {
    const answers = await calls(12, call)
    const statuses = answers.map(({ status }) => status)
    expect(new Set(statuses), name).toEqual(new Set([success, 503]))
    const busy = answers.find(({ status }) => status === 503)!
    expect(busy.headers.get('retry-after')).toBe('2')
    expect(busy.body).toEqual({ detail: 'Too many people sign in right now' })
  }
  let count = 0
  const signUps = await calls(12, () =>
    request(server, 'POST', '/api/v1/users/signup', {
      json: { username: `p${count++}`, password: 'long-enough' },
    }),
  )
  expect(new Set(signUps.map(({ status }) => status))).toEqual(new Set([201, 503]))
  // Whoever was told to come back does not exist yet, and everything works again.
  const { body } = await ann.get('/api/v1/users/list')
  expect(body.users).toHaveLength(1 + signUps.filter(({ status }) => status === 201).length)
  expect((await signIn(server, 'ann', ann.password)).status).toBe(200)
})

test('a password too long to be one costs nothing to refuse', async () => {
  await using server = await startServer({
    realPasswords: true,
    env: { ACCOUNTS_PASSWORD_HASH_CONCURRENCY: '1', ACCOUNTS_PASSWORD_HASH_QUEUE: '0' },
  })
  await server.person('ann')
  // Were they hashed, most of them would be told to come back.
  const answers = await Promise.all(Array.from({ length: 20 }, () => signIn(server, 'ann', 'x'.repeat(4096))))
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 401))
})
