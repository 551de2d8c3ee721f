import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { FlattenedSign, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose'
import { expect, test } from 'vitest'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'

interface Parts {
  readonly header: Record<string, unknown>
  readonly claims: JWTPayload & Record<string, unknown>
}

/** Header and claims of a token of the server's. */
function partsOf(token: string): Parts {
  const [header, claims] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString())
  return { header: JSON.parse(header!) as Parts['header'], claims: JSON.parse(claims!) as Parts['claims'] }
}

function encode(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

/** Signs anything with the server's own key, as nobody else can: what is refused then is refused for its content. */
function signedByServer(server: TestServer, header: unknown, claims: unknown): string {
  const input = `${encode(header)}.${encode(claims)}`
  const { key } = server.ctx.keyring.signing()
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`
}

/** The status that a token gets, in the header or, where it cannot stand there, in the body. */
async function statusOf(server: TestServer, token: string): Promise<number> {
  server.secrets.add(token)
  const answer = await request(server, 'POST', '/api/v1/users/profile', { json: { auth_token: token } })
  if (answer.status !== 401) return answer.status
  expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  expect(answer.body.detail).toMatch(/^(The token (is not valid|has expired)|The session has ended)$/)
  if (/^[\x21-\x7e]{1,8000}$/.test(token)) {
    expect((await request(server, 'GET', '/api/v1/users/list', { token })).status).toBe(401)
  }
  return 401
}

test('what the helper signs is accepted when nothing is wrong with it', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  const { header, claims } = partsOf(token)
  expect(await statusOf(server, signedByServer(server, header, { ...claims, jti: 'another' }))).toBe(200)
})

test('a token without a signature, or with one of another algorithm, is refused', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  const { header, claims } = partsOf(token)
  const [encodedHeader, encodedClaims, signature] = token.split('.')
  const jwks = await request(server, 'GET', '/.well-known/jwks.json')
  const [publicKey] = jwks.body.keys
  const rawPublicKey = Buffer.from(publicKey.x, 'base64url')
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const hmac = (key: Uint8Array) =>
    new SignJWT(claims).setProtectedHeader({ ...header, alg: 'HS256' }).sign(key)
  const attacks: Record<string, string> = {
    'alg none, as a library makes it': new UnsecuredJWT(claims).encode(),
    'alg none with the rest of the header': `${encode({ ...header, alg: 'none' })}.${encodedClaims}.`,
    'alg None with the old signature': `${encode({ ...header, alg: 'None' })}.${encodedClaims}.${signature}`,
    'no alg': `${encode({ typ: 'JWT', kid: header['kid'] })}.${encodedClaims}.${signature}`,
    'no signature': `${encodedHeader}.${encodedClaims}.`,
    'no last part': `${encodedHeader}.${encodedClaims}`,
    'HS256 with the public key': await hmac(rawPublicKey),
    'HS256 with the public key as JSON': await hmac(Buffer.from(JSON.stringify(publicKey))),
    'HS256 with its text': await hmac(Buffer.from(publicKey.x)),
    'HS256 with the key id': await hmac(Buffer.from(publicKey.kid)),
    'HS256 with the default secret of another server': await hmac(
      Buffer.from('change-me-please-change-me-please'),
    ),
    RS256: await new SignJWT(claims).setProtectedHeader({ ...header, alg: 'RS256' }).sign(rsa),
    ES256: await new SignJWT(claims).setProtectedHeader({ ...header, alg: 'ES256' }).sign(ec),
    'the same algorithm under another name': signedByServer(server, { ...header, alg: 'Ed25519' }, claims),
    'another case': signedByServer(server, { ...header, alg: 'eddsa' }, claims),
  }
  for (const [name, attack] of Object.entries(attacks)) expect(await statusOf(server, attack), name).toBe(401)
})

test('a token that somebody else signed is refused, whichever key it names', async () => {
  await using server = await startServer()
  await using other = await startServer()
  const { token } = await server.person('ann')
  const { token: foreign } = await other.person('ann')
  const { header, claims } = partsOf(token)
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const own = (extra: object, drop: string[] = []) => {
    const changed = Object.fromEntries(
      Object.entries({ ...header, ...extra }).filter(([key]) => !drop.includes(key)),
    )
    return new SignJWT(claims).setProtectedHeader(changed as { alg: string }).sign(privateKey)
  }
  const allZero = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32)]),
    format: 'der',
    type: 'pkcs8',
  })
  const attacks: Record<string, string> = {
    'another key under the name of the server’s': await own({}),
    'another key without a name': await own({}, ['kid']),
    'another key under an unknown name': await own({ kid: crypto.randomUUID() }),
    'an empty name': await own({ kid: '' }),
    'a path for a name': await own({ kid: '../../../../dev/null' }),
    'SQL for a name': await own({ kid: "' union select 'x" }),
    'a prototype for a name': await own({ kid: '__proto__' }),
    'a key that comes along': await own({ jwk: publicKey.export({ format: 'jwk' }) }),
    'a key somewhere else': await own({ jku: 'http://127.0.0.1:9/jwks.json', x5u: 'http://127.0.0.1:9/' }),
    'a key that everybody knows': await new SignJWT(claims)
      .setProtectedHeader(header as { alg: string })
      .sign(allZero),
    'the key of another server': foreign,
  }
  // The names of other keys of the server, which are not for signing.
  for (const purpose of ['message', 'refresh_token'] as const) {
    attacks[`the name of the ${purpose} key`] = await own({ kid: server.ctx.keyring.current(purpose).kid })
    attacks[`the name of the ${purpose} key, signed by the server`] = signedByServer(
      server,
      { ...header, kid: server.ctx.keyring.current(purpose).kid },
      claims,
    )
  }
  const { kid: _kid, ...noKid } = header
  attacks['no key named, signed by the server'] = signedByServer(server, noKid, claims)
  attacks['a number for a name'] = signedByServer(server, { ...header, kid: 1 }, claims)
  for (const [name, attack] of Object.entries(attacks)) expect(await statusOf(server, attack), name).toBe(401)
})

test('a header that asks for something unknown is refused', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  const { header, claims } = partsOf(token)
  for (const changed of [
    { ...header, crit: ['exp'], exp: 9_999_999_999 },
    { ...header, crit: ['unknown'], unknown: true },
    { ...header, crit: [] },
    { ...header, crit: 'x' },
    { ...header, crit: ['b64'], b64: false },
    { ...header, typ: 'at+jwt' },
    { ...header, typ: undefined },
    { ...header, typ: 1 },
    { ...header, cty: 'JWT', typ: 'JWE' },
    [],
    'text',
    null,
  ]) {
    expect(await statusOf(server, signedByServer(server, changed, claims)), JSON.stringify(changed)).toBe(401)
  }
})

test('a token for another server is refused', async () => {
  await using server = await startServer({ env: { PUBLIC_ORIGIN: 'https://chat.example:8443' } })
  const { token } = await server.person('ann')
  const { header, claims } = partsOf(token)
  expect(claims).toMatchObject({ iss: 'chat.example:8443', origin_server: 'chat.example:8443' })
  for (const changed of [
    { iss: 'evil.example' },
    { iss: ['chat.example:8443'] },
    { iss: 'https://chat.example:8443' },
    { iss: undefined },
    { origin_server: 'evil.example' },
    { origin_server: 'chat.example' },
    { origin_server: 'CHAT.EXAMPLE:8443' },
    { origin_server: ['chat.example:8443'] },
    { origin_server: undefined },
  ]) {
    const attack = signedByServer(server, header, { ...claims, ...changed })
    expect(await statusOf(server, attack), JSON.stringify(changed)).toBe(401)
  }
})

test('tokens end when the server gets another name, and come back with it', async () => {
  await using place = await newPlace()
  const start = (origin: string) => startServer({ place, env: { PUBLIC_ORIGIN: origin } })
  const first = await start('https://a.example')
  const { token } = await first.person('ann')
  await first.stop()
  const renamed = await start('https://b.example')
  expect(await statusOf(renamed, token)).toBe(401)
  await renamed.stop()
  await using back = await start('https://a.example')
  expect(await statusOf(back, token)).toBe(200)
})

test('no header of a request changes which server a token is for', async () => {
  await using server = await startServer({ env: { TRUSTED_PROXIES: '127.0.0.1' } })
  const ann = await server.person('ann')
  const { body } = await request(server, 'POST', '/api/v1/users/signin', {
    json: { username: 'ann', password: ann.password },
    headers: {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-original-host': 'evil.example',
      forwarded: 'host=evil.example',
      origin: 'https://evil.example',
    },
  })
  const host = new URL(server.url).host
  expect(partsOf(body.auth_token).claims).toMatchObject({ iss: host, origin_server: host })
})

test('a token counts from its time to its time', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const { token } = await server.person('ann')
  const { header, claims } = partsOf(token)
  const now = claims.iat!
  for (const changed of [
    { exp: now - 1 },
    { exp: now - 3600 },
    { exp: 0 },
    { exp: -1 },
    { exp: `${now + 600}` },
    { exp: null },
    { iat: now + 60, exp: now + 600 },
    { iat: now + 3600, exp: now + 4500 },
    { iat: now - 1000, exp: now + 600 },
    { iat: 0, exp: 9_999_999_999 },
    { iat: `${now}` },
    { nbf: now + 60 },
  ]) {
    const attack = signedByServer(server, header, { ...claims, ...changed })
    expect(await statusOf(server, attack), JSON.stringify(changed)).toBe(401)
  }
  clock.offset = 890_000
  expect(await statusOf(server, token)).toBe(200)
  clock.offset = 900_000
  const expired = await request(server, 'GET', '/api/v1/users/list', { token })
  expect(expired.status).toBe(401)
  expect(expired.body).toEqual({ detail: 'The token has expired' })
  clock.offset = 901_000 // within what clocks of two machines may differ by
  expect(await statusOf(server, token)).toBe(401)
  clock.offset = -3600_000
  expect(await statusOf(server, signedByServer(server, header, { ...claims, jti: 'not seen yet' }))).toBe(401)
})

test('a token that a process has not seen before is refused as soon as it has expired', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const { token } = await server.person('ann')
  clock.offset = 901_000
  expect(await statusOf(server, token)).toBe(401)
})

test('a token that lacks a claim, or names no session of the server, is refused', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  const { header, claims } = partsOf(ann!.token)
  for (const name of ['sub', 'sid', 'iss', 'iat', 'exp', 'jti', 'origin_server']) {
    const { [name]: _dropped, ...rest } = claims
    expect(await statusOf(server, signedByServer(server, header, rest)), `without ${name}`).toBe(401)
  }
  for (const changed of [
    { sub: 1 },
    { sub: null },
    { sid: 1 },
    { sid: [claims['sid']] },
    { sid: crypto.randomUUID() },
    { sid: 'a\0b' },
    { sid: '\ud800' },
    { sid: '' },
    { sid: 'x'.repeat(2000) },
    { sid: String(claims['sid']).toUpperCase() },
  ]) {
    const attack = signedByServer(server, header, { ...claims, ...changed })
    expect(await statusOf(server, attack), JSON.stringify(changed).slice(0, 60)).toBe(401)
  }
  for (const payload of ['[]', '"text"', 'null', 'not json', '']) {
    expect(await statusOf(server, signedByServer(server, header, payload)), payload).toBe(401)
  }
  // One person's session under another's name.
  const mixed = signedByServer(server, header, { ...claims, sub: bob!.id })
  expect(await statusOf(server, mixed)).toBe(401)
})

test('a token that was tampered with is refused', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  const [header, claims, signature] = token.split('.') as [string, string, string]
  const { claims: decoded } = partsOf(token)
  const broken = Buffer.from(signature, 'base64url')
  broken[0]! ^= 1
  const jws = await new FlattenedSign(Buffer.from(JSON.stringify(decoded)))
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: server.ctx.keyring.signing().kid })
    .sign(server.ctx.keyring.signing().key)
  const middle = Math.floor(signature.length / 2)
  const attacks: Record<string, string> = {
    'other claims': `${header}.${encode({ ...decoded, sub: crypto.randomUUID() })}.${signature}`,
    'the same claims in other bytes': `${header}.${encode(JSON.stringify(decoded, null, 1))}.${signature}`,
    'one bit of the signature': `${header}.${claims}.${broken.toString('base64url')}`,
    'half a signature': `${header}.${claims}.${signature.slice(0, middle)}`,
    'a signature of zeros': `${header}.${claims}.${Buffer.alloc(64).toString('base64url')}`,
    'parts in another order': `${claims}.${header}.${signature}`,
    'four parts': `${token}.${signature}`,
    'five parts': `${token}.x.y`,
    'an empty part in front': `.${token}`,
    'dots only': '..',
    'a space inside': `${header}.${claims}.${signature.slice(0, middle)} ${signature.slice(middle)}`,
    'a line end inside': `${header}.${claims}.${signature.slice(0, middle)}\n${signature.slice(middle)}`,
    'a tab before the signature': `${header}.${claims}.\t${signature}`,
    'a NUL at the end': `${token}\0`,
    padding: `${token}==`,
    'another alphabet': `${header}.${claims}.${signature.slice(0, -2)}+/`,
    'letters beyond ASCII': `${token.slice(0, -1)}é`,
    'half a pair': `${token}\ud800`,
    'a quoted token': `"${token}"`,
    'JSON serialisation, flattened': JSON.stringify(jws),
    'JSON serialisation, general': JSON.stringify({
      payload: jws.payload,
      signatures: [{ protected: jws.protected, signature: jws.signature }],
    }),
  }
  for (const [name, attack] of Object.entries(attacks)) expect(await statusOf(server, attack), name).toBe(401)
})

test('a giant token is refused without a look', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  const { header, claims } = partsOf(token)
  const giant = signedByServer(server, header, { ...claims, jti: 'x'.repeat(5000) })
  for (const attack of [giant, 'x'.repeat(4097), 'x.'.repeat(100_000), '.'.repeat(500_000)]) {
    server.secrets.add(attack)
    const { status } = await request(server, 'POST', '/api/v1/users/profile', {
      json: { auth_token: attack },
    })
    expect(status).toBe(401)
  }
})

test('other secrets and ids are no access tokens', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const { claims } = partsOf(ann.token)
  for (const attack of [ann.refreshToken, ann.password, ann.id, claims['sid'], claims.jti, 'ann']) {
    const { status } = await request(server, 'GET', '/api/v1/users/list', { token: String(attack) })
    expect(status).toBe(401)
  }
})

test('a socket is refused with the tokens that a request is refused with', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const ann = await server.person('ann')
  const { header, claims } = partsOf(ann.token)
  const refused = async (token: string): Promise<void> => {
    server.secrets.add(token)
    const person: Person = Object.assign(Object.create(Object.getPrototypeOf(ann) as object), ann, { token })
    await expect(person.connect()).rejects.toMatchObject({ status: 401 })
  }
  await refused(new UnsecuredJWT(claims).encode())
  await refused(signedByServer(server, { ...header, crit: ['x'], x: 1 }, claims))
  await refused(signedByServer(server, header, { ...claims, iss: 'evil.example' }))
  await refused(ann.refreshToken)
  await refused('x'.repeat(5000))
  await refused('')
  clock.offset = 900_000
  await refused(ann.token)
})
