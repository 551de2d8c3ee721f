import { expect, test } from 'vitest'
import type { FederationDeliveryTable } from '#db/tables.ts'
import { enqueueDelivery } from '#features/federation/delivery/enqueue.ts'
import { federatedPerson, startFederated } from '#test/federated.ts'
import { keyPair } from '#test/key-pairs.ts'
import { FakePeer } from '#test/peer.ts'
import type { Person } from '#test/person.ts'
import type { TestServer } from '#test/server.ts'
import { dumpTables } from '#test/sql.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

interface Scene extends AsyncDisposable {
  readonly server: TestServer
  readonly peer: FakePeer
  readonly owner: Person
  readonly clock: { offset: number }
  /** Puts something on its way to the peer. */
  send(text: string, lane?: string, to?: FakePeer): Promise<void>
  /** Moves the clock, and lets what is due happen. */
  pass(ms: number): Promise<void>
  /** What came to the peer, in order. */
  texts(): unknown[]
}

async function scene(env: Record<string, string> = {}): Promise<Scene> {
  const clock = { offset: 0 }
  const server = await startFederated({ clock, env })
  const peer = await FakePeer.start()
  const owner = await federatedPerson(server, 'owner')
  const self: Scene = {
    server,
    peer,
    owner,
    clock,
    send: async (text, lane = 'lane', to = peer) => {
      await server.ctx.db.transact(async (tx) =>
        enqueueDelivery(server.ctx, tx, {
          senderId: owner.id,
          inbox: `${to.origin}/users/bob/inbox`,
          lane,
          activity: { id: `${server.url}/ap/activities/${crypto.randomUUID()}`, type: 'Create', text },
        }),
      )
    },
    pass: async (ms) => {
      clock.offset += ms
      server.ctx.jobs.wake()
    },
    texts: () => peer.inbox('/users/bob/inbox').map(({ text }) => text),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await peer[Symbol.asyncDispose]()
    },
  }
  return self
}

type Queued = Pick<FederationDeliveryTable, 'state' | 'attempts' | 'reason' | 'is_revivable'>

/** Waits until the table of deliveries is as wanted. */
async function until(at: Scene, wanted: (rows: Queued[]) => boolean): Promise<Queued[]> {
  for (let count = 0; ; count++) {
    const rows = await at.server.ctx.db.read
      .selectFrom('federation_delivery')
      .select(['state', 'attempts', 'reason', 'is_revivable'])
      .orderBy('id')
      .execute()
    if (wanted(rows)) return rows
    if (count > 300)
      throw new Error(`it did not come to that: ${JSON.stringify(rows)}, ${at.peer.log.join()}`)
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
}

/** Waits until all that can be sent now has been tried. */
async function settled(at: Scene): Promise<void> {
  for (let count = 0; count < 300; count++) {
    at.server.ctx.jobs.wake()
    const now = Date.now() + at.clock.offset
    const rows = await at.server.ctx.db.read
      .selectFrom('job')
      .select('id')
      .where('type', '=', 'federation.deliver')
      .where((where) => where.or([where('state', '=', 'running'), where('run_at', '<=', now)]))
      .execute()
    if (rows.length === 0) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('deliveries do not come to rest')
}

const signIn = async (at: Scene): Promise<Person> => at.owner.signIn()
const failing = (status: number, headers: Record<string, string> = {}) =>
  (({ method }, response) =>
    method === 'POST' && Boolean(response.writeHead(status, headers).end())) satisfies FakePeer['misbehave']

test('a delivery that fails is tried after 30 s, 2 min, 10 min, 1 h and 6 h, and is a dead letter then', async () => {
  await using at = await scene()
  at.peer.misbehave = failing(500)
  await at.send('hello')
  for (const [index, step] of [30_000, 2 * MINUTE, 10 * MINUTE, HOUR, 6 * HOUR].entries()) {
    await until(at, ([row]) => row?.attempts === index + 1)
    expect(at.texts()).toHaveLength(index + 1)
    // The real clock goes on meanwhile: a little less than the step is not yet enough.
    await at.pass(step - 10_000)
    await settled(at)
    expect(at.texts()).toHaveLength(index + 1)
    await at.pass(10_000)
  }
  const [row] = await until(at, ([first]) => first?.state === 'dead')
  expect(row).toMatchObject({ attempts: 6, reason: 'the peer answered 500', is_revivable: 0 })
  expect(at.texts()).toHaveLength(6)
  await at.pass(2 * DAY)

  const owner = await signIn(at)
  const { body } = await owner.get('/api/v1/federation/dead-letters')
  expect(body.dead_letters).toMatchObject([
    {
      host: at.peer.host,
      sender_user_id: owner.id,
      activity_type: 'Create',
      attempts: 6,
      reason: 'the peer answered 500',
      retried_when_reachable: false,
    },
  ])
  expect(JSON.stringify(body)).not.toContain('hello')
  at.peer.misbehave = undefined
  const retry = await owner.post('/api/v1/federation/dead-letters/retry', { ids: [body.dead_letters[0].id] })
  expect(retry.body.count).toBe(1)
  await until(at, (rows) => rows.length === 0)
  expect(at.texts()).toEqual(Array.from({ length: 7 }, () => 'hello'))
})

test('what a peer will never take is given up at once, and holds up nothing', async () => {
  await using at = await scene()
  for (const status of [400, 403, 404, 410, 413, 301]) {
    at.peer.misbehave = failing(status)
    await at.send(`to ${status}`)
    await until(at, (rows) => rows.at(-1)?.reason === `the peer answered ${status}`)
  }
  expect((await until(at, () => true)).map(({ state, attempts }) => [state, attempts])).toEqual(
    Array.from({ length: 6 }, () => ['dead', 1]),
  )
  at.peer.misbehave = undefined
  await at.send('fine')
  await at.peer.until(() => at.texts().includes('fine'))
})

test('a peer that says when to come again is not asked before', async () => {
  await using at = await scene()
  at.peer.misbehave = failing(429, { 'retry-after': '300' })
  await at.send('hello')
  await until(at, ([row]) => row?.attempts === 1)
  at.peer.misbehave = undefined
  await at.pass(4 * MINUTE)
  await at.send('second', 'another lane')
  await settled(at)
  expect(at.texts()).toEqual(['hello'])
  await at.pass(MINUTE + 5000)
  await until(at, (rows) => rows.length === 0)
  expect(at.texts().toSorted()).toEqual(['hello', 'hello', 'second'])
})

test('what is in one lane arrives in order, whatever fails; other lanes do not wait for it', async () => {
  await using at = await scene()
  at.peer.misbehave = ({ body, method }, response) =>
    method === 'POST' && body.includes('"a1"') && Boolean(response.writeHead(500).end())
  for (const text of ['a1', 'a2', 'a3']) await at.send(text, 'a')
  for (const text of ['b1', 'b2', 'b3']) await at.send(text, 'b')
  await until(at, (rows) => rows.length === 3)
  expect(at.texts().filter((text) => text !== 'a1')).toEqual(['b1', 'b2', 'b3'])
  at.peer.misbehave = undefined
  await at.pass(30_000)
  await until(at, (rows) => rows.length === 0)
  expect(at.texts().slice(-3)).toEqual(['a1', 'a2', 'a3'])
})

test('a peer that is down is tried with one delivery at a time, and delays nobody else', async () => {
  await using at = await scene()
  await using slow = await FakePeer.start('127.0.0.5')
  await using other = await FakePeer.start('127.0.0.4')
  const held: (() => void)[] = []
  slow.misbehave = (_request, response) => {
    held.push(() => response.writeHead(202).end())
    return true
  }
  at.peer.misbehave = (_request, response) => Boolean(response.destroy())
  for (let count = 0; count < 5; count++) {
    await at.send(`down ${count}`, `lane ${count}`)
    await at.send(`slow ${count}`, `lane ${count}`, slow)
  }
  for (let count = 0; count < 5; count++) await at.send(`fine ${count}`, `lane ${count}`, other)
  await other.until(() => other.requests.length === 5)
  const isDown = (rows: Queued[]): boolean => rows.some((row) => row.attempts === 1)
  await until(at, isDown)
  await at.peer.until((requests) => requests.length <= 2)
  const before = at.peer.requests.length
  await until(at, (rows) => rows.filter((row) => row.attempts !== 0).length === before)
  await at.pass(31_000)
  await at.peer.until((requests) => requests.length === before + 1)
  await until(at, (rows) => rows.some((row) => row.attempts === 2))
  const owner = await signIn(at)
  const { body } = await owner.get('/api/v1/federation/peers')
  expect(body.peers.map(({ host, state, queued }: Record<string, unknown>) => [host, state, queued])).toEqual(
    [
      [at.peer.host, 'failing', 5],
      [other.host, 'ok', 0],
    ],
  )
  expect(body.peers[0]).toMatchObject({ failures: 2, last_failure: 'the host cannot be reached' })
  for (const release of held) release()
})

test('a peer that was away for a day gets everything when it is back, in order, each once', async () => {
  await using at = await scene()
  let isDown = true
  at.peer.misbehave = (_request, response) => isDown && Boolean(response.destroy())
  await at.send('first')
  for (let hour = 0; hour < 24; hour++) {
    await at.pass(HOUR)
    if (hour % 6 === 0) await at.send(`at ${hour}`)
    await settled(at)
  }
  await until(at, ([row]) => row?.state === 'dead' && row.is_revivable === 1)
  isDown = false
  at.peer.requests.length = 0
  await at.pass(HOUR + MINUTE)
  await until(at, (rows) => rows.length === 0)
  expect(at.texts()).toEqual(['first', 'at 0', 'at 6', 'at 12', 'at 18'])
})

test('a peer that lets itself be heard gets at once what waited for it', async () => {
  await using at = await scene()
  const bob = at.peer.person('bob').id
  at.peer.misbehave = ({ method }, response) => method === 'POST' && Boolean(response.destroy())
  await at.send('hello')
  await until(at, ([row]) => row?.attempts === 1)
  await at.pass(3 * MINUTE)
  await until(at, ([row]) => row?.attempts === 2)
  at.peer.misbehave = undefined
  at.clock.offset += 2 * MINUTE + 1000
  const activity = at.peer.activity(bob, { type: 'Like', object: 'x' })
  const how = { at: Date.now() + at.clock.offset }
  expect((await at.peer.deliver(at.server, '/ap/inbox', activity, how)).status).toBe(202)
  await at.pass(0)
  await until(at, (rows) => rows.length === 0 || rows[0]!.attempts === 2)
  const peer = await at.server.ctx.db.read.selectFrom('peer').selectAll().executeTakeFirstOrThrow()
  expect(peer).toMatchObject({ failures: 0, retry_at: null })
})

test('a domain that is blocked gets nothing any more, and nothing comes from it', async () => {
  await using at = await scene()
  const bob = at.peer.person('bob').id
  const owner = at.owner
  const domain = at.peer.host.split(':')[0]!
  const target = `${at.server.url}/ap/users/${owner.id}`
  const follow = () =>
    at.peer.deliver(at.server, '/ap/inbox', at.peer.activity(bob, { type: 'Follow', object: target }))
  expect((await follow()).status).toBe(202)
  at.peer.misbehave = failing(503)
  await at.send('secret')
  await until(at, (rows) => rows.some((row) => row.attempts === 1))
  at.peer.misbehave = undefined

  const rules = '/api/v1/federation/rules'
  const csv = `domain,action,reason\n${domain},block,spam\n`
  const dry = await owner.post(`${rules}/import`, { csv, dry_run: true })
  expect(dry.body).toMatchObject({ dry_run: true, added: 1, peers: [{ host: at.peer.host, follows: 1 }] })
  expect((await follow()).status).toBe(202)
  const before = at.peer.requests.length
  const blocked = await owner.put(rules, {
    json: { domain: `${domain}:8443`, action: 'block', reason: ' spam\n' },
  })
  expect(blocked.body.rule).toMatchObject({ domain, action: 'block', reason: 'spam', created_by: owner.id })

  const refused = await follow()
  expect(refused.status).toBe(403)
  for (const route of ['lookup', 'follow'] as const) {
    const answer =
      route === 'lookup'
        ? await owner.get('/api/v1/federation/lookup', { query: { handle: `new@${at.peer.host}` } })
        : await owner.post('/api/v1/federation/follow', { remote_handle: `new@${at.peer.host}` })
    expect([route, answer.status]).toEqual([route, route === 'lookup' ? 403 : 400])
  }
  await at.send('more')
  const rows = await until(at, (all) => all.every(({ state }) => state === 'dead'))
  expect(new Set(rows.map(({ reason }) => reason))).toEqual(
    new Set(['this server does not talk to that one']),
  )
  expect(at.peer.requests).toHaveLength(before)
  expect((await owner.get('/api/v1/federation/follows')).body.followers).toEqual([])
  expect((await owner.get('/api/v1/federation/peers')).body.peers[0]).toMatchObject({
    state: 'refused',
    rule: domain,
  })
  expect((await owner.get(`${rules}/export`)).body.csv).toBe(csv)
  expect((await owner.get('/api/v1/audit-log', { undescribed: true })).status).toBeLessThan(500)

  expect((await owner.delete(rules, { query: { domain } })).status).toBe(200)
  expect((await owner.delete(rules, { query: { domain } })).status).toBe(404)
  expect((await follow()).status).toBe(202)
  for (const bad of ['', '*.example', 'a b', 'x/y']) {
    expect((await owner.put(rules, { json: { domain: bad, action: 'block' } })).status).toBe(422)
  }
})

test('with a list of those who are allowed, nobody else is', async () => {
  await using at = await scene({ FEDERATION_MODE: 'allow_list' })
  const bob = at.peer.person('bob').id
  const look = () => at.owner.get('/api/v1/federation/lookup', { query: { handle: bob } })
  expect((await look()).status).toBe(403)
  expect(at.peer.log).toEqual([])
  const domain = at.peer.host.split(':')[0]!
  await at.owner.put('/api/v1/federation/rules', { json: { domain, action: 'allow' } })
  expect((await look()).status).toBe(200)
})

test('only who may manage federation sees peers and decides about them', async () => {
  await using at = await scene()
  const ann = await at.server.person('ann')
  for (const [method, path] of [
    ['GET', 'peers'],
    ['POST', 'peers/retry'],
    ['GET', 'rules'],
    ['PUT', 'rules'],
    ['DELETE', 'rules'],
    ['POST', 'rules/import'],
    ['GET', 'rules/export'],
    ['GET', 'dead-letters'],
    ['POST', 'dead-letters/retry'],
    ['POST', 'dead-letters/drop'],
  ] as const) {
    const url = `/api/v1/federation/${path}`
    const call =
      method === 'GET'
        ? ann.get(url)
        : method === 'POST'
          ? ann.post(url)
          : ann[method === 'PUT' ? 'put' : 'delete'](url)
    expect([method, path, (await call).status]).toEqual([method, path, 403])
  }
  expect((await at.owner.post('/api/v1/federation/dead-letters/drop', {})).status).toBe(400)
  expect((await at.owner.post('/api/v1/federation/peers/retry', { host: 'nobody.example' })).status).toBe(404)
})

test('the queue holds neither keys nor what people write', async () => {
  await using at = await scene()
  at.peer.misbehave = (_request, response) => Boolean(response.destroy())
  await at.send('nobody else should read this')
  await until(at, ([row]) => row?.attempts === 1)
  const dump = await dumpTables(at.server)
  expect(dump).not.toContain('nobody else')
  expect(dump).not.toContain('PRIVATE KEY')
  const secret = keyPair('ours').privateKey.export({ format: 'der', type: 'pkcs8' })
  expect(dump).not.toContain(secret.subarray(100, 140).toString('latin1'))
  expect(at.server.logLines.join('\n')).not.toContain('nobody else')
})

test('a peer that can check better signatures gets them; one that cannot after all gets the usual', async () => {
  await using at = await scene()
  const signedWith = (): unknown[] =>
    at.peer.requests
      .filter(({ method }) => method === 'POST')
      .map(({ headers }) => headers['signature-input'] ?? 'draft-cavage')
      .map((input) => /alg="([^"]*)"/.exec(String(input))?.[1] ?? input)
  let status = 202
  const offer = { 'accept-signature': 'sig1=("@method" "@target-uri" "content-digest");alg="ed25519"' }
  at.peer.misbehave = (_request, response) => Boolean(response.writeHead(status, offer).end())
  await at.send('1')
  await until(at, (rows) => rows.length === 0)
  status = 401
  await at.send('2')
  await until(at, ([row]) => row?.attempts === 1)
  status = 202
  await at.pass(31_000)
  await until(at, (rows) => rows.length === 0)
  await at.send('3')
  await until(at, (rows) => rows.length === 0)
  expect(signedWith()).toEqual(['draft-cavage', 'ed25519', 'draft-cavage', 'draft-cavage'])
})
