import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { call, placements } from '../support/api.ts'
import { Person } from '../support/people.ts'
import { Refused, Socket } from '../support/socket.ts'

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))

async function statusOf(token: string): Promise<number[]> {
  const answers = await Promise.all(
    placements.map((placement) => call('POST', '/api/v1/users/profile', { token, placement })),
  )
  return answers.map(({ status }) => status)
}

describe('access tokens (CWE-347)', () => {
  test('forged in every usual way are refused [fast-jwt CVE-2026-34950, node-jws GHSA-869p-cjfg-cm3x]', async () => {
    const { token } = await Person.signUp()
    const [head, body, signature] = token.split('.') as [string, string, string]
    const [header, claims] = [decode(head), decode(body)]
    const jwks = (await call('GET', '/.well-known/jwks.json')).text
    const { privateKey } = generateKeyPairSync('ed25519')
    const hmac = (signed: string, key: string) => createHmac('sha256', key).update(signed).digest('base64url')
    const withHmac = (key: string) => {
      const signed = `${encode({ ...header, alg: 'HS256' })}.${body}`
      return `${signed}.${hmac(signed, key)}`
    }
    const resigned = (newHeader: object, newClaims: object) => {
      const signed = `${encode(newHeader)}.${encode(newClaims)}`
      return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`
    }
    const forged = [
      `${encode({ ...header, alg: 'none' })}.${body}.`,
      `${encode({ ...header, alg: 'None' })}.${body}.${signature}`,
      `${head}.${body}.`,
      `${head}.${encode({ ...claims, sub: crypto.randomUUID() })}.${signature}`,
      `${head}.${encode({ ...claims, exp: claims.exp + 1e6 })}.${signature}`,
      withHmac(''),
      withHmac('secret'),
      withHmac(jwks),
      resigned(header, claims),
      resigned({ ...header, kid: 'other' }, claims),
      resigned({ ...header, kid: '../../../../dev/null' }, claims),
      resigned({ ...header, jwk: { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' } }, claims),
      resigned({ ...header, jku: 'http://127.0.0.1:1/jwks.json' }, claims),
      resigned({ ...header, crit: ['exp'], exp: 1 }, claims),
      `${token} `.repeat(2),
      `${token}\n`,
      `${head}.${body}.${signature}.x`,
      `.${body}.${signature}`,
      'a.b.c',
      '....',
      'x'.repeat(10_000),
      `${encode({ ...header, typ: 'at+jwt' })}.${body}.${signature}`,
    ]
    for (const [index, one] of forged.entries()) {
      // White space at the end is trimmed by clients and servers alike, and proves nothing.
      if (one.trim() === token) continue
      const answer = await call('POST', '/api/v1/users/profile', { token: one, placement: 'body' })
      expect(answer.status, `forgery ${index}: ${answer.text.slice(0, 200)}`).toBe(401)
    }
    expect(await statusOf(token)).toEqual([200, 200, 200])
  })
})

describe('sessions (CWE-613)', () => {
  test('a replayed refresh token ends its family [RFC 9700 4.14]', async () => {
    const person = await Person.signUp()
    const refresh = (token: string) =>
      call('POST', '/api/v1/auth/refresh', { json: { refresh_token: token } })
    const first = await refresh(person.refreshToken)
    const second = await refresh(first.body.refresh_token)
    expect(second.status).toBe(200)
    expect((await refresh(person.refreshToken)).status).toBe(401)
    expect((await refresh(second.body.refresh_token)).status).toBe(401)
    expect(await statusOf(second.body.auth_token)).toEqual([401, 401, 401])
  })

  test('a race with one refresh token has at most one family', async () => {
    const person = await Person.signUp()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        call('POST', '/api/v1/auth/refresh', { json: { refresh_token: person.refreshToken } }),
      ),
    )
    const given = new Set(
      answers.filter(({ status }) => status === 200).map(({ body }) => body.refresh_token),
    )
    expect(given.size).toBeLessThanOrEqual(1)
  })

  test('a changed password, a reset and a revoke end tokens and open sockets [Mattermost CVE-2026-9162]', async () => {
    const ends: ((person: Person) => Promise<unknown>)[] = [
      async (person) => {
        const other = await Person.signIn(person.username, person.password)
        return other.call('PUT', '/api/v1/users/profile', {
          json: { new_password: 'another password', old_password: person.password },
        })
      },
      (person) =>
        person.call('POST', '/api/v1/users/profile/reset-auth-token', {
          json: { password: person.password },
        }),
      (person) => call('POST', '/api/v1/auth/revoke', { json: { refresh_token: person.refreshToken } }),
    ]
    for (const end of ends) {
      const person = await Person.signUp()
      using socket = await Socket.open(`/ws?auth_token=${person.token}`)
      await end(person)
      await socket.closed()
      expect(await statusOf(person.token)).toEqual([401, 401, 401])
      await expect(Socket.open(`/ws?auth_token=${person.token}`)).rejects.toBeInstanceOf(Refused)
      const refreshed = await call('POST', '/api/v1/auth/refresh', {
        json: { refresh_token: person.refreshToken },
      })
      expect(refreshed.status).toBe(401)
    }
  })

  test('answers of people are never for shared caches [Zulip Cloud 2021]', async () => {
    const person = await Person.signUp()
    for (const path of ['/api/v1/users/list', '/api/v1/channels/read-history']) {
      const { headers } = await person.call('GET', path)
      expect(headers.get('cache-control')).toMatch(/no-store|private/)
      expect(headers.get('referrer-policy')).toBe('no-referrer')
    }
  })
})

describe('accounts (CWE-204, CWE-307)', () => {
  test('unknown names and wrong passwords look alike, and take alike', async () => {
    const { username } = await Person.signUp()
    const tries = async (name: string): Promise<{ text: string; ms: number }> => {
      const times: number[] = []
      let text = ''
      for (let round = 0; round < 7; round++) {
        const started = performance.now()
        const answer = await call('POST', '/api/v1/users/signin', {
          json: { username: name, password: 'not this one' },
        })
        times.push(performance.now() - started)
        expect(answer.status).toBe(401)
        text = answer.text
      }
      return { text, ms: times.toSorted((a, b) => a - b)[3]! }
    }
    const [known, unknown] = [await tries(username), await tries(`nobody-${crypto.randomUUID()}`)]
    expect(unknown.text).toBe(known.text)
    expect(Math.max(known.ms, unknown.ms) / Math.min(known.ms, unknown.ms)).toBeLessThan(3)
  })

  test('names that look like a taken one are refused (UTS #39)', async () => {
    const suffix = crypto.randomUUID().slice(0, 8)
    const signUp = (username: string) =>
      call('POST', '/api/v1/users/signup', { json: { username, password: crypto.randomUUID() } })
    expect((await signUp(`paula${suffix}`)).status).toBe(201)
    const lookalikes = [
      `PAULA${suffix}`,
      `p\u0430ula${suffix}`,
      `paul\u0430${suffix}`,
      `paula\u200b${suffix}`,
      `ｐａｕｌａ${suffix}`,
    ]
    for (const name of lookalikes) expect([409, 422], name).toContain((await signUp(name)).status)
  })

  test('a very long password costs nothing', async () => {
    const { username } = await Person.signUp()
    const started = performance.now()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        call('POST', '/api/v1/users/signin', { json: { username, password: 'x'.repeat(900_000) } }),
      ),
    )
    for (const { status } of answers) expect([400, 401, 413, 422]).toContain(status)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})
