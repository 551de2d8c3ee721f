import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { federatedPerson, startFederated } from '#test/federated.ts'
import { keyPair } from '#test/key-pairs.ts'
import { FakePeer, type Delivery } from '#test/peer.ts'
import type { Person } from '#test/person.ts'
import { sendRaw } from '#test/raw.ts'
import { newPlace, type TestServer } from '#test/server.ts'
import { signedFields, type ToSign } from '#test/signed.ts'
import { dumpTables, runSql } from '#test/sql.ts'

/*
 * Forgeries, replays and misbehaviour. The numbers are those under which they were first tried on other software.
 */

interface Scene extends AsyncDisposable {
  readonly server: TestServer
  readonly peer: FakePeer
  readonly ann: Person
  /** The address of Ann's actor. */
  readonly target: string
  /** Somebody at the peer who is what they say. */
  readonly bob: string
  follow(changes?: Record<string, unknown>): Record<string, unknown>
  /** How many follow Ann. */
  followers(): Promise<number>
}

async function scene(
  options: { env?: Record<string, string>; clock?: { offset: number } } = {},
): Promise<Scene> {
  const server = await startFederated(options)
  const peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const bob = peer.person('bob').id
  const target = `${server.url}/ap/users/${ann.id}`
  return {
    server,
    peer,
    ann,
    target,
    bob,
    follow: (changes = {}) => peer.activity(bob, { type: 'Follow', object: target, ...changes }),
    followers: async () => {
      const rows = await runSql(server, "select user_id from federation_follow where direction = 'in'")
      return rows.length
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await peer[Symbol.asyncDispose]()
    },
  }
}

test('what cannot be believed is refused before anything is fetched, and changes nothing', async () => {
  await using at = await scene()
  const { peer, server, bob, target } = at
  const other = await FakePeer.start('127.0.0.4')
  await using _other = other
  const bait = `${other.origin}/bait`
  const good = at.follow()
  const body = JSON.stringify(good)
  const hour = 3600_000
  const wrongHost = `http://127.0.0.9:${new URL(server.url).port}/ap/inbox`
  const cases: [string, number, unknown, (Partial<ToSign> & Delivery)?][] = [
    [
      '16 only a Linked-Data signature',
      401,
      { ...good, signature: { type: 'RsaSignature2017', creator: bait } },
      { headers: { signature: '' } },
    ],
    [
      '13 unsigned, with a context to fetch',
      401,
      { ...good, '@context': bait },
      { headers: { signature: '', digest: '' } },
    ],
    [
      '14 unsigned, with a proof',
      401,
      { ...good, proof: { verificationMethod: bait } },
      { headers: { signature: '' } },
    ],
    ['05 another body than was signed', 401, good, { sentBody: body.replace('Follow', 'follow') }],
    ['06 no digest', 401, good, { headers: { digest: '' } }],
    ['06 digest not covered', 401, good, { covers: ['(request-target)', 'host', 'date'] }],
    ['18 host not covered', 401, good, { covers: ['(request-target)', 'date', 'digest'] }],
    ['18 target not covered', 401, good, { covers: ['host', 'date', 'digest'] }],
    ['18 date not covered', 401, good, { covers: ['(request-target)', 'host', 'digest'] }],
    ['08 from an hour ago', 401, good, { at: Date.now() - hour }],
    ['08 from tomorrow', 401, good, { at: Date.now() + 24 * hour }],
    ['10 a date that is none', 401, good, { headers: { date: 'yesterday' } }],
    [
      '10b a signature that is no base64',
      401,
      good,
      {
        headers: {
          signature: `keyId="${bob}#main-key",headers="(request-target) host date digest",signature="%%%"`,
        },
      },
    ],
    ['09 a key that is no address', 401, good, { keyId: 'not a url' }],
    ['09 a key at another server', 401, good, { keyId: `${bait}#main-key` }],
    ['26 a key at a private address', 401, good, { keyId: 'http://169.254.169.254/key' }],
    ['29 an id of another server', 401, { ...good, id: `${bait}/1` }],
    ['29 an id without a server', 401, { ...good, id: 'urn:uuid:1' }],
    ['an actor of another server', 401, { ...good, actor: bait }, { keyId: `${bob}#main-key` }],
    ['an actor of ours', 401, { ...good, actor: target, id: `${target}/1` }, { keyId: `${target}#main-key` }],
    ['20 RFC 9421 covering no digest', 401, good, { scheme: 'rfc9421', covers: ['@method', '@target-uri'] }],
    ['21 RFC 9421 covering nothing', 401, good, { scheme: 'rfc9421', covers: [] }],
    [
      '21 RFC 9421 covering no method',
      401,
      good,
      { scheme: 'rfc9421', covers: ['@target-uri', 'content-digest'] },
    ],
    [
      '21 RFC 9421 covering no host',
      401,
      good,
      { scheme: 'rfc9421', covers: ['@method', '@path', 'content-digest'] },
    ],
    ['05 RFC 9421, another body', 401, good, { scheme: 'rfc9421', sentBody: `${body} ` }],
    ['RFC 9421 from an hour ago', 401, good, { scheme: 'rfc9421', at: Date.now() - hour }],
    ['11 text', 400, 'x', { body: '"x"' }],
    ['11 a list', 400, [], { body: '[]' }],
    ['11 no JSON', 400, '', { body: '{' }],
    ['11 nothing', 400, '', { body: '' }],
    ['11 20 000 levels deep', 400, '', { body: `{"a":${'['.repeat(20_000)}` }],
    ['11 5 000 tags', 400, { ...good, tag: Array.from({ length: 5000 }, () => ({})) }],
    ['no type', 400, { ...good, type: undefined }],
    ['no id', 400, { ...good, id: undefined }],
    ['no actor', 400, { ...good, actor: undefined }, { keyId: `${bob}#main-key` }],
    ['another type of body', 415, good, { headers: { 'content-type': 'text/html' } }],
    ['a body beyond the bound', 413, good, { body: JSON.stringify({ ...good, x: 'x'.repeat(257 * 1024) }) }],
  ]
  for (const [index, [what, status, activity, how]] of cases.entries()) {
    const path = index % 2 === 0 ? '/ap/inbox' : `/ap/users/${at.ann.id}/inbox`
    const answer = await peer.deliver(server, path, activity, how)
    expect([what, path, answer.status]).toEqual([what, path, status])
  }
  expect((await peer.deliver(server, `/ap/users/${crypto.randomUUID()}/inbox`, good)).status).toBe(404)
  expect([peer.log, other.log]).toEqual([[], []])
  expect(await at.followers()).toBe(0)
  expect(await runSql(server, 'select id from remote_actor')).toEqual([])
  expect(await runSql(server, 'select host from peer')).toEqual([])

  // 19: signed for another server, which has an inbox of the same path.
  const replayed = signedFields({
    url: wrongHost,
    body,
    keyId: `${bob}#main-key`,
    key: keyPair('peer').privateKey,
  })
  expect((await peer.deliver(server, '/ap/inbox', good, { headers: replayed })).status).toBe(401)
  expect(await at.followers()).toBe(0)
})

test('19 a request for another host is refused, whatever else it says', async () => {
  await using at = await scene()
  const body = JSON.stringify(at.follow())
  const { host, port } = new URL(at.server.url)
  const post = async (target: string, hostLine: string, more = ''): Promise<number> => {
    const fields = signedFields({
      url: `http://${hostLine}/ap/inbox`,
      body,
      keyId: `${at.bob}#main-key`,
      key: keyPair('peer').privateKey,
    })
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    const [answer] = await sendRaw(
      at.server,
      `POST ${target} HTTP/1.1\r\nHost: ${hostLine}\r\n${lines.join('')}${more}` +
        `Content-Type: application/activity+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
        `Connection: close\r\n\r\n${body}`,
    )
    return answer!.status
  }
  expect(await post('/ap/inbox', 'evil.example')).toBe(421)
  expect(await post('/ap/inbox', 'evil.example', `X-Forwarded-Host: ${host}\r\n`)).toBe(421)
  expect(await post('/ap/inbox', `localhost:${port}`)).toBe(421)
  expect(await post('http://evil.example/ap/inbox', 'evil.example')).toBe(421)
  expect(await post('http://evil.example/ap/inbox', host)).toBe(421)
  expect(at.peer.log).toEqual([])
  expect(await at.followers()).toBe(0)
  expect(
    await post('/ap/inbox', host, 'X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n'),
  ).toBe(202)
  expect(await dumpTables(at.server)).not.toContain('evil')
})

test('09c a key counts only if it and the actor name each other', async () => {
  await using at = await scene()
  const { peer, server } = at
  const victim = peer.person('victim')
  const refuse = async (actor: string, how: Partial<ToSign>): Promise<void> => {
    const activity = peer.activity(actor, { type: 'Follow', object: at.target })
    const answer = await peer.deliver(server, '/ap/inbox', activity, how)
    expect([how.keyId, answer.status]).toEqual([how.keyId, 401])
  }
  // A document that says of itself that it is a key of the victim.
  const key = {
    id: `${peer.origin}/keys/1`,
    owner: victim.id,
    publicKeyPem: keyPair('attacker').publicKey.export({ format: 'pem', type: 'spki' }),
  }
  peer.documents.set('/keys/1', key)
  await refuse(victim.id, { keyId: key.id, key: keyPair('attacker').privateKey })
  // The same inside an actor: another one's key under its own id, and its own key under another one's name.
  const mallory = peer.person('mallory', {
    publicKey: { ...key, id: `${peer.origin}/users/mallory#main-key` },
  })
  await refuse(mallory.id, { keyId: `${mallory.id}#main-key`, key: keyPair('attacker').privateKey })
  await refuse(victim.id, { keyId: `${mallory.id}#main-key`, key: keyPair('attacker').privateKey })
  await refuse(victim.id, { key: keyPair('attacker').privateKey })
  await refuse(victim.id, { keyId: `${at.bob}#main-key` })
  // An actor that is another one than its address says.
  const twin = peer.person('twin', { id: victim.id })
  expect(twin.id).toBe(victim.id)
  await refuse(`${peer.origin}/users/twin`, { keyId: `${victim.id}#main-key` })
  expect(peer.log).not.toContain('GET /keys/1')
  expect(await at.followers()).toBe(0)
})

test.each(['draft-cavage', 'rfc9421'] as const)(
  'what is signed as it should be is taken: %s',
  async (scheme) => {
    await using at = await scene()
    const answer = await at.peer.deliver(at.server, `/ap/users/${at.ann.id}/inbox`, at.follow(), { scheme })
    expect([answer.status, answer.body.result.action]).toEqual([202, 'accepted'])
    expect(answer.headers.get('accept-signature')).toContain('alg="ed25519"')
    const again = await at.peer.deliver(at.server, '/ap/inbox', at.follow(), {
      scheme,
      ...(scheme === 'rfc9421' && { covers: ['@method', '@authority', '@path', 'content-digest'] }),
    })
    expect(again.status).toBe(202)
    expect(await at.followers()).toBe(1)
  },
)

test('07b 32 an activity takes effect once, however often and wherever it comes, also after a restart', async () => {
  await using place = await newPlace()
  await using peer = await FakePeer.start()
  const clock = { offset: 0 }
  const bob = peer.person('bob').id
  const bodyOf = (target: string) => ({
    id: `${peer.origin}/activities/1`,
    type: 'Follow',
    actor: bob,
    object: target,
  })
  let target = ''
  let id = ''
  const actionsOf = async (server: TestServer, count: number): Promise<Record<string, number>> => {
    const answers = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        peer.deliver(server, index % 2 ? '/ap/inbox' : `/ap/users/${id}/inbox`, bodyOf(target), {
          at: Date.now() + clock.offset,
        }),
      ),
    )
    const actions: Record<string, number> = {}
    for (const { status, body } of answers) {
      expect(status).toBe(202)
      actions[body.result.action] = (actions[body.result.action] ?? 0) + 1
    }
    return actions
  }
  const origin = { PUBLIC_ORIGIN: 'http://127.0.0.1:7999', PORT: '7999' }
  {
    await using server = await startFederated({ place, clock, env: origin })
    id = (await federatedPerson(server, 'ann')).id
    target = `${server.url}/ap/users/${id}`
    expect(await actionsOf(server, 50)).toEqual({ accepted: 1, duplicate: 49 })
    await peer.until(() => peer.inbox('/users/bob/inbox').length === 1)
  }
  clock.offset = 48 * 3600_000
  await using server = await startFederated({ place, clock, env: origin })
  expect(await actionsOf(server, 10)).toEqual({ duplicate: 10 })
  expect(await runSql(server, 'select * from federation_seen')).toHaveLength(1)
  // 29b: another server's activity of the same id does not take its place.
  await using other = await FakePeer.start('127.0.0.4')
  const eve = other.person('eve').id
  const forged = { ...bodyOf(target), actor: eve }
  expect((await other.deliver(server, '/ap/inbox', forged, { at: Date.now() + clock.offset })).status).toBe(
    401,
  )
})

test('14 a peer that changes its key is asked once; a thousand bad signatures ask it once a minute', async () => {
  const clock = { offset: 0 }
  await using at = await scene({ clock })
  const { peer, server, bob } = at
  const deliver = (key: string) =>
    peer.deliver(server, '/ap/inbox', at.follow(), {
      key: keyPair(key).privateKey,
      at: Date.now() + clock.offset,
    })
  expect((await deliver('peer')).status).toBe(202)
  const asked = (): number => peer.log.filter((line) => line === 'GET /users/bob').length
  expect(asked()).toBe(1)

  clock.offset += 120_000
  const actor = peer.documents.get('/users/bob') as { publicKey: { publicKeyPem: unknown } }
  actor.publicKey.publicKeyPem = keyPair('new').publicKey.export({ format: 'pem', type: 'spki' })
  expect((await deliver('new')).status).toBe(202)
  expect(asked()).toBe(2)
  expect((await deliver('peer')).status).toBe(401)

  clock.offset += 120_000
  const answers = await Promise.all(Array.from({ length: 100 }, () => deliver('wrong')))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]))
  expect(asked()).toBe(3)
  expect((await deliver('new')).status).toBe(202)
  expect(bob).toBe(`${peer.origin}/users/bob`)
})

test('27 28 a peer whose keys cannot be had gives an answer in bounded time, and is not asked again and again', async () => {
  await using at = await scene()
  const { peer, server } = at
  const answers: [number, (response: ServerResponse) => void][] = [
    [401, (response) => response.writeHead(404).end()],
    [401, (response) => response.writeHead(410).end()],
    [503, (response) => response.writeHead(500).end()],
    [503, (response) => response.destroy()],
    [401, (response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end()],
    [401, (response) => response.writeHead(200, { 'content-type': 'application/activity+json' }).end('{}')],
    [503, (response) => response.writeHead(200).end(Buffer.alloc(3 * 1024 * 1024))],
  ]
  for (const [index, [status, answer]] of answers.entries()) {
    peer.requests.length = 0
    peer.misbehave = (_request, response) => {
      answer(response)
      return true
    }
    const activity = peer.activity(`${peer.origin}/users/x${index}`, { type: 'Follow', object: at.target })
    for (let count = 0; count < 3; count++) {
      const { status: given, headers } = await peer.deliver(server, '/ap/inbox', activity)
      expect([index, given]).toEqual([index, status])
      if (status === 503) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect(peer.log).toHaveLength(1)
  }
  expect(await at.followers()).toBe(0)
})

test('a stranger cannot make this server ask another one for a thousand actors', async () => {
  await using at = await scene()
  const { peer, server } = at
  const statuses = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const activity = peer.activity(`${peer.origin}/users/none${index}`, {
        type: 'Follow',
        object: at.target,
      })
      return (await peer.deliver(server, '/ap/inbox', activity)).status
    }),
  )
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(30)
  expect(peer.log.length).toBeLessThanOrEqual(70)
})

test('a peer that sends too much is told when to come again; others are not held up', async () => {
  const clock = { offset: 0 }
  await using at = await scene({ env: { FEDERATION_PEER_RATE: '1' }, clock })
  await using other = await FakePeer.start('127.0.0.4')
  const statuses: number[] = []
  for (let count = 0; count < 65; count++) {
    statuses.push((await at.peer.deliver(at.server, '/ap/inbox', at.follow())).status)
  }
  expect(statuses.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => 202))
  const refused = await at.peer.deliver(at.server, '/ap/inbox', at.follow())
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  const eve = other.person('eve').id
  const follow = other.activity(eve, { type: 'Follow', object: at.target })
  expect((await other.deliver(at.server, '/ap/inbox', follow)).status).toBe(202)
  // Forged requests in its name do not use up what the peer may send.
  clock.offset += 30_000
  for (let count = 0; count < 50; count++) {
    await at.peer.deliver(at.server, '/ap/inbox', at.follow(), {
      key: keyPair('wrong').privateKey,
      at: Date.now() + clock.offset,
    })
  }
  const next = await at.peer.deliver(at.server, '/ap/inbox', at.follow(), { at: Date.now() + clock.offset })
  expect(next.status).toBe(202)
})

test('16 what is of no use is taken and forgotten; news of deleted strangers costs no look at them', async () => {
  await using at = await scene()
  const { peer, server, bob } = at
  const stranger = `${peer.origin}/users/stranger`
  peer.misbehave = ({ path }, response) =>
    path === '/users/stranger' && Boolean(response.writeHead(410).end())
  const deleted = peer.activity(stranger, {
    type: 'Delete',
    object: stranger,
    to: ['https://www.w3.org/ns/activitystreams#Public'],
  })
  const { status, body } = await peer.deliver(server, '/ap/inbox', deleted)
  expect([status, body.result]).toEqual([
    202,
    { processed: false, activity_type: 'Delete', action: 'ignored' },
  ])
  expect(peer.log).toEqual([])
  for (const activity of [
    { type: 'Like', object: `${at.target}/x` },
    { type: 'Announce', object: 'x' },
    { type: ['Question', 'x'], object: { '@context': 'x' } },
    { type: 'Arrive' },
    { type: 'Delete', object: `${bob}/notes/1` },
    { type: 'Update', object: { id: `${peer.origin}/users/eve`, type: 'Person' } },
    { type: 'Undo', object: { type: 'Like', actor: bob } },
    { type: 'Undo' },
    { type: 'Accept' },
    { type: 'Move', object: bob },
    { type: 'Block', object: 'x' },
  ]) {
    const answer = await peer.deliver(server, '/ap/inbox', peer.activity(bob, activity))
    expect([activity.type, answer.status, answer.body.result.action]).toEqual([activity.type, 202, 'ignored'])
  }
  expect(
    (await peer.deliver(server, '/ap/inbox', at.follow({ object: `${server.url}/ap/users/x` }))).status,
  ).toBe(404)
  expect(
    (await peer.deliver(server, '/ap/inbox', at.follow({ object: 'https://www.w3.org/ns' }))).status,
  ).toBe(404)
})

test('an actor that is deleted is forgotten, and can come back only by its own server', async () => {
  await using at = await scene()
  const { peer, server, bob } = at
  await peer.deliver(server, '/ap/inbox', at.follow())
  expect(await at.followers()).toBe(1)
  const deletion = peer.activity(bob, { type: 'Delete', object: bob })
  expect((await peer.deliver(server, '/ap/inbox', deletion)).body.result.action).toBe('actor_deleted')
  expect(await at.followers()).toBe(0)
})

test('an actor that says it has changed is asked, not believed', async () => {
  const clock = { offset: 0 }
  await using at = await scene({ clock })
  const { peer, server, bob } = at
  await peer.deliver(server, '/ap/inbox', at.follow())
  clock.offset += 120_000
  const claimed = { id: bob, type: 'Person', preferredUsername: 'admin', inbox: `${peer.origin}/evil-inbox` }
  const update = peer.activity(bob, { type: 'Update', object: claimed })
  const how = { at: Date.now() + clock.offset }
  expect((await peer.deliver(server, '/ap/inbox', update, how)).body.result.action).toBe('actor_updated')
  await peer.until(() => peer.log.filter((line) => line === 'GET /users/bob').length === 2)
  expect(await dumpTables(server)).not.toContain('evil-inbox')
})

test('who is not known to other servers has no inbox and no followers', async () => {
  await using at = await scene()
  await at.ann.put('/api/v1/federation/identity', { json: { enabled: false } })
  const personal = await at.peer.deliver(at.server, `/ap/users/${at.ann.id}/inbox`, at.follow())
  expect(personal.status).toBe(404)
  const shared = await at.peer.deliver(at.server, '/ap/inbox', at.follow())
  expect(shared.status).toBe(404)
  expect(await at.followers()).toBe(0)
})
