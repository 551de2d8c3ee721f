import { expect, test } from 'vitest'
import { request, type Answer } from '#test/http.ts'
import { startServer, type TestServer } from '#test/server.ts'

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/
const PASSWORD = 'a-good-password-of-nobody'

function signUp(server: TestServer, body: unknown): Promise<Answer> {
  return request(server, 'POST', '/api/v1/users/signup', { json: body })
}

function signUpAs(server: TestServer, username: string): Promise<Answer> {
  return signUp(server, { username, password: server.secrets.add(PASSWORD) })
}

async function ownUser(server: TestServer, { body }: Answer) {
  const profile = await request(server, 'POST', '/api/v1/users/profile', { token: body.auth_token, json: {} })
  expect(profile.status).toBe(200)
  return profile.body.user_data
}

test('signing up creates an account and opens a session', async () => {
  await using server = await startServer()
  const before = Date.now()
  const { status, body } = await signUpAs(server, 'johndoe')
  expect(status).toBe(201)
  expect(body).toEqual({
    status_code: 201,
    message: 'Account created successfully',
    auth_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
    refresh_token: expect.stringMatching(/^pbr_[\w-]{43}$/),
    token_type: 'Bearer',
    auth_token_expire_time: expect.stringMatching(ISO),
    refresh_token_expire_time: expect.stringMatching(ISO),
  })
  const minutesAhead = (time: string): number => (Date.parse(time) - before) / 60_000
  expect(Math.round(minutesAhead(body.auth_token_expire_time))).toBe(15)
  expect(Math.round(minutesAhead(body.refresh_token_expire_time))).toBe(30 * 24 * 60)
})

test('the life of tokens follows the configuration', async () => {
  await using server = await startServer({
    env: { ACCOUNTS_ACCESS_TOKEN_MINUTES: '3', ACCOUNTS_REFRESH_TOKEN_DAYS: '2' },
  })
  const { body } = await signUpAs(server, 'ann')
  const minutes = (time: string): number => Math.round((Date.parse(time) - Date.now()) / 60_000)
  expect(minutes(body.auth_token_expire_time)).toBe(3)
  expect(minutes(body.refresh_token_expire_time)).toBe(2 * 24 * 60)
})

test('the first account owns the server, those after it are users', async () => {
  await using server = await startServer()
  const hasOwner = async () => (await request(server, 'GET', '/api/v1/info')).body.has_owner
  expect(await hasOwner()).toBe(false)
  const first = await ownUser(server, await signUpAs(server, 'first'))
  expect(first).toMatchObject({ roles_ids: ['owner'], is_owner: true, is_admin: true })
  expect(await hasOwner()).toBe(true)
  const second = await ownUser(server, await signUpAs(server, 'second'))
  expect(second).toMatchObject({ roles_ids: ['user'], is_owner: false, is_admin: false })
})

test('of people who sign up first at the same moment, exactly one owns the server', async () => {
  await using server = await startServer()
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) => signUpAs(server, `person ${index}`)),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 201))
  const users = await Promise.all(answers.map((answer) => ownUser(server, answer)))
  expect(users.map(({ roles_ids }) => roles_ids[0]).toSorted()).toEqual([
    'owner',
    ...Array.from({ length: 9 }, () => 'user'),
  ])
})

test('a refused sign-up leaves the server without an owner', async () => {
  await using server = await startServer()
  expect((await signUp(server, { username: 'ann', password: 'short' })).status).toBe(422)
  const { body } = await request(server, 'GET', '/api/v1/info')
  expect(body.has_owner).toBe(false)
})

test('a name can be had once, however it is written', async () => {
  await using server = await startServer()
  expect((await signUpAs(server, 'Finn Straße')).status).toBe(201)
  for (const same of [
    'Finn Straße',
    'finn straße',
    'FINN STRASSE',
    '  Finn   Straße ',
    'Ｆｉｎｎ　Straße',
    'ﬁnn straße',
    'Finn\u00a0Straße',
  ]) {
    const { status, body } = await signUpAs(server, same)
    expect(status, same).toBe(409)
    expect(body.detail).toMatch(/^The username '.+' is already taken$/)
  }
  expect((await signUpAs(server, 'Finn Strasser')).status).toBe(201)
})

test('a name that looks like another one is refused', async () => {
  await using server = await startServer()
  for (const name of ['paypal', 'bob', 'mike', 'राम', 'かき', 'กิน']) {
    expect((await signUpAs(server, name)).status, name).toBe(201)
  }
  for (const lookAlike of [
    'paypa1',
    'paypaI',
    'PAYPA1',
    'раураІ', // Cyrillic throughout
    'b0b',
    'ЬоЬ', // the same
    'bób',
    'bo\u0323b',
    'bob\ufe0f',
    'bo\u034fb',
    'rnike',
  ]) {
    const { status, body } = await signUpAs(server, lookAlike)
    expect(status, lookAlike).toBe(409)
    expect(body.detail).toMatch(/^The username '.+' looks like one that is already taken$/)
  }
})

test('names that differ by a vowel sign or a mark of their own script are different names', async () => {
  await using server = await startServer()
  for (const name of ['राम', 'रमा', 'रीमा', 'กิน', 'กัน', 'かき', 'がき', 'محمد', '김민준', '李雷']) {
    expect((await signUpAs(server, name)).status, name).toBe(201)
  }
})

test('of concurrent sign-ups for one name, in any spelling, exactly one succeeds', async () => {
  await using server = await startServer()
  const spellings = [
    'popular',
    'Popular',
    'POPULAR',
    'p0pular',
    'popu1ar',
    'ｐｏｐｕｌａｒ',
    'popular ',
    'pOpuIar',
  ]
  const answers = await Promise.all(spellings.map((name) => signUpAs(server, name)))
  expect(answers.map(({ status }) => status).toSorted()).toEqual([
    201,
    ...Array.from({ length: 7 }, () => 409),
  ])
})

test('a name is kept as it was written, in its normal form', async () => {
  await using server = await startServer()
  for (const [written, kept] of [
    ['  José   María ', 'José María'],
    ['Jose\u0301 zwei', 'José zwei'],
    ['Ｗｉｄｅ', 'Wide'],
    ['O’Neil-Smith_3.1', 'O’Neil-Smith_3.1'],
    ['a'.repeat(64), 'a'.repeat(64)],
    ['𐐨'.repeat(64), '𐐨'.repeat(64)],
    ['🦔 hedgehog', '🦔 hedgehog'],
  ] as const) {
    const answer = await signUpAs(server, written)
    expect(answer.status, written).toBe(201)
    expect((await ownUser(server, answer)).username).toBe(kept)
  }
})

test('names that nobody should have are refused', async () => {
  await using server = await startServer()
  for (const name of [
    '   ',
    '...',
    '🦔',
    'a'.repeat(65),
    '𐐨'.repeat(65),
    'ﷺ'.repeat(4), // 72 characters in its normal form
    'a@b',
    'a/b',
    'a\\b',
    'a:b',
    'a#b',
    'a?b',
    'a%b',
    'a&b',
    '<b>',
    'a"b',
    '../etc',
    'a\0b',
    'a\nb',
    'a\tb',
    'a\u001bb',
    'a\u007fb',
    'a\u0085b',
    'a\u00adb', // soft hyphen
    'a\u200bb', // zero-width space
    'a\u200db', // zero-width joiner
    'a\u2060b', // word joiner
    'a\ufeffb', // byte-order mark
    'a\u202eb', // right-to-left override
    'a\u2028b',
    'a\u{e0041}b', // tag
    'a\ue000b', // private use
    'a\u0378b', // unassigned
    'a\ud800b', // half a pair
    'a\udc00',
    '\u3164', // Hangul filler: a letter that nobody sees
    'bob\u3164',
    'bob\u115f',
    'bob\uffa0',
    'bob\u2800', // empty Braille pattern
    'раypal', // Cyrillic and Latin
    'αlpha', // Greek and Latin
  ]) {
    const { status, body } = await signUpAs(server, name)
    expect(status, JSON.stringify(name)).toBe(422)
    expect(body.errors[0].loc).toEqual(['body', 'username'])
  }
})

test('a password needs 8 characters and may have 1024 bytes', async () => {
  await using server = await startServer()
  let count = 0
  const signUpWith = (password: string) => signUp(server, { username: `person ${count++}`, password })
  for (const password of ['12345678', 'ü'.repeat(8), '🦔'.repeat(8), ' '.repeat(8), 'x'.repeat(1024)]) {
    expect((await signUpWith(password)).status, password.slice(0, 20)).toBe(201)
  }
  for (const password of [
    '1234567',
    '🦔'.repeat(7),
    'ﬀ'.repeat(3), // 6 characters in its normal form
    'x'.repeat(1025),
    'ü'.repeat(513),
    'x'.repeat(4096),
    'x'.repeat(4097),
    'x'.repeat(100_000),
    'lone \ud800 surrogate',
  ]) {
    const { status, body, text } = await signUpWith(password)
    expect(status, password.slice(0, 20)).toBe(422)
    expect(body.errors).toEqual([
      { loc: ['body', 'password'], msg: expect.any(String), type: expect.any(String) },
    ])
    expect(text).not.toContain(JSON.stringify(password).slice(1, -1).slice(0, 40))
  }
})

test('the shortest password can be configured', async () => {
  await using server = await startServer({ env: { ACCOUNTS_PASSWORD_MIN_LENGTH: '12' } })
  const signUpWith = (password: string) => signUp(server, { username: 'ann', password })
  expect((await signUpWith('x'.repeat(11))).body.detail).toBe('password: must have at least 12 characters')
  expect((await signUpWith('x'.repeat(12))).status).toBe(201)
})

test('a field that is missing or malformed is named, without what was sent', async () => {
  await using server = await startServer()
  const password = server.secrets.add(PASSWORD)
  const cases: [unknown, string[]][] = [
    [{}, ['username', 'password']],
    [{ username: 'ann' }, ['password']],
    [{ password }, ['username']],
    [{ username: null, password }, ['username']],
    [{ username: 'ann', password: null }, ['password']],
    [{ username: 42, password }, ['username']],
    [{ username: 'ann', password: 12_345_678 }, ['password']],
    [{ username: true, password }, ['username']],
    [{ username: { $ne: null }, password }, ['username']],
    [{ username: ['ann'], password }, ['username']],
    [{ username: 'ann', password: { length: 20 } }, ['password']],
    [{ username: '', password }, ['username']],
    [{ username: 'ann', password: '' }, ['password']],
    [{ username: 'a'.repeat(257), password }, ['username']],
    [{ username: '', password: '' }, ['username', 'password']],
  ]
  for (const [json, fields] of cases) {
    const { status, body, text } = await signUp(server, json)
    expect(status, JSON.stringify(json)).toBe(422)
    expect(body.errors.map(({ loc }: { loc: string[] }) => loc)).toEqual(
      fields.map((field) => ['body', field]),
    )
    expect(body.detail).toContain(fields[0])
    expect(text).not.toContain(PASSWORD)
  }
  const missing = await signUp(server, {})
  expect(missing.body).toEqual({
    detail: 'username: field required; password: field required',
    errors: [
      { loc: ['body', 'username'], msg: 'field required', type: 'missing' },
      { loc: ['body', 'password'], msg: 'field required', type: 'missing' },
    ],
  })
})

test('fields that nobody asked for change nothing', async () => {
  await using server = await startServer()
  await server.person('owner')
  const answer = await signUp(server, {
    username: 'mallory',
    password: PASSWORD,
    roles_ids: ['owner'],
    role: 'owner',
    is_owner: true,
    user_id: crypto.randomUUID(),
    origin_server: 'evil.example',
  })
  expect(answer.status).toBe(201)
  const user = await ownUser(server, answer)
  expect(user).toMatchObject({ roles_ids: ['user'], is_owner: false })
  expect(user.origin_server).toBe(new URL(server.url).host)
})

test('credentials in the query create no account', async () => {
  await using server = await startServer()
  const { status } = await request(server, 'POST', '/api/v1/users/signup', {
    query: { username: 'ann', password: server.secrets.add(PASSWORD) },
  })
  expect(status).toBe(422)
})

test('forms sign up like JSON', async () => {
  await using server = await startServer()
  const password = server.secrets.add(PASSWORD)
  for (const [username, options] of [
    ['urlencoded', { urlencoded: { username: 'urlencoded', password } }],
    ['multipart', { form: { username: 'multipart', password } }],
  ] as const) {
    const answer = await request(server, 'POST', '/api/v1/users/signup', options)
    expect(answer.status, username).toBe(201)
    expect((await ownUser(server, answer)).username).toBe(username)
  }
})

test('closed registration admits nobody, the first account included', async () => {
  await using server = await startServer({ env: { REGISTRATION: 'closed' } })
  const { status, body } = await signUpAs(server, 'ann')
  expect(status).toBe(403)
  expect(body.detail).toBe('Registration is closed on this server')
  const info = await request(server, 'GET', '/api/v1/info')
  expect(info.body).toMatchObject({ registration: 'closed', has_owner: false })
})
