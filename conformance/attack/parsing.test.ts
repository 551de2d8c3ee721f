import { describe, expect, test } from 'vitest'
import { baseUrl, call } from '../support/api.ts'
import { expectHealthy } from '../support/healthy.ts'
import { Person } from '../support/people.ts'
import { exchange, statusesIn } from '../support/raw.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

async function expect4xx(
  path: string,
  raw: string | Uint8Array,
  headers: Record<string, string>,
): Promise<void> {
  const { status, text } = await call('POST', path, { raw, headers })
  expect(status, text.slice(0, 200)).toBeGreaterThanOrEqual(400)
  expect(status, text.slice(0, 200)).toBeLessThan(500)
}

describe('bodies (CWE-20, CWE-400, CWE-1321)', () => {
  const path = '/api/v1/users/signup'
  const hostile: readonly [string, string | Uint8Array, Record<string, string>][] = [
    ['nested a hundred thousand deep', '['.repeat(100_000), JSON_TYPE],
    ['nested and closed', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`, JSON_TYPE],
    ['with __proto__', '{"__proto__":{"username":"x","password":"longenough"}}', JSON_TYPE],
    ['with constructor.prototype', '{"constructor":{"prototype":{"username":"x"}}}', JSON_TYPE],
    ['with objects for strings', '{"username":{"$gt":""},"password":{"$gt":""}}', JSON_TYPE],
    ['with lists for strings', '{"username":["a"],"password":["b"]}', JSON_TYPE],
    ['with numbers for strings', '{"username":1,"password":2}', JSON_TYPE],
    ['with null', '{"username":null,"password":null}', JSON_TYPE],
    ['that is no object', '"text"', JSON_TYPE],
    ['with broken UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), JSON_TYPE],
    ['with a huge number', '{"username":1e999999,"password":"x"}', JSON_TYPE],
    [
      'that is XML',
      '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
      { 'content-type': 'application/xml' },
    ],
    [
      'that claims to be compressed',
      new Uint8Array([0x1f, 0x8b, 0, 0]),
      { ...JSON_TYPE, 'content-encoding': 'gzip' },
    ],
    ['as a form without a boundary', 'x', { 'content-type': 'multipart/form-data' }],
    [
      'as a form that never ends',
      '--b\r\nContent-Disposition: form-data; name="username"\r\n\r\nx',
      { 'content-type': 'multipart/form-data; boundary=b' },
    ],
    [
      'as a form with thousands of fields',
      Array.from({ length: 5000 }, (_, i) => `f${i}=1`).join('&'),
      { 'content-type': 'application/x-www-form-urlencoded' },
    ],
    [
      'as a form with thousands of parts [multer CVE-2025-47944]',
      `${Array.from({ length: 5000 }, (_, i) => `--b\r\nContent-Disposition: form-data; name="f${i}"\r\n\r\n1\r\n`).join('')}--b--\r\n`,
      { 'content-type': 'multipart/form-data; boundary=b' },
    ],
    [
      'as a form with a nameless part',
      '--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--\r\n',
      { 'content-type': 'multipart/form-data; boundary=b' },
    ],
  ]
  test.each(hostile)('%s are 4xx', async (_name, raw, headers) => {
    await expect4xx(path, raw, headers)
    await expectHealthy()
  })

  test('of 100 MiB are refused before they are read', async () => {
    const { host } = new URL(baseUrl())
    const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n`
    const { said } = await exchange(head + '{'.repeat(2_000_000), 5000)
    expect(statusesIn(said)[0]).toBe(413)
  })

  test('errors echo neither passwords nor tokens', async () => {
    const { token } = await Person.signUp()
    const secret = `secret-${crypto.randomUUID()}`
    const answers = [
      await call('POST', path, { json: { username: 5, password: secret } }),
      await call('POST', path, { json: { password: secret } }),
      await call('POST', '/api/v1/channels/create/', { token, placement: 'body', json: { channel_name: 7 } }),
      await call('POST', '/api/v1/users/signin', { query: { username: 'x', password: secret }, json: {} }),
    ]
    for (const { text } of answers) {
      expect(text).not.toContain(secret)
      expect(text).not.toContain(token)
    }
  })
})

describe('requests (CWE-444)', () => {
  const host = () => new URL(baseUrl()).host
  test('that two servers would read differently are refused', async () => {
    const body = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
    for (const headers of [
      `Content-Length: ${body.length}\r\nTransfer-Encoding: chunked`,
      'Content-Length: 1\r\nContent-Length: 2',
      'Transfer-Encoding: chunked, identity',
      'Transfer-Encoding:\vchunked',
      'Content-Length: +5',
    ]) {
      const { said } = await exchange(
        `POST /api/v1/users/signup HTTP/1.1\r\nHost: ${host()}\r\n${headers}\r\n\r\n${body}`,
        3000,
      )
      expect(statusesIn(said).length, said.slice(0, 200)).toBeLessThanOrEqual(1)
      for (const status of statusesIn(said)) expect(status).toBeGreaterThanOrEqual(400)
    }
  })

  test('with a megabyte of headers, or a very long address, are refused', async () => {
    const { said } = await exchange(
      `GET /api/v1/info HTTP/1.1\r\nHost: ${host()}\r\nX-Big: ${'x'.repeat(1_000_000)}\r\n\r\n`,
    )
    expect(statusesIn(said)[0]).toBe(431)
    const long = await call('GET', `/api/v1/channels/${'x'.repeat(5000)}/load_messages`)
    expect([401, 404, 414, 431]).toContain(long.status)
    await expectHealthy()
  })

  test('cannot change their method by a header', async () => {
    const person = await Person.signUp()
    for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
      const { status } = await person.call('GET', '/api/v1/channels/create/', { headers: { [name]: 'POST' } })
      expect(status).toBe(405)
    }
  })

  test('with another Host do not get it into links or tokens', async () => {
    const evil = 'evil.example'
    const username = `host-${crypto.randomUUID().slice(0, 8)}`
    const body = JSON.stringify({ username, password: crypto.randomUUID() })
    const { said } = await exchange(
      `POST /api/v1/users/signup HTTP/1.1\r\nHost: ${evil}\r\nX-Forwarded-Host: ${evil}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    )
    expect(said).not.toContain(evil)
    const token = /"auth_token":"([^"]+)"/.exec(said)?.[1]
    if (token !== undefined)
      expect(Buffer.from(token.split('.')[1]!, 'base64url').toString()).not.toContain(evil)
  })

  test('never allow other origins to send cookies', async () => {
    const { headers } = await call('OPTIONS', '/api/v1/users/list', {
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
    })
    expect(headers.get('access-control-allow-credentials')).toBeNull()
  })

  test('whose headers come a byte at a time do not keep others out (slow loris)', async () => {
    const { dial } = await import('../support/raw.ts')
    const sockets = Array.from({ length: 200 }, dial)
    const timer = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write('X')
    }, 100)
    try {
      for (let round = 0; round < 5; round++) {
        await expectHealthy()
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    } finally {
      clearInterval(timer)
      for (const socket of sockets) socket.destroy()
    }
  })
})

describe('text (CWE-89, CWE-1333, CWE-79)', () => {
  test('in SQL, in the syntax of a search, or with broken Unicode is data', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    const texts = [
      `'; drop table message; --`,
      `" OR "" = "`,
      `\\'; select 1`,
      `{{7*7}}`,
      `%00%ff`,
      `a\u202eb`,
      '\ud83d',
    ]
    for (const text of texts) await owner.send(channel, text)
    const stored = await owner.load(channel)
    expect(stored).toHaveLength(texts.length)
    expect(stored.slice(0, 6)).toEqual(texts.slice(0, 6))
    for (const q of ['"', '* OR *', 'NEAR(a b)', 'a AND', 'col:x', "'--", '(', '-x', 'a'.repeat(256)]) {
      const { status, text } = await owner.call('GET', `/api/v1/channels/${channel}/search`, { query: { q } })
      expect(status, `${q}: ${text.slice(0, 200)}`).toBeLessThan(500)
    }
  })

  test('that makes patterns slow does not', async () => {
    const person = await Person.signUp()
    const evil = [
      `@${'a.'.repeat(20_000)}`,
      '<'.repeat(40_000),
      `http://${'a'.repeat(40_000)}`,
      ' '.repeat(40_000) + 'x',
    ]
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    for (const message of evil) {
      const started = performance.now()
      await person.call('POST', `/api/v1/channels/${channel}/send_message`, { form: { message } })
      expect(performance.now() - started).toBeLessThan(1500)
    }
  })

  test('of names keeps script as text, and errors are JSON, never HTML [Zulip CVE-2026-24050]', async () => {
    const owner = await Person.owner()
    const name = `<img src=x onerror=alert(1)>${crypto.randomUUID().slice(0, 8)}`
    const { status, headers } = await owner.call('POST', '/api/v1/channels/create/', {
      json: { channel_name: name },
    })
    expect([200, 422]).toContain(status)
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    const wrong = await call('GET', '/<script>alert(1)</script>')
    expect(wrong.headers.get('content-type')).toMatch(/^application\/json/)
    expect(wrong.headers.get('x-content-type-options')).toBe('nosniff')
  })
})
