import { createPublicKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { federatedPerson } from '#test/federated.ts'
import { request, type RequestOptions } from '#test/http.ts'
import { sendRaw } from '#test/raw.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'
import { dumpTables, runSql } from '#test/sql.ts'

const ORIGIN = 'https://chat.example.org'
const env = { PUBLIC_ORIGIN: ORIGIN }

function get(server: TestServer, path: string, options: RequestOptions = {}) {
  return request(server, 'GET', path, options)
}

function webFinger(server: TestServer, resource: string) {
  return get(server, '/.well-known/webfinger', { query: { resource } })
}

test('WebFinger leads from a name, in any case, to the actor, and from there back to the name', async () => {
  await using server = await startServer({ env })
  const ann = await federatedPerson(server, 'Ann')
  const id = `${ORIGIN}/ap/users/${ann.id}`
  for (const resource of [
    'acct:Ann@chat.example.org',
    'acct:ann@CHAT.example.org',
    'acct:ANN@chat.example.org',
    id,
  ]) {
    const { status, headers, body } = await webFinger(server, resource)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/jrd+json; charset=utf-8')
    expect(body).toEqual({
      subject: 'acct:Ann@chat.example.org',
      aliases: [id],
      links: [{ rel: 'self', type: 'application/activity+json', href: id }],
    })
  }
  const { body: actor } = await get(server, `/ap/users/${ann.id}`)
  expect(
    (await webFinger(server, `acct:${actor.preferredUsername}@chat.example.org`)).body.links[0].href,
  ).toBe(actor.id)
})

test('who is not here is not found; what is no resource is refused', async () => {
  await using server = await startServer({ env })
  const ann = await federatedPerson(server, 'ann')
  for (const resource of [
    'acct:bob@chat.example.org',
    'acct:ann@other.example',
    'acct:ann@chat.example.org:8443',
    `https://other.example/ap/users/${ann.id}`,
    `${ORIGIN}/ap/users/${crypto.randomUUID()}`,
    `${ORIGIN}/ap/users/x`,
  ]) {
    expect([resource, (await webFinger(server, resource)).status]).toEqual([resource, 404])
  }
  for (const resource of ['ann', 'acct:ann', 'mailto:ann@chat.example.org', 'acct:@']) {
    expect([resource, (await webFinger(server, resource)).status]).toEqual([resource, 400])
  }
  expect((await get(server, '/.well-known/webfinger')).status).toBe(422)
  for (const id of [crypto.randomUUID(), 'x', '..%2f..', 'a'.repeat(80)]) {
    expect((await get(server, `/ap/users/${id}`)).status).toBe(404)
  }
})

test('the actor is the same for every Accept header, and says no more than others need', async () => {
  await using server = await startServer({ env })
  const owner = await federatedPerson(server, 'owner')
  await owner.put('/api/v1/users/profile', { query: { about: 'a secret hobby' } })
  const path = `/ap/users/${owner.id}`
  const id = ORIGIN + path
  const answers = []
  for (const accept of [
    '*/*',
    'application/json',
    'application/activity+json',
    'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
    'text/html',
  ]) {
    const { status, headers, body } = await get(server, path, { headers: { accept } })
    expect([accept, status, headers.get('content-type')]).toEqual([
      accept,
      200,
      'application/activity+json; charset=utf-8',
    ])
    answers.push(body)
  }
  expect(new Set(answers.map((body) => JSON.stringify(body))).size).toBe(1)
  const [actor] = answers
  expect(Object.keys(actor).toSorted()).toEqual(
    [
      '@context',
      'id',
      'type',
      'preferredUsername',
      'name',
      'inbox',
      'outbox',
      'followers',
      'following',
      'endpoints',
      'publicKey',
      'assertionMethod',
      'pufferblow:readReceipts',
    ].toSorted(),
  )
  expect(actor).toMatchObject({
    id,
    type: 'Person',
    preferredUsername: 'owner',
    inbox: `${id}/inbox`,
    outbox: `${id}/outbox`,
    endpoints: { sharedInbox: `${ORIGIN}/ap/inbox` },
    publicKey: { id: `${id}#main-key`, owner: id },
    assertionMethod: [{ id: `${id}#ed25519-key`, type: 'Multikey', controller: id }],
  })
  expect(createPublicKey(actor.publicKey.publicKeyPem).asymmetricKeyDetails).toMatchObject({
    modulusLength: 2048,
  })
  expect(JSON.stringify(actor)).not.toMatch(/secret hobby|owner"\]|online|last_seen/)
})

test('keys are made once, stay over a restart, and are nowhere in the clear', async () => {
  await using place = await newPlace()
  const keysOf = async (server: TestServer, id: string): Promise<string> => {
    const { body } = await get(server, `/ap/users/${id}`)
    return body.publicKey.publicKeyPem + body.assertionMethod[0].publicKeyMultibase
  }
  let id = ''
  let before = ''
  {
    await using server = await startServer({ env, place })
    id = (await server.person('ann')).id
    const all = await Promise.all(Array.from({ length: 8 }, () => keysOf(server, id)))
    expect(new Set(all).size).toBe(1)
    before = all[0]!
    const { rsa, ed25519 } = await server.ctx.federation.keys.of(id)
    const dump = await dumpTables(server)
    for (const { privateKey } of [rsa, ed25519]) {
      const der = privateKey.export({ format: 'der', type: 'pkcs8' })
      expect(dump).not.toContain(der.subarray(-32).toString('latin1'))
      expect(dump).not.toContain(der.toString('base64').slice(0, 40))
    }
    expect(dump).not.toContain('PRIVATE KEY')
  }
  await using server = await startServer({ env, place })
  expect(await keysOf(server, id)).toBe(before)
})

test('the server has an actor of its own, which WebFinger knows by its id', async () => {
  await using server = await startServer({ env })
  const { serverId } = server.ctx.instance
  const { status, body } = await get(server, `/ap/users/${serverId}`)
  expect(status).toBe(200)
  expect(body).toMatchObject({ type: 'Application', preferredUsername: serverId, name: 'PufferBlow' })
  expect((await webFinger(server, `acct:${serverId}@chat.example.org`)).body.links[0].href).toBe(body.id)
})

test('who does not want to be known to other servers does not exist for them', async () => {
  await using server = await startServer({ env })
  const ann = await federatedPerson(server, 'ann')
  const paths = ['', '/outbox', '/followers', '/following'].map((end) => `/ap/users/${ann.id}${end}`)
  for (const path of paths) expect((await get(server, path)).status).toBe(200)
  const identity = { handle: 'ann@chat.example.org', actor: `${ORIGIN}/ap/users/${ann.id}` }
  expect((await ann.get('/api/v1/federation/identity')).body).toMatchObject({ enabled: true, ...identity })

  const hidden = await ann.put('/api/v1/federation/identity', { json: { enabled: false } })
  expect(hidden.body).toMatchObject({ enabled: false, ...identity })
  for (const path of paths) expect((await get(server, path)).status).toBe(404)
  expect((await webFinger(server, 'acct:ann@chat.example.org')).status).toBe(404)

  await ann.put('/api/v1/federation/identity', { json: { enabled: true } })
  for (const path of paths) expect((await get(server, path)).status).toBe(200)
  expect((await ann.put('/api/v1/federation/identity', { json: {} })).status).toBe(422)
})

test('an account that is no more has a tombstone if other servers knew it', async () => {
  await using server = await startServer({ env })
  const [, unknown] = await server.people('owner', 'unknown')
  const known = await federatedPerson(server, 'known')
  for (const { id } of [known, unknown!]) await runSql(server, `delete from "user" where id = '${id}'`)
  const { status, body } = await get(server, `/ap/users/${known.id}`)
  expect(status).toBe(410)
  expect(body).toMatchObject({ type: 'Tombstone', id: `${ORIGIN}/ap/users/${known.id}` })
  expect((await get(server, `/ap/users/${unknown!.id}`)).status).toBe(404)
})

test('a person who is renamed is found by the old name too, until somebody else has it', async () => {
  await using server = await startServer({ env })
  const ann = await federatedPerson(server, 'ann')
  const linkOf = async (name: string): Promise<string | undefined> =>
    (await webFinger(server, `acct:${name}@chat.example.org`)).body.links?.[0].href
  const id = await linkOf('ann')
  await ann.put('/api/v1/users/profile', { query: { new_username: 'anna' } })
  expect(await linkOf('anna')).toBe(id)
  expect(await linkOf('ann')).toBe(id)
  expect((await webFinger(server, 'acct:ann@chat.example.org')).body.subject).toBe(
    'acct:anna@chat.example.org',
  )
  const other = await server.person('ann2')
  await other.put('/api/v1/users/profile', { query: { new_username: 'ann' } })
  expect(await linkOf('ann')).toBe(`${ORIGIN}/ap/users/${other.id}`)
  expect(await linkOf('anna')).toBe(id)
})

test('a name that other servers do not accept is mapped to one that they do', async () => {
  await using server = await startServer({ env })
  const person = await server.person('Jürgen Müller')
  const { body } = await person.get('/api/v1/federation/identity')
  expect(body.handle).toBe(`jurgen_muller.${person.id.slice(-8)}@chat.example.org`)
  const { body: actor } = await get(server, `/ap/users/${person.id}`)
  expect(actor).toMatchObject({ name: 'Jürgen Müller', preferredUsername: body.handle.split('@')[0] })
  expect((await webFinger(server, `acct:${body.handle}`)).body.links[0].href).toBe(actor.id)
})

test('nothing that a request says about our host gets into an id', async () => {
  await using server = await startServer({ env })
  const ann = await federatedPerson(server, 'ann')
  const { hostname } = new URL(server.url)
  const headers =
    'X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For: 8.8.8.8\r\nForwarded: host=evil.example\r\nConnection: close'
  for (const path of [
    `/ap/users/${ann.id}`,
    `/ap/users/${ann.id}/outbox`,
    '/.well-known/webfinger?resource=acct:ann@chat.example.org',
    '/.well-known/nodeinfo',
  ]) {
    for (const target of [path, `http://evil.example${path}`]) {
      const [answer] = await sendRaw(
        server,
        `GET ${target} HTTP/1.1\r\nHost: evil.example\r\n${headers}\r\n\r\n`,
      )
      expect([target, answer!.status]).toEqual([target, 200])
      expect(answer!.body).toContain(ORIGIN)
      expect(answer!.body).not.toContain('evil')
      expect(answer!.body).not.toContain(hostname)
    }
  }
  expect((await webFinger(server, 'acct:ann@evil.example')).status).toBe(404)
  expect(await dumpTables(server)).not.toContain('evil')
})

test('the outbox is empty, as all that people write is to somebody', async () => {
  await using server = await startServer({ env })
  const ann = await federatedPerson(server, 'ann')
  const path = `/ap/users/${ann.id}/outbox`
  expect((await get(server, path)).body).toEqual({
    '@context': 'https://www.w3.org/ns/activitystreams',
    id: ORIGIN + path,
    type: 'OrderedCollection',
    totalItems: 0,
    orderedItems: [],
  })
  expect((await get(server, path, { query: { page: 2, limit: 5 } })).body).toMatchObject({
    id: `${ORIGIN}${path}?page=2&limit=5`,
    type: 'OrderedCollectionPage',
    partOf: ORIGIN + path,
    orderedItems: [],
  })
  for (const query of [{ page: 0 }, { page: -1 }, { page: 1.5 }, { limit: 0 }, { limit: 101 }]) {
    expect([query, (await get(server, path, { query })).status]).toEqual([query, 400])
  }
  expect((await get(server, path, { query: { page: 'x' } })).status).toBe(422)
})

test('NodeInfo says what software this is, and not how many people are here', async () => {
  await using server = await startServer({ env: { ...env, REGISTRATION: 'closed' } })
  const { body } = await get(server, '/.well-known/nodeinfo')
  for (const { rel, href } of body.links) {
    const { status, headers, body: info } = await get(server, new URL(href).pathname)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toContain(`profile="${rel}#"`)
    expect(info).toMatchObject({
      version: href.slice(-3),
      software: { name: 'pufferblow' },
      protocols: ['activitypub'],
      openRegistrations: false,
      usage: { users: {} },
    })
  }
})

test('a server that does not federate has no actors', async () => {
  await using server = await startServer({ env: { ...env, FEDERATION_MODE: 'off' } })
  const ann = await federatedPerson(server, 'ann')
  for (const path of [
    `/ap/users/${ann.id}`,
    `/ap/users/${ann.id}/outbox`,
    `/ap/users/${server.ctx.instance.serverId}`,
    '/.well-known/webfinger?resource=acct:ann@chat.example.org',
    '/.well-known/nodeinfo',
    '/nodeinfo/2.1',
  ]) {
    expect([path, (await get(server, path)).status]).toEqual([path, 404])
  }
  expect((await ann.get('/api/v1/federation/lookup', { query: { handle: 'a@b.example' } })).status).toBe(403)
})
