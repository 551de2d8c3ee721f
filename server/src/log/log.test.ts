import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLog, type Log, type LogOptions } from './log.ts'
import { redactLine, redactText } from './redact.ts'

const JWT = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl'

function capture(options: Partial<LogOptions> = {}): {
  log: Log
  lines: string[]
  last: () => Record<string, unknown>
} {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line), ...options.destination }
  const log = createLog({ level: 'trace', format: 'json', ...options, destination })
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') }
}

describe('text', () => {
  test.each([
    [`GET /ws?auth_token=hunter2&page=2`, 'GET /ws?auth_token=[redacted]&page=2'],
    ['refresh_token=hunter2', 'refresh_token=[redacted]'],
    ['a=b&password=hunter2%21', 'a=b&password=[redacted]'],
    ["password=it's-hunter2&x=1", 'password=[redacted]&x=1'],
    ['password=hun\\ter2 next', 'password=[redacted] next'],
    ['?resume=hunter2 HTTP/1.1', '?resume=[redacted] HTTP/1.1'],
    ['join_token=hunter2\ntoken=hunter2', 'join_token=[redacted]\ntoken=[redacted]'],
    ['next=%2Fws%3Fauth_token%3Dhunter2', 'next=%2Fws%3Fauth_token%3D[redacted]'],
    ['PASSWORD = hunter2', 'PASSWORD = [redacted]'],
    ['token = "hunter2"', 'token = "[redacted]"'],
    ['Authorization: Basic aHVudGVyMg==', 'Authorization: [redacted]'],
    ['cookie: a=hunter2; b=hunter2\nhost: x', 'cookie: [redacted]\nhost: x'],
    ['bearer hunter2, more', 'bearer [redacted], more'],
    [`x\n${JWT}\ny`, 'x\n[redacted]\ny'],
    [`(${JWT})`, '([redacted])'],
    ['postgres://ann:hunter2@db/chat', 'postgres://[redacted]@db/chat'],
    ['redis://:hun@ter2@db', 'redis://[redacted]@db'],
    ['{"password":"hunter2","a":1}', '{"password":"[redacted]","a":1}'],
    ['{"new_password" : "hun\\"ter2"}', '{"new_password" : "[redacted]"}'],
    ['{"password":"hunter2\\\\"}', '{"password":"[redacted]"}'],
    ['{"joinToken":4711,"b":[]}', '{"joinToken":"[redacted]","b":[]}'],
    ['{"set-cookie":["hunter2","hunter2"],"b":1}', '{"set-cookie":["[redacted]"],"b":1}'],
    [
      JSON.stringify({ body: '{"password":"hun\\"ter2"}' }),
      JSON.stringify({ body: '{"password":"[redacted]"}' }),
    ],
    ["{ password: 'hunter2', a: 1 }", "{ password: '[redacted]', a: 1 }"],
    ["{ 'shared_secret': 'hunter2' }", "{ 'shared_secret': '[redacted]' }"],
  ])('%j loses its secret', (text, expected) => {
    expect(redactText(text)).toBe(expected)
    expect(redactText(expected)).toBe(expected)
  })

  test.each([
    'invalid token: signature mismatch',
    'the password is too short',
    'tokens=5 token_count=3',
    'https://example.org/@ann?x=a@b.c',
    '{"token":null,"password":true}',
    '{"secret":{"id":1}}',
    'eyJ is how it starts',
    'eyJhbGci.json',
    '',
  ])('%j is left alone', (text) => {
    expect(redactText(text)).toBe(text)
  })

  test('any text stays text, and redacting twice changes nothing more', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'token',
        'password',
        'cookie',
        'authorization',
        ':',
        '=',
        '"',
        "'",
        '\\',
        '[',
        ',',
        ']',
        '://',
        '@',
      ),
      fc.constantFrom('token":["', 'token":"', '","', 'token\\":[\\"', "token='", 'token="', 'token":'),
      fc.constantFrom('\n', ' ', 'eyJ', '.', 'bearer ', '%3D', '7', '{', '}', '\u2028', '\ud800'),
      fc.string({ maxLength: 3 }),
    )
    const text = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''))
    fc.assert(
      fc.property(text, text, (a, b) => {
        const line = JSON.stringify({
          [a]: b,
          list: [b, a],
          deep: JSON.stringify({ [b]: a, x: JSON.stringify({ [a]: b }) }),
        })
        expect(() => JSON.parse(redactLine(line))).not.toThrow()
        expect(redactLine(redactLine(line))).toBe(redactLine(line))
        expect(() => redactText(`${a}${b}`)).not.toThrow()
      }),
      { numRuns: 1500 },
    )
  })

  test('a secret in JSON is found however deep the JSON is nested in strings', () => {
    const secret = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).map((text) => `#${text}#`)
    const name = fc.constantFrom('password', 'auth_token', 'refreshToken', 'shared_secret')
    fc.assert(
      fc.property(secret, name, fc.nat(3), (value, key, levels) => {
        let line = JSON.stringify({ before: 1, [key]: value, after: 'kept' })
        for (let level = 0; level < levels; level++) line = JSON.stringify({ body: line, after: 'kept' })
        let shown = JSON.parse(redactLine(line))
        for (let level = 0; level < levels; level++) {
          expect(shown.after).toBe('kept')
          shown = JSON.parse(shown.body)
        }
        expect(shown).toEqual({ before: 1, [key]: '[redacted]', after: 'kept' })
      }),
      { numRuns: 300 },
    )
  })

  test.each([
    'eyJ',
    'eyJ.',
    'eyJ-',
    '://',
    '://a',
    'bearer ',
    'token',
    'token"',
    'token=',
    'token:',
    '"token":"',
    '\\"token\\":\\"',
    '"token":["',
    '"token":["a",',
    'token=\\\\',
    "token='",
    'token\\',
    '\\',
    '"',
    ' ',
    'a',
  ])('a long run of %j takes linear time', (piece) => {
    const text = piece.repeat(Math.ceil(1_000_000 / piece.length))
    const started = performance.now()
    redactText(`token ${text}`)
    redactLine(`"token ${text}`)
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})

describe('a log', () => {
  test('writes JSON with a label, an ISO time, the message and nothing about the machine', () => {
    const { log, last } = capture()
    log.info({ channelId: 'c1' }, 'channel created')
    expect(last()).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      channelId: 'c1',
      msg: 'channel created',
    })
  })

  test('leaves out what is below its level', () => {
    const { log, lines } = capture({ level: 'warn' })
    log.info('no')
    log.warn('yes')
    expect(lines).toHaveLength(1)
    const silent = capture({ level: 'silent' })
    silent.log.fatal('no')
    expect(silent.lines).toEqual([])
  })

  test('writes at once and readably when pretty', () => {
    const { log, lines } = capture({ format: 'pretty' })
    log.warn({ channelId: 'c1', auth_token: 'hunter2' }, 'slow query')
    expect(lines.join('')).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: slow query\n +channelId: "c1"/)
    expect(lines.join('')).not.toContain('hunter2')
  })

  test('is pretty by itself on a terminal only', () => {
    const lines: string[] = []
    const write = (line: string): void => void lines.push(line)
    createLog({ level: 'info', format: 'auto', destination: { write, isTTY: true } }).info('hello')
    createLog({ level: 'info', format: 'auto', destination: { write } }).info('hello')
    expect(lines[0]).toContain('INFO')
    expect(lines[1]).toMatch(/^\{"level":"info"/)
  })

  const leaks: [string, (log: Log) => void][] = [
    ['in the message', (log) => log.info('GET /x?auth_token=hunter2')],
    ['among the arguments', (log) => log.info('url %s', 'wss://x/ws?token=hunter2')],
    ['in an object argument', (log) => log.info('body %j', { password: 'hunter2' })],
    ['in a string value', (log) => log.info({ url: '/x?refresh_token=hunter2' }, 'x')],
    ['under a secret key', (log) => log.info({ password: 'hunter2' })],
    ['two levels down', (log) => log.info({ body: { old_password: 'hunter2' } })],
    ['three levels down', (log) => log.info({ req: { headers: { authorization: 'hunter2' } } })],
    ['as an object under a secret key', (log) => log.info({ cookie: { id: 'hunter2' } })],
    ['far down', (log) => log.info({ a: { b: { c: { d: { shared_secret: 'hunter2' } } } } })],
    ['in a list', (log) => log.info({ items: [{ session_token: 'hunter2' }] })],
    ['in an error', (log) => log.error(new Error('cannot reach postgres://u:hunter2@db/x'))],
    [
      'in the cause of an error',
      (log) => log.error({ err: new Error('x', { cause: new Error('password=hunter2') }) }),
    ],
    [
      'in the code of an error',
      (log) => log.error(Object.assign(new Error('x'), { code: '?token=hunter2' })),
    ],
    ['in an error under another name', (log) => log.error({ problem: { message: 'Bearer hunter2' } })],
    ['in a child', (log) => log.child({ url: '/?join_token=hunter2' }).info('x')],
    ['under a secret key of a child', (log) => log.child({ challenge_signature: 'hunter2' }).info('x')],
    [
      'in a child with serializers of its own',
      (log) => log.child({}, { serializers: { req: () => ({ url: '/?resume=hunter2' }) } }).info({ req: {} }),
    ],
    ['in a name', (log) => log.info({ '?token=hunter2': 1 })],
  ]
  test.each(leaks)('does not let a secret through %s', (_, leak) => {
    for (const format of ['json', 'pretty'] as const) {
      const { log, lines } = capture({ format })
      leak(log)
      expect(lines.join('')).not.toContain('hunter2')
      expect(lines.join('')).toContain('[redacted]')
    }
  })

  test('masks a copy, not the object that was logged, and tells when there was nothing', () => {
    const { log, last } = capture()
    const fields = {
      body: { password: { a: 1 }, keep: 1 },
      headers: { authorization: undefined, cookie: null },
    }
    log.info(fields)
    expect(last()).toMatchObject({ body: { password: '[redacted]', keep: 1 }, headers: { cookie: null } })
    expect(fields.body.password).toEqual({ a: 1 })
  })

  test('shows an error with its type, message and stack', () => {
    const { log, last } = capture()
    log.error(new TypeError('outer', { cause: new Error('inner') }), 'failed')
    expect(last()).toMatchObject({
      msg: 'failed',
      err: {
        type: 'TypeError',
        message: 'outer: inner',
        stack: expect.stringContaining('caused by: Error: inner'),
      },
    })
  })
})

test('what libraries hang on an error is left out, its codes are not', () => {
  const { log, lines } = capture({ format: 'json' })
  log.error(
    { err: Object.assign(new Error('x'), { code: '57P01', client: { password: 'swordfish' } }) },
    'gone',
  )
  expect(lines.join('')).toContain('57P01')
  expect(lines.join('')).not.toContain('swordfish')
})
