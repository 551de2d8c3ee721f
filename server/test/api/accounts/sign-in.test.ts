import { expect, test } from 'vitest'
import { request, type Answer, type RequestOptions } from '#test/http.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'

function signIn(server: TestServer, username: unknown, password: unknown): Promise<Answer> {
  if (typeof password === 'string') server.secrets.add(password)
  return request(server, 'POST', '/api/v1/users/signin', { json: { username, password } })
}

test('the right password opens a session, in the query, as JSON and as a form', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const credentials = { username: 'ann', password: ann.password }
  const ways: [string, RequestOptions][] = [
    ['GET', { query: credentials }],
    ['POST', { json: credentials }],
    ['POST', { urlencoded: credentials }],
    ['POST', { form: credentials }],
    ['POST', { query: credentials }],
    ['POST', { raw: JSON.stringify(credentials), headers: { 'content-type': 'text/plain' } }],
  ]
  const tokens = new Set<string>()
  for (const [method, options] of ways) {
    const { status, body } = await request(server, method, '/api/v1/users/signin', options)
    expect(status, `${method} ${Object.keys(options).join()}`).toBe(200)
    expect(Object.keys(body)).toEqual([
      'status_code',
      'message',
      'auth_token',
      'refresh_token',
      'token_type',
      'auth_token_expire_time',
      'refresh_token_expire_time',
    ])
    expect(body).toMatchObject({ status_code: 200, message: 'Signin successfully', token_type: 'Bearer' })
    const profile = await request(server, 'POST', '/api/v1/users/profile', { token: body.auth_token })
    expect(profile.body.user_data.user_id).toBe(ann.id)
    tokens.add(body.auth_token).add(body.refresh_token)
  }
  expect(tokens.size).toBe(2 * ways.length)
})

test('the body wins over the query', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  const { body } = await request(server, 'POST', '/api/v1/users/signin', {
    query: { username: 'ann', password: ann!.password },
    json: { username: 'bob', password: bob!.password },
  })
  const profile = await request(server, 'POST', '/api/v1/users/profile', { token: body.auth_token })
  expect(profile.body.user_data.username).toBe('bob')
})

test('a name signs in as it was typed at sign-up, and without regard to case', async () => {
  await using server = await startServer()
  const password = server.secrets.add('the-password-of-maria')
  const typed = '  José   María '
  const up = await request(server, 'POST', '/api/v1/users/signup', { json: { username: typed, password } })
  expect(up.status).toBe(201)
  for (const name of [typed, 'José María', 'JOSÉ MARÍA', 'jose\u0301 mari\u0301a', 'ｊosé maría']) {
    expect((await signIn(server, name, password)).status, name).toBe(200)
  }
})

test('a password is the same in every Unicode form, but not in another case', async () => {
  await using server = await startServer()
  const typed = 'Pässword of ﬁnn'
  await request(server, 'POST', '/api/v1/users/signup', { json: { username: 'finn', password: typed } })
  expect((await signIn(server, 'finn', typed.normalize('NFKD'))).status).toBe(200)
  for (const wrong of [typed.toLowerCase(), `${typed} `, ` ${typed}`, typed.slice(0, -1), `${typed}\0`]) {
    expect((await signIn(server, 'finn', wrong)).status, wrong).toBe(401)
  }
})

test('an unknown name and a wrong password get the same answer', async () => {
  await using server = await startServer()
  await server.person('ann')
  const wrongPassword = await signIn(server, 'ann', 'wrong-password')
  expect(wrongPassword.status).toBe(401)
  expect(wrongPassword.body).toEqual({ detail: 'The username or the password is wrong' })
  for (const name of ['nobody', 'an', 'ann2', 'a@b', '...', 'a\0nn2', '\ud800', "' or 1=1 --", '%']) {
    const unknown = await signIn(server, name, 'wrong-password')
    expect(unknown.status, name).toBe(401)
    expect(unknown.text).toBe(wrongPassword.text)
    const names = (answer: Answer): string[] => [...answer.headers.keys()].toSorted()
    expect(names(unknown)).toEqual(names(wrongPassword))
  }
  for (const password of ['x', 'x'.repeat(1025), 'x'.repeat(4096), '\ud800', 'a\0b', "' or 1=1 --"]) {
    expect((await signIn(server, 'ann', password)).text).toBe(wrongPassword.text)
  }
})

test('fields that are missing or malformed are named', async () => {
  await using server = await startServer()
  const problems = ({ body }: Answer): string[] =>
    body.errors.map(({ loc }: { loc: string[] }) => loc.join('.'))
  const nothing = await request(server, 'GET', '/api/v1/users/signin')
  expect(nothing.status).toBe(422)
  expect(problems(nothing)).toEqual(['query.username', 'query.password'])
  const twice = await request(server, 'GET', '/api/v1/users/signin?username=a&username=b&password=c')
  expect(twice.status).toBe(422)
  expect(problems(twice)).toContain('query.username')
  for (const [json, problem] of [
    [{ username: 'ann' }, 'body.password'],
    [{ username: 'ann', password: '' }, 'body.password'],
    [{ username: 'ann', password: null }, 'body.password'],
    [{ username: '', password: 'x' }, 'body.username'],
    [{ username: ['ann'], password: 'x' }, 'body.username'],
    [{ username: { $gt: '' }, password: 'x' }, 'body.username'],
    [{ username: 'a'.repeat(257), password: 'x' }, 'body.username'],
    [{ username: 'ann', password: 'x'.repeat(4097) }, 'body.password'],
  ] as const) {
    const answer = await request(server, 'POST', '/api/v1/users/signin', { json })
    expect(answer.status, JSON.stringify(json).slice(0, 80)).toBe(422)
    expect(problems(answer)).toEqual([problem])
  }
})

test('signing in works while registration is closed', async () => {
  await using place = await newPlace()
  const open = await startServer({ place })
  const ann = await open.person('ann')
  await open.stop()
  await using closed = await startServer({ place, env: { REGISTRATION: 'closed' } })
  expect((await signIn(closed, 'ann', ann.password)).status).toBe(200)
})
