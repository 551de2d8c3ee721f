import { expect, test } from 'vitest'
import { request, type Answer } from '#test/http.ts'
import { startServer, type TestServer } from '#test/server.ts'

/** Sends a body to a route that wants one. */
function send(
  server: TestServer,
  raw: string | Uint8Array,
  contentType = 'application/json',
): Promise<Answer> {
  return request(server, 'POST', '/api/v1/users/signup', { raw, headers: { 'content-type': contentType } })
}

function part(name: string, value: string, more = ''): string {
  return `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`
}

const MULTIPART = 'multipart/form-data; boundary=b'
const URLENCODED = 'application/x-www-form-urlencoded'

test('a body that is not JSON is refused', async () => {
  await using server = await startServer()
  for (const raw of [
    '{',
    '{"username":"ann",}',
    "{'username':'ann'}",
    '{"username":NaN}',
    'username=ann',
    ' ',
    '\0',
    '{}{}',
    '// {}',
    '"\n"',
    Buffer.from('\ufeff{}', 'utf16le'),
  ]) {
    const { status, body } = await send(server, raw)
    expect(status, String(raw)).toBe(400)
    expect(body).toEqual({ detail: expect.stringMatching(/^The body is not (valid JSON|UTF-8)$/) })
  }
  for (const bytes of [
    [0x7b, 0xff, 0x7d],
    [0x22, 0xc0, 0xaf, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0xe2, 0x82],
  ]) {
    const { status, body } = await send(server, Buffer.from(bytes))
    expect(status).toBe(400)
    expect(body).toEqual({ detail: 'The body is not UTF-8' })
  }
})

test('a body that is no object is refused, and nothing is as good as an empty one', async () => {
  await using server = await startServer()
  for (const raw of ['[]', '[{"username":"ann"}]', '"text"', '1', '-0', 'true', 'false']) {
    const { status, body } = await send(server, raw)
    expect(status, raw).toBe(422)
    expect(body.errors).toEqual([{ loc: ['body'], msg: 'must be an object', type: 'model_attributes_type' }])
  }
  for (const raw of ['', 'null', '{}']) {
    const { status, body } = await send(server, raw)
    expect(status, raw).toBe(422)
    expect(body.errors).toHaveLength(2)
  }
  const { token } = await server.person('ann')
  for (const raw of ['', 'null', '{}']) {
    const headers = { 'content-type': 'application/json' }
    const answer = await request(server, 'POST', '/api/v1/users/profile', { token, raw, headers })
    expect(answer.status).toBe(200)
  }
})

test('a byte-order mark is no part of the body, and of two equal keys the last counts', async () => {
  await using server = await startServer()
  const password = server.secrets.add('a-good-password')
  const marked = await send(server, `\ufeff{"username":"ann","password":"${password}"}`)
  expect(marked.status).toBe(201)
  const twice = await send(server, `{"username":"first","username":"ANN","password":"${password}"}`)
  expect(twice.body).toEqual({ detail: "The username 'ANN' is already taken" })
})

test('JSON nested a hundred thousand levels deep is refused like any other nonsense', async () => {
  await using server = await startServer()
  const depth = 100_000
  const deep = (open: string, close: string, inside = ''): string =>
    open.repeat(depth) + inside + close.repeat(depth)
  expect((await send(server, deep('[', ']'))).status).toBe(422)
  expect((await send(server, `{"username":${deep('[', ']')},"password":"long-enough"}`)).status).toBe(422)
  expect(
    (await send(server, `{"username":${deep('{"a":', '}', '1')},"password":"long-enough"}`)).status,
  ).toBe(422)
  expect((await send(server, deep('[', ''))).status).toBe(400)
  expect((await send(server, deep('{"a":', '}', '{"__proto__":1}'))).status).toBe(400)
  const form = part('username', deep('[', ']'), '\r\nContent-Type: application/json')
  expect([400, 422]).toContain((await send(server, `${form}--b--\r\n`, MULTIPART)).status)
  expect((await request(server, 'GET', '/healthz')).status).toBe(200)
})

test('no body changes what all objects have', async () => {
  await using server = await startServer()
  for (const raw of [
    '{"__proto__":{"polluted":true},"username":"a"}',
    '{"constructor":{"prototype":{"polluted":true}},"username":"a"}',
    '{"username":{"__proto__":{"polluted":true}}}',
    '{"a":[{"\\u005f_proto__":{"polluted":true}}]}',
  ]) {
    expect((await send(server, raw)).status, raw).toBe(400)
  }
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const password = 'a-good-password'
    const inForm = `${part(name, 'x')}${part('username', 'a')}${part('password', password)}--b--\r\n`
    expect((await send(server, inForm, MULTIPART)).status, name).toBe(400)
    const username = `person ${name.replaceAll('_', ' ')}`
    const encoded = new URLSearchParams([
      [name, 'x'],
      [`${name}[x]`, 'x'],
      ['username', username],
      ['password', password],
    ])
    expect((await send(server, encoded.toString(), URLENCODED)).status, name).toBe(201)
    expect((await request(server, 'GET', `/api/v1/info?${name}=x&${name}[polluted]=1&debug=1`)).status).toBe(
      200,
    )
    expect((await send(server, `{"username":"${name}"}`)).body.errors).toMatchObject([
      { loc: ['body', 'password'] },
    ])
  }
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})

test('a body of a kind that the server does not read is refused', async () => {
  await using server = await startServer()
  for (const type of [
    'text/xml',
    'application/xml',
    'application/octet-stream',
    'application/jsonx',
    'text/html',
    'image/png',
    'application/x-www-form-urlencodedx',
    ';;;',
    'json',
    '*/*',
  ]) {
    const { status, body } = await send(server, '{}', type)
    expect(status, type).toBe(415)
    expect(body).toEqual({ detail: 'The body must be JSON or a form' })
  }
  for (const type of [
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/json;charset=latin1',
    'text/plain;charset=UTF-8',
  ]) {
    expect((await send(server, '{}', type)).status, type).toBe(422)
  }
})

test('a body may have a mebibyte, or what the configuration says', async () => {
  await using server = await startServer()
  await using small = await startServer({ env: { SERVER_BODY_LIMIT_KB: '16' } })
  const json = (bytes: number): string => {
    const frame = '{"username":"","password":""}'
    return `{"username":"${'x'.repeat(bytes - frame.length)}","password":""}`
  }
  for (const [where, limit] of [
    [server, 1024 * 1024],
    [small, 16 * 1024],
  ] as const) {
    expect((await send(where, json(limit))).status).toBe(422)
    for (const [raw, type] of [
      [json(limit + 1), 'application/json'],
      [json(limit + 1), 'text/plain'],
      [`username=${'x'.repeat(limit)}`, URLENCODED],
    ] as const) {
      const { status, body } = await send(where, raw, type)
      expect(status, type).toBe(413)
      expect(body).toEqual({ detail: 'The body is too large' })
    }
  }
})

test('a form may hold as much as a body, in all its fields together', async () => {
  await using server = await startServer({ env: { SERVER_BODY_LIMIT_KB: '64' } })
  const limit = 64 * 1024
  const form = (...values: string[]) =>
    send(server, `${values.map((value, index) => part(`field${index}`, value)).join('')}--b--\r\n`, MULTIPART)
  expect((await form('x'.repeat(limit))).status).toBe(422)
  expect((await form('x'.repeat(limit + 1))).status).toBe(413)
  expect((await form('x'.repeat(20 * limit))).status).toBe(413)
  expect((await form(...Array.from({ length: 2 }, () => 'x'.repeat(limit / 2)))).status).toBe(422)
  expect((await form(...Array.from({ length: 40 }, () => 'x'.repeat(limit / 2)))).status).toBe(413)
  const typed = '\r\nContent-Type: application/json'
  const asJson = Array.from({ length: 40 }, (_, index) =>
    part(`field${index}`, JSON.stringify({ x: 'x'.repeat(limit / 2) }), typed),
  )
  expect((await send(server, `${asJson.join('')}--b--\r\n`, MULTIPART)).status).toBe(413)
})

test('a form of thousands of fields is refused, or costs little', async () => {
  await using server = await startServer()
  const fields = (count: number) =>
    Array.from({ length: count }, (_, index) => part(`f${index}`, 'x')).join('')
  expect((await send(server, `${fields(50)}--b--\r\n`, MULTIPART)).status).toBe(422)
  expect((await send(server, `${fields(51)}--b--\r\n`, MULTIPART)).status).toBe(413)
  expect((await send(server, `${fields(10_000)}--b--\r\n`, MULTIPART)).status).toBe(413)
  expect((await send(server, `${part('n'.repeat(50_000), 'x')}--b--\r\n`, MULTIPART)).status).toBe(422)
  const headers = Array.from({ length: 500 }, (_, index) => `\r\nX-${index}: x`).join('')
  expect([400, 413, 422]).toContain(
    (await send(server, `${part('username', 'x', headers)}--b--\r\n`, MULTIPART)).status,
  )
  const many = Array.from({ length: 100_000 }, (_, index) => `f${index}=1`).join('&')
  expect((await send(server, many, URLENCODED)).status).toBe(422)
  expect((await send(server, 'username=x&'.repeat(80_000), URLENCODED)).status).toBe(422)
})

test('a form that is cut off or cannot be taken apart is refused', async () => {
  await using server = await startServer()
  const whole = `${part('username', 'ann')}${part('password', 'a-good-password')}--b--\r\n`
  for (const cut of [1, 4, 8, 30, 60, 90, whole.length - 20]) {
    const { status, body } = await send(server, whole.slice(0, -cut), MULTIPART)
    // What is only without its last bytes may count as whole.
    expect([201, 400, 409], String(cut)).toContain(status)
    if (status === 400) expect(body).toEqual({ detail: 'The form cannot be read' })
  }
  for (const [raw, type] of [
    [whole, 'multipart/form-data; boundary=c'],
    [whole, 'multipart/form-data; boundary='],
    [whole, 'multipart/form-data; boundary=""'],
    [whole, 'multipart/form-data'],
    ['text', MULTIPART],
    ['--b', MULTIPART],
    [part('username', 'x').slice(0, 30), MULTIPART],
    [part('username', '{"a', '\r\nContent-Type: application/json') + '--b--\r\n', MULTIPART],
  ] as const) {
    const { status, body } = await send(server, raw, type)
    expect(status, `${type} ${raw.slice(0, 40)}`).toBe(400)
    expect(body).toEqual({ detail: 'The form cannot be read' })
  }
  expect((await send(server, '', MULTIPART)).status).toBe(422)
  expect((await send(server, '--b--\r\n', MULTIPART)).status).toBe(422)
})

test('a file where none is taken is refused, but not an empty file input', async () => {
  await using server = await startServer()
  const password = server.secrets.add('a-good-password')
  const form = (username: string, file: File): FormData => {
    const data = new FormData()
    data.set('username', username)
    data.set('avatar', file)
    data.set('password', password)
    return data
  }
  const send = (data: FormData) => request(server, 'POST', '/api/v1/users/signup', { form: data })
  const refused = await send(form('ann', new File(['hello'], 'hello.txt')))
  expect(refused.status).toBe(400)
  expect(refused.body).toEqual({ detail: 'This endpoint does not take files' })
  expect((await send(form('ann', new File(['x'.repeat(3_000_000)], 'big.bin')))).status).toBe(400)
  expect((await send(form('ann', new File([], '')))).status).toBe(201)
})

test('a field that comes twice, or is an object, is no text', async () => {
  await using server = await startServer()
  const rest = `${part('password', 'a-good-password')}--b--\r\n`
  for (const [raw, type] of [
    [`${part('username', 'ann')}${part('username', 'bob')}${rest}`, MULTIPART],
    [`${part('username', '{"a":1}', '\r\nContent-Type: application/json')}${rest}`, MULTIPART],
    ['username=ann&username=bob&password=a-good-password', URLENCODED],
  ] as const) {
    const { status, body } = await send(server, raw, type)
    expect(status).toBe(422)
    expect(body.errors[0].loc).toEqual(['body', 'username'])
  }
})

test('null for what may be left out is the same as leaving it out', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.post('/api/v1/channels/create/', {
    channel_name: 'general',
    is_private: null,
    channel_type: null,
  })
  expect(channel.status, channel.text).toBe(200)
  expect(channel.body.channel_data).toMatchObject({ is_private: false, channel_type: 'text' })
  const id = channel.body.channel_data.channel_id as string
  const empty = await owner.post(`/api/v1/channels/${id}/send_message`, { message: null })
  expect([empty.status, empty.body.detail]).toEqual([400, expect.stringContaining('empty')])
  const missing = await owner.post('/api/v1/channels/create/', { channel_name: null })
  expect(missing.status).toBe(422)
})
