import { createPublicKey } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { FakePeer } from '#test/peer.ts'
import type { Person } from '#test/person.ts'
import { startFederated } from '#test/federated.ts'
import { startServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'
import { readClaim } from '#test/signed.ts'

function lookUp(person: Person, handle: string) {
  return person.get('/api/v1/federation/lookup', { query: { handle } })
}

test('people of two servers find each other, by handle and by address', async () => {
  await using a = await startFederated()
  await using b = await startFederated({ env: { HOST: '127.0.0.2' } })
  const [ann, bob] = [await a.person('ann'), await b.person('Bob')]
  const host = new URL(b.url).host
  const expected = {
    actor: `${b.url}/ap/users/${bob.id}`,
    handle: `Bob@${host}`,
    username: 'Bob',
    display_name: 'Bob',
    origin_server: host,
  }
  for (const handle of [`bob@${host}`, `@Bob@${host}`, `acct:bob@${host}`, expected.actor]) {
    const { status, body } = await lookUp(ann, handle)
    expect([handle, status, body.person]).toEqual([handle, 200, expected])
  }
  expect((await lookUp(bob, `ann@${new URL(a.url).host}`)).body.person.actor).toBe(
    `${a.url}/ap/users/${ann.id}`,
  )
})

test('what another server is asked is signed by the actor of this one, and remembered for a day', async () => {
  const clock = { offset: 0 }
  await using server = await startFederated({ clock })
  await using peer = await FakePeer.start()
  const ann = await server.person('ann')
  const { id } = peer.person('bob')
  expect((await lookUp(ann, `bob@${peer.host}`)).body.person.actor).toBe(id)
  expect(peer.log).toEqual([
    `GET /.well-known/webfinger?resource=${encodeURIComponent(`acct:bob@${peer.host}`)}`,
    'GET /users/bob',
  ])
  const { rsa } = await server.ctx.federation.keys.of(server.ctx.instance.serverId)
  for (const request of peer.requests) {
    const { keyId, verify } = readClaim(request, peer.origin)
    expect(keyId).toBe(`${server.url}/ap/users/${server.ctx.instance.serverId}#main-key`)
    expect(verify(createPublicKey(rsa.publicKey))).toBe(true)
    expect(request.headers['user-agent']).toContain(server.url)
  }
  clock.offset += 23 * 3600_000
  await lookUp(await ann.signIn(), id)
  expect(peer.log).toHaveLength(2)
  clock.offset += 2 * 3600_000
  await lookUp(await ann.signIn(), id)
  expect(peer.log).toHaveLength(3)
})

test('an address that people see leads to the actor that it names, if that says the same', async () => {
  await using server = await startFederated()
  await using peer = await FakePeer.start()
  await using other = await FakePeer.start('127.0.0.4')
  const ann = await server.person('ann')
  const bob = peer.person('bob')
  peer.documents.set('/@bob', bob)
  expect((await lookUp(ann, `${peer.origin}/@bob`)).body.person.actor).toBe(bob.id)

  // A page that claims to be an actor of another server is asked of that server.
  const victim = other.person('victim')
  peer.documents.set('/@victim', { ...victim, inbox: `${peer.origin}/inbox`, publicKey: bob['publicKey'] })
  const { body } = await lookUp(ann, `${peer.origin}/@victim`)
  expect(body.person.actor).toBe(victim.id)
  expect(other.log).toEqual(['GET /users/victim'])
})

test('WebFinger of one host may name an actor on another', async () => {
  await using server = await startFederated()
  await using peer = await FakePeer.start()
  await using other = await FakePeer.start('127.0.0.4')
  const ann = await server.person('ann')
  const bob = other.person('bob')
  peer.documents.set('/users/bob', bob)
  expect((await lookUp(ann, `bob@${peer.host}`)).body.person).toMatchObject({
    actor: bob.id,
    origin_server: other.host,
  })
})

test('many who ask for the same person at once cause one request; a failure is remembered', async () => {
  const clock = { offset: 0 }
  await using server = await startFederated({ clock })
  await using peer = await FakePeer.start()
  const ann = await server.person('ann')
  const { id } = peer.person('bob')
  const all = await Promise.all(Array.from({ length: 20 }, () => lookUp(ann, id)))
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]))
  expect(peer.log).toEqual(['GET /users/bob'])

  const missing = `${peer.origin}/users/nobody`
  const before = peer.log.length
  for (let count = 0; count < 3; count++) expect((await lookUp(ann, `nobody@${peer.host}`)).status).toBe(404)
  peer.documents.set('/users/ghost', { id: missing })
  for (let count = 0; count < 3; count++) expect((await lookUp(ann, `ghost@${peer.host}`)).status).toBe(404)
  const asked = peer.log.slice(before).filter((line) => line === 'GET /users/nobody')
  expect(asked).toHaveLength(1)
  clock.offset += 11 * 60_000
  await lookUp(await ann.signIn(), `ghost@${peer.host}`)
  expect(peer.log.slice(before).filter((line) => line === 'GET /users/nobody')).toHaveLength(2)
})

test('a peer that answers with anything but an actor gives an error, and nothing is kept', async () => {
  await using server = await startFederated()
  await using peer = await FakePeer.start()
  const ann = await server.person('ann')
  const json = { 'content-type': 'application/activity+json' }
  const misdeeds: [number, (response: ServerResponse) => void][] = [
    [503, (response) => response.writeHead(500).end()],
    [404, (response) => response.writeHead(410).end()],
    [404, (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>')],
    [404, (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}')],
    [503, (response) => response.destroy()],
    [404, (response) => response.writeHead(200, json).end('{')],
    [404, (response) => response.writeHead(200, json).end('['.repeat(50_000))],
    [404, (response) => response.writeHead(200, json).end(`{"a":[${'1,'.repeat(5000)}1]}`)],
    [404, (response) => response.writeHead(200, json).end('{"type":"Note"}')],
    [503, (response) => response.writeHead(200, json).end('x'.repeat(2 * 1024 * 1024))],
    [403, (response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end()],
    [403, (response) => response.writeHead(302, { location: server.url }).end()],
    [503, (response) => response.writeHead(302, { location: '/again' }).end()],
  ]
  for (const [index, [expected, answer]] of misdeeds.entries()) {
    peer.misbehave = (_request, response) => {
      answer(response)
      return true
    }
    for (const handle of [`bob@${peer.host}`, `${peer.origin}/users/bob${index}`]) {
      const { status, body } = await lookUp(ann, handle)
      expect([index, handle, status]).toEqual([index, handle, expected])
      expect(typeof body.detail).toBe('string')
    }
  }
  expect(await runSql(server, 'select id from remote_actor')).toEqual([])
})

test('what is no handle, or is somebody of this server, is refused without asking anybody', async () => {
  await using server = await startFederated()
  const ann = await server.person('ann')
  const { host } = new URL(server.url)
  for (const handle of [
    'ann',
    'a@b@c',
    'ftp://x.example',
    `ann@${host}`,
    `${server.url}/ap/users/${ann.id}`,
  ]) {
    expect([handle, (await lookUp(ann, handle)).status]).toEqual([handle, 400])
  }
  expect((await lookUp(ann, 'x')).status).toBe(422)
})

test('without the permission, no private place is asked, and without https nobody', async () => {
  await using peer = await FakePeer.start()
  {
    await using server = await startServer({ env: { PUBLIC_ORIGIN: 'https://chat.example.org' } })
    const ann = await server.person('ann')
    for (const handle of [
      `bob@${peer.host}`,
      'bob@localhost',
      'bob@127.0.0.3',
      'bob@2130706435',
      'bob@[::1]',
      'bob@169.254.169.254',
      'bob@10.0.0.1',
      `http://${peer.host}/users/bob`,
      `https://${peer.host}/users/bob`,
      'https://chat.example.org:8080/users/bob',
    ]) {
      expect([handle, (await lookUp(ann, handle)).status]).toEqual([handle, 403])
    }
  }
  await using server = await startServer()
  expect((await lookUp(await server.person('ann'), 'bob@peer.example')).status).toBe(403)
  expect(peer.log).toEqual([])
})
