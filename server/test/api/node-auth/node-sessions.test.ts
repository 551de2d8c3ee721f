import { createHash, createHmac, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { request, type Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

const BASE = '/api/v1/auth/decentralized'
const HOUR = 3600 * 1000

/** A node with a key of its own. */
function newNode(id = 'phone') {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  return { id, privateKey, pem, raw }
}
type Node = ReturnType<typeof newNode>
const signed = (key: KeyObject, nonce: string): Buffer => sign(null, Buffer.from(nonce), key)

async function challenge(person: Person, node: Node, more: object = {}) {
  const { status, body } = await person.post(`${BASE}/challenge`, { node_id: node.id, ...more })
  expect(status, JSON.stringify(body)).toBe(200)
  person.server.secrets.add(body.challenge_nonce)
  return body as { challenge_id: string; challenge_nonce: string; expires_at: string; audience: string }
}

function verify(server: TestServer, fields: object, token?: string): Promise<Answer> {
  return request(server, 'POST', `${BASE}/verify`, { json: fields, ...(token !== undefined && { token }) })
}

function answerOf(
  node: Node,
  { challenge_id, challenge_nonce }: { challenge_id: string; challenge_nonce: string },
) {
  return {
    challenge_id,
    node_public_key: node.pem,
    challenge_signature: signed(node.privateKey, challenge_nonce).toString('base64'),
  }
}

async function open(server: TestServer, person: Person, node: Node) {
  const { status, body } = await verify(server, answerOf(node, await challenge(person, node)))
  expect(status, JSON.stringify(body)).toBe(200)
  server.secrets.add(body.session_token)
  return body as { session_id: string; session_token: string }
}

const introspect = (server: TestServer, token: string): Promise<Answer> =>
  request(server, 'POST', `${BASE}/introspect`, { json: { session_token: token } })

test('a node that signs a challenge gets a session, which tells whose it is and which key it is bound to', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const node = newNode()
  const asked = await challenge(ann, node)
  expect(asked.challenge_nonce).toMatch(/^[\w-]{43}$/)
  const life = Date.parse(asked.expires_at) - Date.now()
  expect(life > 110_000 && life <= 120_000).toBe(true)

  const { status, body } = await verify(server, answerOf(node, asked))
  expect(status).toBe(200)
  server.secrets.add(body.session_token)
  expect(body).toMatchObject({ node_id: 'phone', scopes: ['chat:read', 'chat:write'] })
  expect(body.session_token).toMatch(/^[\w-]{64}$/)
  const { session_id } = body
  const expected = { active: true, session_id, user_id: ann.id, node_id: 'phone', node_public_key: node.pem }
  expect((await introspect(server, body.session_token)).body).toMatchObject(expected)
  const inHeader = await request(server, 'POST', `${BASE}/introspect`, {
    json: {},
    headers: { 'X-Pufferblow-Node-Session': body.session_token },
  })
  expect(inHeader.body).toMatchObject(expected)
  const { body: list } = await ann.get(`${BASE}/sessions`)
  expect(list.sessions).toMatchObject([{ session_id, node_id: 'phone', proof: 'ed25519' }])
  expect(JSON.stringify(await runSql(server, 'select * from node_session'))).not.toContain(body.session_token)
})

test('keys come as PEM or as raw bytes, signatures in base64 or hex', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const node = newNode()
  for (const key of [node.pem, node.raw.toString('base64'), node.raw.toString('base64url')]) {
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      const asked = await challenge(ann, node)
      const signature = signed(node.privateKey, asked.challenge_nonce).toString(encoding)
      const answer = {
        challenge_id: asked.challenge_id,
        node_public_key: key,
        challenge_signature: signature,
      }
      const { status, body } = await verify(server, answer)
      expect(status).toBe(200)
      server.secrets.add(body.session_token)
    }
  }
})

describe('what proves nothing opens nothing', () => {
  test('a signature by another key, over something else, or of another form', async () => {
    await using server = await startServer()
    const ann = await server.person('ann')
    const [node, other] = [newNode(), newNode()]
    const asked = await challenge(ann, node)
    const answer = answerOf(node, asked)
    const wrong = [
      { challenge_signature: signed(other.privateKey, asked.challenge_nonce).toString('base64') },
      { challenge_signature: signed(node.privateKey, `${asked.challenge_nonce}.`).toString('base64') },
      { challenge_signature: randomBytes(64).toString('hex') },
      { challenge_signature: 'x' },
      { node_public_key: other.pem },
      { node_public_key: 'opaque' },
    ]
    for (const change of wrong) {
      expect(await verify(server, { ...answer, ...change })).toMatchObject({ status: 401 })
    }
    expect(await runSql(server, 'select id from node_session')).toEqual([])
    // None of it used the challenge up.
    const { status, body } = await verify(server, answer)
    expect(status).toBe(200)
    server.secrets.add(body.session_token)
  })

  test('the HMAC form without a token of the person; nor is it a way around a key', async () => {
    await using server = await startServer()
    const [ann, bob] = await server.people('ann', 'bob')
    const node = newNode()
    const asked = await challenge(ann!, node)
    const secret = server.secrets.add('a-shared-secret-of-the-sdk')
    const mac = createHmac('sha256', secret).update(asked.challenge_nonce).digest('hex')
    const answer = {
      challenge_id: asked.challenge_id,
      node_public_key: 'opaque',
      challenge_signature: mac,
      shared_secret: secret,
    }
    expect(await verify(server, answer)).toMatchObject({ status: 401 })
    expect(await verify(server, answer, bob!.token)).toMatchObject({ status: 401 })
    expect(await verify(server, { ...answer, node_public_key: node.pem }, ann!.token)).toMatchObject({
      status: 401,
    })
    const other = { ...answer, shared_secret: server.secrets.add('another-secret') }
    expect(await verify(server, other, ann!.token)).toMatchObject({ status: 401 })
    expect(await verify(server, { ...answer, shared_secret: 'short' }, ann!.token)).toMatchObject({
      status: 422,
    })

    const { status, body } = await verify(server, { ...answer, auth_token: ann!.token })
    expect(status).toBe(200)
    server.secrets.add(body.session_token)
    expect((await introspect(server, body.session_token)).body).toMatchObject({ user_id: ann!.id })
  })

  test('an expired challenge, one that is unknown, and one for another key', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({ clock })
    const ann = await server.person('ann')
    const [node, other] = [newNode(), newNode()]
    const bound = await challenge(ann, node, { node_public_key: node.pem })
    expect(await verify(server, answerOf(other, bound))).toMatchObject({ status: 401 })
    const hmac = {
      challenge_id: bound.challenge_id,
      node_public_key: 'opaque',
      challenge_signature: createHmac('sha256', 'a-long-secret').update(bound.challenge_nonce).digest('hex'),
      shared_secret: server.secrets.add('a-long-secret'),
    }
    expect(await verify(server, hmac, ann.token)).toMatchObject({ status: 401 })
    expect(await ann.post(`${BASE}/challenge`, { node_id: 'x', node_public_key: 'no key' })).toMatchObject({
      status: 400,
    })
    for (const challenge_id of [crypto.randomUUID(), 'no-uuid']) {
      expect(await verify(server, { ...answerOf(node, bound), challenge_id })).toMatchObject({ status: 404 })
    }
    clock.offset = 120_000
    expect(await verify(server, answerOf(node, bound))).toMatchObject({
      status: 401,
      body: { detail: 'The challenge has expired' },
    })
  })
})

test('a challenge is answered once, whoever comes at the same moment', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const node = newNode()
  const answer = answerOf(node, await challenge(ann, node))
  const answers = await Promise.all(Array.from({ length: 8 }, () => verify(server, answer)))
  for (const { body } of answers) if (body.session_token) server.secrets.add(body.session_token)
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array<number>(7).fill(409)])
  expect(await verify(server, answer)).toMatchObject({ status: 409 })
  expect(await runSql(server, 'select id from node_session')).toHaveLength(1)
})

describe('a challenge is for one server', () => {
  test('and says so in what is signed', async () => {
    await using server = await startServer()
    const ann = await server.person('ann')
    const asked = await challenge(ann, newNode())
    expect(asked.audience).toBe(server.url)
    const bytes = Buffer.from(asked.challenge_nonce, 'base64url')
    const lines = `pufferblow-node-challenge/v1\n${server.url}\n${ann.id}\nphone\n`
    const hash = createHash('sha256').update(lines).update(bytes.subarray(0, 16)).digest()
    expect(bytes.subarray(16).equals(hash.subarray(0, 16))).toBe(true)
  })

  test('what was made elsewhere, for somebody else or another node, counts nowhere', async () => {
    await using server = await startServer()
    await using elsewhere = await startServer()
    const [ann, bob] = await server.people('ann', 'bob')
    const node = newNode()
    const foreign = await challenge(await elsewhere.person('ann'), node)
    expect(await verify(server, answerOf(node, foreign))).toMatchObject({ status: 404 })

    // Even if another server's nonce got into this one's records, it could not be answered here.
    const others = [foreign, await challenge(bob!, node), await challenge(ann!, newNode('tablet'))]
    for (const other of others) {
      const own = await challenge(ann!, node)
      await runSql(
        server,
        `update node_challenge set nonce = '${other.challenge_nonce}' where id = '${own.challenge_id}'`,
      )
      const relayed = answerOf(node, { ...other, challenge_id: own.challenge_id })
      expect(await verify(server, relayed)).toMatchObject({ status: 401 })
    }
  })
})

describe('a node session ends', () => {
  test('when its person says so, and nobody else can', async () => {
    await using server = await startServer()
    const [ann, bob] = await server.people('ann', 'bob')
    const { session_id, session_token } = await open(server, ann!, newNode())
    expect(await bob!.post(`${BASE}/revoke`, { session_id })).toMatchObject({ status: 404 })
    expect(await introspect(server, session_token)).toMatchObject({ status: 200 })
    expect(await ann!.post(`${BASE}/revoke`, { session_id })).toMatchObject({
      status: 200,
      body: { status_code: 200, message: 'Session revoked successfully', session_id },
    })
    expect(await introspect(server, session_token)).toMatchObject({ status: 401 })
    expect(await ann!.post(`${BASE}/revoke`, { session_id })).toMatchObject({ status: 404 })
    expect(await ann!.post(`${BASE}/revoke`, { session_id: 'no-uuid' })).toMatchObject({ status: 404 })
    expect((await ann!.get(`${BASE}/sessions`)).body.sessions).toEqual([])
  })

  test('after a day', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({ clock })
    const { session_token } = await open(server, await server.person('ann'), newNode())
    clock.offset = 24 * HOUR - 60_000
    expect(await introspect(server, session_token)).toMatchObject({ status: 200 })
    clock.offset = 24 * HOUR
    expect(await introspect(server, session_token)).toMatchObject({ status: 401 })
  })

  test('with the sign-in that it came from, and all of them with the password', async () => {
    await using server = await startServer()
    const ann = await server.person('ann')
    const laptop = await ann.signIn()
    const phone = await ann.signIn()
    const fromLaptop = await open(server, laptop, newNode())
    const fromPhone = await open(server, phone, newNode())
    await request(server, 'POST', '/api/v1/auth/revoke', { json: { refresh_token: laptop.refreshToken } })
    expect(await introspect(server, fromLaptop.session_token)).toMatchObject({ status: 401 })
    expect(await introspect(server, fromPhone.session_token)).toMatchObject({ status: 200 })

    const pending = await challenge(ann, newNode())
    const password = server.secrets.add('another good password')
    const { status } = await phone.put('/api/v1/users/profile', {
      json: { new_password: password, old_password: ann.password },
    })
    expect(status).toBe(200)
    expect(await introspect(server, fromPhone.session_token)).toMatchObject({ status: 401 })
    // A challenge of a session that has ended is not answered any more.
    const late = newNode()
    expect(await verify(server, answerOf(late, pending))).toMatchObject({ status: 401 })
  })
})

test('whoever is banned has no node sessions any more', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const { session_token } = await open(server, ann!, newNode())
  const answer = answerOf(newNode(), await challenge(ann!, newNode()))
  expect(await owner!.post(`/api/v1/moderation/users/${ann!.id}/ban`, {})).toMatchObject({ status: 201 })
  expect(await introspect(server, session_token)).toMatchObject({ status: 401 })
  expect(await verify(server, answer)).toMatchObject({ status: 401 })
})

test('whoever asks for many challenges loses the oldest', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const node = newNode()
  const asked: Awaited<ReturnType<typeof challenge>>[] = []
  for (let i = 0; i < 21; i++) asked.push(await challenge(ann, node))
  expect(await verify(server, answerOf(node, asked[0]!))).toMatchObject({ status: 404 })
  const { status, body } = await verify(server, answerOf(node, asked[1]!))
  expect(status).toBe(200)
  server.secrets.add(body.session_token)
})

test('shapes are checked, and without a token nothing is asked', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  expect(await request(server, 'POST', `${BASE}/challenge`, { json: { node_id: 'x' } })).toMatchObject({
    status: 401,
  })
  expect(await ann.post(`${BASE}/challenge`, {})).toMatchObject({ status: 422 })
  expect(await ann.post(`${BASE}/challenge`, { node_id: 'x'.repeat(256) })).toMatchObject({ status: 422 })
  expect(await verify(server, {})).toMatchObject({ status: 422 })
  expect(await request(server, 'POST', `${BASE}/introspect`, { json: {} })).toMatchObject({ status: 422 })
  expect(await introspect(server, 'unknown')).toMatchObject({ status: 401 })
  expect(await introspect(server, ann.token)).toMatchObject({ status: 401 })
  expect(await request(server, 'POST', `${BASE}/revoke`, { json: { session_id: 'x' } })).toMatchObject({
    status: 401,
  })
})
