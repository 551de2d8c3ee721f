import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readClaim, signRequest, SignatureError, verifyClaim, type SignatureScheme } from './index.ts'
import { fieldsOf, type SignableMessage } from './message.ts'

const NOW = Date.parse('2026-11-24T12:00:00Z')
const BODY = Buffer.from('{"type":"Follow"}')
const TARGET = new URL('https://chat.example.org/ap/inbox?x=1')
const KEY_ID = 'https://peer.example/users/ann#main-key'
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ed25519 = generateKeyPairSync('ed25519')
const schemes = ['draft-cavage', 'rfc9421'] as const

type Fields = Record<string, string | string[]>

function message(fields: Fields, overrides: Partial<SignableMessage> = {}): SignableMessage {
  return {
    method: 'POST',
    target: TARGET,
    fields: new Map(
      Object.entries({ host: TARGET.host, ...fields }).map(([name, value]) => [name, [value].flat()]),
    ),
    ...overrides,
  }
}

function signed(scheme: SignatureScheme, key: KeyObject = rsa.privateKey, now = NOW): Record<string, string> {
  return signRequest({ method: 'POST', target: TARGET, body: BODY }, { keyId: KEY_ID, key, now, scheme })
}

function reasonOf(
  fields: Fields,
  overrides: Partial<SignableMessage> & { body?: Buffer; now?: number } = {},
): string {
  try {
    readClaim(message(fields, overrides), overrides.body ?? BODY, overrides.now ?? NOW)
    return 'accepted'
  } catch (error) {
    expect(error).toBeInstanceOf(SignatureError)
    return (error as Error).message
  }
}

describe.each(schemes)('%s', (scheme) => {
  test.each([
    ['RSA', rsa],
    ['Ed25519', ed25519],
  ])('what is signed with %s is a claim that its key, and no other, makes true', (_name, pair) => {
    const claim = readClaim(message(signed(scheme, pair.privateKey)), BODY, NOW)
    expect(claim).toMatchObject({ scheme, keyId: KEY_ID })
    expect(verifyClaim(claim, pair.publicKey)).toBe(true)
    for (const other of [rsa, ed25519, generateKeyPairSync('rsa', { modulusLength: 2048 })]) {
      expect(verifyClaim(claim, other.publicKey)).toBe(other === pair)
    }
    expect(verifyClaim(claim, generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)).toBe(false)
  })

  test('another body, method, path, query or host is another request', () => {
    const fields = signed(scheme)
    expect(reasonOf(fields, { body: Buffer.from('{"type":"follow"}') })).toMatch(/digest/)
    for (const change of [
      { method: 'PUT' },
      { target: new URL('https://chat.example.org/ap/outbox?x=1') },
      { target: new URL('https://chat.example.org/ap/inbox?x=2') },
    ]) {
      const claim = readClaim(message(fields, change), BODY, NOW)
      expect(verifyClaim(claim, rsa.publicKey)).toBe(false)
    }
    const elsewhere = { target: new URL('https://other.example/ap/inbox?x=1') }
    const claim = readClaim(message({ ...fields, host: 'other.example' }, elsewhere), BODY, NOW)
    expect(verifyClaim(claim, rsa.publicKey)).toBe(false)
  })

  test('the date must be within 15 minutes, to either side', () => {
    const minute = 60_000
    for (const [offset, accepted] of [
      [0, true],
      [14 * minute, true],
      [-14 * minute, true],
      [16 * minute, false],
      [-16 * minute, false],
      [24 * 60 * minute, false],
      [-24 * 60 * minute, false],
    ] as const) {
      expect([offset, reasonOf(signed(scheme), { now: NOW + offset }) === 'accepted']).toEqual([
        offset,
        accepted,
      ])
    }
  })

  test('a signature that is not one is refused, whatever is in its place', () => {
    const fields = signed(scheme)
    for (const [name, value] of Object.entries(fields)) {
      expect([name, reasonOf({ ...fields, [name]: '' })]).not.toEqual([name, 'accepted'])
      expect([name, reasonOf({ ...fields, [name]: [value, value] })]).not.toEqual([name, 'accepted'])
      const { [name]: _left, ...rest } = fields
      expect([name, reasonOf(rest)]).not.toEqual([name, 'accepted'])
    }
    expect(reasonOf({})).toBe('the request is not signed')
  })

  test('a request without a body can be signed too', () => {
    const fields = signRequest(
      { method: 'GET', target: TARGET },
      { keyId: KEY_ID, key: rsa.privateKey, now: NOW, scheme },
    )
    expect(Object.keys(fields)).not.toContain('digest')
    expect(Object.keys(fields)).not.toContain('content-digest')
  })
})

describe('draft-cavage', () => {
  const fields = signed('draft-cavage')
  const covering = (headers: string): Fields => ({
    ...fields,
    signature: fields['signature']!.replace(/headers="[^"]*"/, `headers="${headers}"`),
  })

  test.each([
    ['the target', 'host date digest', 'the signature does not cover (request-target)'],
    ['the host', '(request-target) date digest', 'the signature does not cover host'],
    ['the date', '(request-target) host digest', 'the signature does not cover a date'],
    ['the digest', '(request-target) host date', 'the signature does not cover digest'],
    ['a header once', '(request-target) host date digest host', 'the signature covers something twice'],
    ['what is there', '(request-target) host date digest x-a', 'the header x-a is missing'],
    [
      '(created) as it says',
      '(request-target) host (created) digest',
      'the date is more than 15 minutes off',
    ],
  ])('a signature that does not cover %s is refused', (_what, headers, reason) => {
    expect(reasonOf(covering(headers))).toBe(reason)
  })

  test('the list of headers may be missing in the standard, not here: it would be the date alone', () => {
    const signature = fields['signature']!.replace(/headers="[^"]*",/, '')
    expect(reasonOf({ ...fields, signature })).toMatch(/does not cover/)
  })

  test.each(['yesterday', '', '2026-13-45', '0', 'NaN'])('the date %j is no date', (date) => {
    expect(reasonOf({ ...fields, date })).toMatch(/date/)
  })

  test.each(['not base64!', 'AAA', '====', 'AA==AA=='])('the signature %j is not base64', (signature) => {
    const changed = fields['signature']!.replace(/signature="[^"]*"/, `signature="${signature}"`)
    expect(reasonOf({ ...fields, signature: changed })).toMatch(/not base64/)
  })

  test('the digest may name its algorithm in any case, and further ones; all that are known must match', () => {
    const value = fields['digest']!.slice('SHA-256='.length)
    const claim = (digest: string): string => reasonOf({ ...fields, digest })
    expect(claim(`sha-256=${value}`)).toBe('accepted')
    expect(claim(`SHA-256=${value},unixsum=3`)).toBe('accepted')
    expect(claim(`SHA-256=${value},SHA-512=AAAA`)).toMatch(/not the one/)
    expect(claim(`MD5=AAAA`)).toMatch(/no algorithm/)
    expect(claim('')).toMatch(/no algorithm/)
  })

  test('hs2019 lets the key tell the algorithm, and (created) and (expires) stand for the date', () => {
    const seconds = Math.floor(NOW / 1000)
    const signature = fields['signature']!.replace('rsa-sha256', 'hs2019').replace(
      /headers="[^"]*"/,
      `created=${seconds},headers="(request-target) host (created) digest"`,
    )
    const { date: _date, ...rest } = fields
    expect(reasonOf({ ...rest, signature })).toBe('accepted')
    const expired = signature.replace('created=', `expires=${seconds - 1},created=`)
    expect(reasonOf({ ...rest, signature: expired })).toBe('the signature has expired')
  })
})

describe('RFC 9421', () => {
  const fields = signed('rfc9421')
  const input = fields['signature-input']!
  const covering = (components: string, parameters?: string): Fields => ({
    ...fields,
    'signature-input': input.replace(/^sig1=\([^)]*\)/, `sig1=(${components})`) + (parameters ?? ''),
  })

  test.each([
    ['the digest', '"@method" "@target-uri"', 'the signature does not cover content-digest'],
    ['anything', '', 'the signature does not cover @method'],
    ['the method', '"@target-uri" "content-digest"', 'the signature does not cover @method'],
    [
      'the host',
      '"@method" "@path" "@query" "content-digest"',
      'the signature does not cover the whole target',
    ],
    [
      'the query',
      '"@method" "@authority" "@path" "content-digest"',
      'the signature does not cover the whole target',
    ],
    [
      'a component once',
      '"@method" "@method" "@target-uri" "content-digest"',
      'the signature covers something twice',
    ],
    [
      'what is there',
      '"@method" "@target-uri" "content-digest" "x-a"',
      'the signature covers x-a, which is not there',
    ],
    [
      'a component plainly',
      '"@method" "@target-uri" "content-digest";sf',
      'the signature covers a component in an unknown way',
    ],
    [
      'what is known',
      '"@method" "@target-uri" "content-digest" "@status"',
      'the signature covers @status, which is not there',
    ],
  ])('a signature that does not cover %s is refused', (_what, components, reason) => {
    expect(reasonOf(covering(components))).toBe(reason)
  })

  test('host and path, or host and request target, stand for the whole target', () => {
    expect(reasonOf(covering('"@method" "@authority" "@path" "@query" "content-digest"'))).toBe('accepted')
    expect(reasonOf(covering('"@method" "@authority" "@request-target" "content-digest"'))).toBe('accepted')
  })

  test('several signatures are none: it would be a matter of taste which one counts', () => {
    expect(reasonOf({ ...fields, 'signature-input': `${input}, ${input.replace('sig1', 'sig2')}` })).toMatch(
      /exactly one/,
    )
    expect(reasonOf({ ...fields, signature: `${fields['signature']}, sig2=:AAAA:` })).toMatch(/exactly one/)
    expect(reasonOf({ ...fields, signature: fields['signature']!.replace('sig1', 'sig2') })).toMatch(
      /malformed/,
    )
  })

  test('time and key must be said, the algorithm must be known', () => {
    expect(reasonOf(covering('"@method" "@target-uri" "content-digest"', ';expires=1'))).toMatch(/expired/)
    for (const [from, to, reason] of [
      [/;created=\d+/, '', /when it was made/],
      [/;created=\d+/, ';created="now"', /when it was made/],
      [/;keyid="[^"]*"/, '', /names no key/],
      [/;keyid="[^"]*"/, ';keyid=""', /names no key/],
      [/;alg="[^"]*"/, ';alg="none"', /unknown algorithm/],
      [/;alg="[^"]*"/, ';alg="hmac-sha256"', /unknown algorithm/],
    ] as const) {
      expect(reasonOf({ ...fields, 'signature-input': input.replace(from, to) })).toMatch(reason)
    }
  })

  test('an algorithm of another kind of key makes the claim false, it does not choose another check', () => {
    const changed = { ...fields, 'signature-input': input.replace(/;alg="[^"]*"/, ';alg="ed25519"') }
    expect(verifyClaim(readClaim(message(changed), BODY, NOW), rsa.publicKey)).toBe(false)
  })
})

test('lines of the same name are kept apart, whatever their case', () => {
  expect(fieldsOf(['Host', 'a', 'Date', 'b', 'date', 'c', 'X-A', ''])).toEqual(
    new Map([
      ['host', ['a']],
      ['date', ['b', 'c']],
      ['x-a', ['']],
    ]),
  )
})

test('10 000 broken headers are refused one like the other, each at once', () => {
  const valid = schemes.map((scheme) => signed(scheme))
  const junk = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: 'grapheme-ascii', maxLength: 300 }),
    fc.constantFrom(
      '"'.repeat(5000),
      '('.repeat(8000),
      'sig1=('.repeat(1000),
      'a="b",'.repeat(1300),
      '\\'.repeat(999),
    ),
    fc.constantFrom(
      'sig1=:',
      'sig1=()',
      '*=1',
      'sig1=1;;',
      'keyId="',
      'sig1=("@query-param";name="%")',
      `sig1=${'("a");a'.repeat(900)}`,
    ),
  )
  const names = ['signature', 'signature-input', 'date', 'digest', 'content-digest', 'host']
  const times: number[] = []
  fc.assert(
    fc.property(
      fc.constantFrom(...valid),
      fc.array(fc.tuple(fc.constantFrom(...names), junk, fc.nat(200), fc.boolean()), {
        minLength: 1,
        maxLength: 3,
      }),
      (original, changes) => {
        const fields: Record<string, string> = { ...original }
        for (const [name, text, at, replaces] of changes) {
          const before = fields[name] ?? ''
          fields[name] = replaces ? text : before.slice(0, at) + text + before.slice(at)
        }
        const start = performance.now()
        const reason = reasonOf(fields)
        times.push(performance.now() - start)
        if (reason === 'accepted') {
          // Only what a signature does not say may be broken without notice: then the key has to decide.
          expect(readClaim(message(fields), BODY, NOW).signature.length).toBeGreaterThan(0)
        }
      },
    ),
    { numRuns: 10_000 },
  )
  // Not the slowest of all: the machine may do something else for a moment.
  expect(times.toSorted((a, b) => a - b)[9900]).toBeLessThan(50)
})

test('a claim with random bytes for a signature is false for every key, and throws for none', () => {
  const [claim] = [readClaim(message(signed('rfc9421')), BODY, NOW)]
  for (const length of [1, 63, 64, 65, 255, 256, 257, 2000]) {
    for (const key of [rsa.publicKey, ed25519.publicKey]) {
      expect(verifyClaim({ ...claim, algorithm: undefined, signature: randomBytes(length) }, key)).toBe(false)
    }
  }
})
