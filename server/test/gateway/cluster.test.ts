import { randomBytes } from 'node:crypto'
import { describe, expect, inject, test } from 'vitest'
import { Person } from '#test/person.ts'
import { Device, PushService } from '#test/push-service.ts'
import { hasRedis, TestRedis } from '#test/redis.ts'
import { newPlace, startServer, type Place, type TestServer } from '#test/server.ts'

const onPostgres = inject('database') === 'postgres'

/** Somebody's session at another process of the same server. */
function at(server: TestServer, person: Person): Person {
  server.secrets.add(person.token)
  const { name, password, id, token, refreshToken } = person
  return new Person(server, { name, password, id, token, refreshToken })
}

interface Cluster extends AsyncDisposable {
  /** A further process. It stops with the cluster at the latest. */
  start(env?: Record<string, string>): Promise<TestServer>
}

async function newCluster(redisUrl?: string): Promise<Cluster> {
  const stack = new AsyncDisposableStack()
  const place = stack.use(await newPlace())
  const env = {
    MASTER_KEY: randomBytes(32).toString('base64'),
    PUBLIC_ORIGIN: 'https://chat.example',
    GATEWAY_PRESENCE_GRACE_SECONDS: '0',
    ...(redisUrl !== undefined && { REDIS_URL: redisUrl }),
  }
  return {
    start: async (further = {}) => {
      const own = stack.use(await ownFolder(place))
      return stack.use(await startServer({ place: own, env: { ...env, ...further } }))
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** The same database, with a data folder of its own. */
async function ownFolder(place: Place): Promise<Place> {
  const { mkdtempSync, rmSync } = await import('node:fs')
  const dataDir = mkdtempSync(`${place.dataDir}-process-`)
  return {
    dataDir,
    env: place.env,
    [Symbol.asyncDispose]: async () => rmSync(dataDir, { recursive: true, force: true }),
  }
}

/** The same behaviour whatever carries events: at once over Redis, within a second or two without it. */
const links: readonly [string, boolean][] = [
  ['over Redis', true],
  ['without Redis', false],
]

describe.runIf(onPostgres).each(links)('two processes %s', (_name, linked) => {
  test.runIf(!linked || hasRedis())(
    'bring what is said at one to the sockets at the other, in order and once',
    async () => {
      await using redis = linked ? await TestRedis.start() : undefined
      await using cluster = await newCluster(redis?.url)
      const [one, two] = [await cluster.start(), await cluster.start()]
      const [owner, bob] = await one.people('owner', 'bob')
      const channel = await owner!.createChannel('general')
      const hidden = await owner!.createChannel('hidden', { private: true })
      using socket = await at(two, bob!).connect({ resume: 'now' })
      await socket.next('ready')
      const ownerAtTwo = at(two, owner!)
      for (let number = 1; number <= 20; number++) {
        await (number % 3 === 0 ? ownerAtTwo : owner!).send(channel, String(number))
        await owner!.send(hidden, `hidden ${number}`)
      }
      await expect.poll(() => socket.texts.length, { timeout: 10_000 }).toBe(20)
      expect(new Set(socket.texts)).toEqual(
        new Set(Array.from({ length: 20 }, (_, index) => String(index + 1))),
      )
      // Each process keeps its own order.
      const from = (remote: boolean): number[] =>
        socket.texts.map(Number).filter((number) => (number % 3 === 0) !== remote)
      for (const order of [from(true), from(false)]) expect(order).toEqual(order.toSorted((a, b) => a - b))

      // A cursor of one process goes on at the other.
      const { cursor } = socket
      const later = await owner!.send(channel, 'later')
      using elsewhere = await bob!.connect({ resume: cursor })
      await elsewhere.next('ready')
      expect(elsewhere.texts).toEqual(['later'])

      // What is changed at one is told and shown at the other, which has the page at hand.
      expect((await at(two, bob!).load(channel)).at(-1)).toBe('later')
      const path = `/api/v1/channels/${channel}/messages/${later}`
      await owner!.put(path, { json: { message: 'changed' } })
      await bob!.post(`${path}/reactions?emoji=x`)
      expect(await socket.next('message_edited')).toMatchObject({ message: 'changed' })
      expect(await socket.next('message_reaction_added')).toMatchObject({
        emoji: 'x',
        reactions: [{ user_ids: [bob!.id] }],
      })
      expect((await at(two, bob!).load(channel)).at(-1)).toBe('changed')
    },
  )

  test.runIf(!linked || hasRedis())(
    'tell people at the other of what concerns them, by socket and push',
    async () => {
      await using redis = linked ? await TestRedis.start() : undefined
      await using cluster = await newCluster(redis?.url)
      const further = { FEDERATION_ALLOW_PRIVATE: '1' }
      const [one, two] = [await cluster.start(further), await cluster.start(further)]
      await using service = await PushService.start()
      const [owner, ann, bob] = await one.people('owner', 'ann', 'bob')
      const channel = await owner!.createChannel('general')
      using socket = await at(two, ann!).connect()
      const named = await owner!.send(channel, '@ann')
      const shared = await owner!.send(channel, '@channel')
      // Frames of events that are told once need Redis between processes.
      if (linked) {
        expect(await socket.next('notification_created')).toMatchObject({
          notification: { message_id: named },
        })
        expect(await socket.next('notification_created')).toMatchObject({
          notification: { message_id: shared, user_id: ann!.id },
        })
      }
      expect((await at(two, ann!).get('/api/v1/notifications/')).body.notifications).toMatchObject([
        { message_id: shared },
        { message_id: named },
      ])
      // Who was reached by none until now is known at the other process, too.
      await (await Device.make(`${service.origin}/push/bob`)).subscribe(at(two, bob!))
      await expect.poll(() => one.ctx.notifications.interest.isAny, { timeout: 5000 }).toBe(true)
      await owner!.send(channel, '@bob')
      expect((await service.next()).path).toBe('/push/bob')
    },
  )

  test.runIf(!linked || hasRedis())('end sessions, change members and settings at both', async () => {
    await using redis = linked ? await TestRedis.start() : undefined
    await using cluster = await newCluster(redis?.url)
    const [one, two] = [await cluster.start(), await cluster.start()]
    const [owner, bob] = await one.people('owner', 'bob')
    const hidden = await owner!.createChannel('hidden', { private: true })
    const bobAtTwo = at(two, bob!)
    using socket = await bobAtTwo.connect({ resume: 'now' })
    await socket.next('ready')
    await owner!.addMember(hidden, bob!)
    await owner!.send(hidden, 'for members')
    await expect.poll(() => socket.texts, { timeout: 10_000 }).toEqual(['for members'])
    await owner!.removeMember(hidden, bob!)
    await owner!.send(hidden, 'not for bob')
    const { status } = await bob!.post('/api/v1/users/profile/reset-auth-token', { password: bob!.password })
    expect(status).toBe(200)
    await expect
      .poll(async () => (await bobAtTwo.post('/api/v1/users/profile')).status, { timeout: 15_000 })
      .toBe(401)
    expect((await socket.closed()).code).toBe(1008)
    expect(socket.texts).toEqual(['for members'])

    const general = await owner!.createChannel('general')
    const settings = { MAX_MESSAGE_LENGTH: 5 }
    await owner!.put('/api/v1/system/runtime-config', { json: { settings } })
    const send = () =>
      at(two, owner!).post(`/api/v1/channels/${general}/send_message`, { message: 'too long' })
    await expect.poll(async () => (await send()).status, { timeout: 15_000 }).toBe(400)
  })

  test.runIf(!linked || hasRedis())('know who is here at either', async () => {
    await using redis = linked ? await TestRedis.start() : undefined
    await using cluster = await newCluster(redis?.url)
    const [one, two] = [await cluster.start(), await cluster.start()]
    const [owner, bob] = await one.people('owner', 'bob')
    const statusOfBob = async (server: TestServer): Promise<string> => {
      const { body } = await at(server, owner!).post('/api/v1/users/profile', { user_id: bob!.id })
      return body.user_data.status as string
    }
    using first = await bob!.connect()
    {
      using second = await at(two, bob!).connect()
      await second.settled()
      await expect.poll(() => statusOfBob(two)).toBe('online')
    }
    await first.settled()
    // Gone from one, still at the other.
    await expect
      .poll(() =>
        two.ctx.db.read.selectFrom('presence').select('stream').where('user_id', '=', bob!.id).execute(),
      )
      .toEqual([{ stream: one.ctx.eventLog.stream }])
    expect(await statusOfBob(two)).toBe('online')
    first.socket.terminate()
    await expect.poll(() => statusOfBob(two)).toBe('offline')
  })
})

describe.runIf(onPostgres && hasRedis())('when Redis goes away', () => {
  test('nothing that is said is lost, and it comes at once again when Redis is back', async () => {
    await using redis = await TestRedis.start()
    await using cluster = await newCluster(redis.url)
    const [one, two] = [await cluster.start(), await cluster.start()]
    const [owner, bob] = await one.people('owner', 'bob')
    const channel = await owner!.createChannel('general')
    using socket = await at(two, bob!).connect({ resume: 'now' })
    await socket.next('ready')
    await owner!.send(channel, 'with Redis')
    await expect.poll(() => socket.texts).toEqual(['with Redis'])
    await redis.kill()
    for (const text of ['without', 'any', 'Redis']) await owner!.send(channel, text)
    await expect
      .poll(() => socket.texts, { timeout: 10_000 })
      .toEqual(['with Redis', 'without', 'any', 'Redis'])
    await redis.start()
    await owner!.send(channel, 'with Redis again')
    await expect.poll(() => socket.texts.at(-1), { timeout: 10_000 }).toBe('with Redis again')
    expect(socket.texts).toHaveLength(5)
  })
})

describe.runIf(onPostgres && hasRedis())('when one process alone cannot reach Redis', () => {
  test('what it ends is ended at the others, too', async () => {
    await using redis = await TestRedis.start()
    await using cluster = await newCluster(redis.url)
    const one = await cluster.start({ REDIS_URL: 'redis://127.0.0.1:1/0' })
    const two = await cluster.start()
    const [, bob] = await one.people('owner', 'bob')
    const bobAtTwo = at(two, bob!)
    using socket = await bobAtTwo.connect()
    await socket.settled()
    const { status } = await bob!.post('/api/v1/users/profile/reset-auth-token', { password: bob!.password })
    expect(status).toBe(200)
    expect((await socket.closed()).code).toBe(1008)
    expect((await bobAtTwo.post('/api/v1/users/profile')).status).toBe(401)
  })
})

test.runIf(onPostgres)('what a process that died had no time to tell is told by the log', async () => {
  await using cluster = await newCluster()
  const [one, two] = [await cluster.start(), await cluster.start()]
  const [owner, bob] = await one.people('owner', 'bob')
  const channel = await owner!.createChannel('general')
  using gone = await bob!.connect()
  await gone.settled()
  using socket = await at(two, owner!).connect({ resume: 'now' })
  await socket.next('ready')
  await owner!.send(channel, 'last words')
  await one.stop()
  await expect.poll(() => socket.texts, { timeout: 10_000 }).toEqual(['last words'])
  // Whoever was there is gone with it.
  await expect
    .poll(async () => {
      const { body } = await at(two, owner!).post('/api/v1/users/profile', { user_id: bob!.id })
      return body.user_data.status as string
    })
    .toBe('offline')
})
