import { expect, test } from 'vitest'
import { changeSettings } from '#features/instance/index.ts'
import type { Person } from '#test/person.ts'
import { checkVapid, Device, PushService } from '#test/push-service.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

const base = '/api/v1/notifications'
const SUBSCRIPTIONS = `${base}/push/subscriptions`
const env = { FEDERATION_ALLOW_PRIVATE: '1' }

/** Waits until no work is left. */
async function workDone(server: TestServer): Promise<void> {
  await expect
    .poll(() => runSql(server, "select id from job where type like 'notifications.%'"), {
      timeout: 8000,
    })
    .toEqual([])
}

test('who is away gets what concerns them, signed and encrypted for their device, without a word of it', async () => {
  await using service = await PushService.start()
  await using server = await startServer({ env })
  const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
  const channel = await owner!.createChannel('general')
  const device = await Device.make(`${service.origin}/push/ann`)
  const id = await device.subscribe(ann!)
  const { public_key } = (await ann!.get(`${base}/push/key`)).body

  await owner!.send(channel, 'nothing for anybody')
  const message = await owner!.send(channel, 'the secret plan, @ann')
  const pushed = await service.next()
  expect(pushed.path).toBe('/push/ann')
  expect(pushed.headers).toMatchObject({
    'content-encoding': 'aes128gcm',
    'content-type': 'application/octet-stream',
    ttl: '86400',
    urgency: 'high',
    topic: expect.stringMatching(/^[\w-]{32}$/),
  })
  const claims = await checkVapid(pushed, public_key)
  expect(claims['aud']).toBe(service.origin)
  const seconds = Number(claims['exp']) - Date.now() / 1000
  expect(seconds).toBeGreaterThan(3600)
  expect(seconds).toBeLessThanOrEqual(24 * 3600)
  expect(await device.open(pushed)).toEqual({
    type: 'mention',
    server: server.url,
    channel_id: channel,
    conversation_id: null,
    message_id: message,
  })

  // With the owner's leave, what was said.
  await changeSettings(server.ctx, { push_message_text: true })
  const direct = await bob!.post('/api/v1/dms/send', { peer: 'ann', message: `hello ${'x'.repeat(300)}` })
  const second = await service.next()
  expect(await device.open(second)).toMatchObject({
    type: 'direct',
    conversation_id: direct.body.result.conversation_id,
    sender_user_id: bob!.id,
    sender_username: 'bob',
    message: `hello ${'x'.repeat(194)}`,
  })
  expect(second.headers['topic']).not.toBe(pushed.headers['topic'])

  // A message to all, and one for who wants all.
  await owner!.send(channel, '@channel')
  expect(await device.open(await service.next())).toMatchObject({ type: 'mention' })
  await ann!.put(`${base}/preferences/${channel}`, { json: { level: 'all' } })
  await expect.poll(() => server.ctx.notifications.interest.wantsAll(channel)).toBe(true)
  await owner!.send(channel, 'news')
  const third = await service.next()
  expect(await device.open(third)).toMatchObject({ type: 'message', message: 'news' })
  expect(third.headers['urgency']).toBe('normal')

  expect(await ann!.get(SUBSCRIPTIONS)).toMatchObject({
    body: { subscriptions: [{ subscription_id: id, created_at: expect.any(String) }] },
  })
  expect(await bob!.delete(`${SUBSCRIPTIONS}/${id}`)).toMatchObject({ status: 404 })
  expect(await ann!.delete(`${SUBSCRIPTIONS}/${id}`)).toMatchObject({ status: 200 })
  await owner!.send(channel, '@ann')
  await workDone(server)
  expect(service.pushed).toHaveLength(4)
})

test('nobody is reached who has read it, sees it no more, muted it, wants quiet, blocked its author or signed out', async () => {
  await using service = await PushService.start()
  await using server = await startServer({ env })
  const names = ['reader', 'gone', 'muted', 'quiet', 'blocker', 'out', 'banned', 'outsider', 'ann'] as const
  const [owner] = await server.people('owner', ...names)
  const people: Record<string, Person> = {}
  for (const name of names) people[name] = await server.person(name)
  const members = names.filter((name) => name !== 'outsider').map((name) => people[name]!)
  const channel = await owner!.createChannel('general', { private: true, members })
  for (const name of names) {
    await (await Device.make(`${service.origin}/push/${name}`)).subscribe(people[name]!)
  }
  await people['muted']!.put(`${base}/preferences/${channel}`, { json: { muted: true } })
  await people['quiet']!.put('/api/v1/users/profile', { json: { status: 'dnd' } })
  await people['blocker']!.post('/api/v1/dms/block', { peer: 'owner' })
  await people['out']!.post('/api/v1/auth/revoke', { refresh_token: people['out']!.refreshToken })
  await owner!.post(`/api/v1/moderation/users/${people['banned']!.id}/ban`, { reason: 'x' })
  // These two have a socket open, and so some time to look.
  using first = await people['reader']!.connect()
  using second = await people['gone']!.connect()
  await expect.poll(() => runSql(server, 'select user_id from presence')).toHaveLength(2)

  const text = `@everyone ${names.map((name) => `@${name}`).join(' ')}`
  const message = await owner!.send(channel, text)
  expect((await service.next()).path).toBe('/push/ann')
  for (const socket of [first, second]) await socket.next('notification_created')
  await people['reader']!.put(`/api/v1/channels/${channel}/mark_message_as_read`, {
    query: { message_id: message },
  })
  await owner!.removeMember(channel, people['gone']!)
  server.passTime(31_000)
  await workDone(server)
  expect(service.pushed.map(({ path }) => path)).toEqual(['/push/ann'])
})

test('who has a socket open is reached when they have not looked for a while', async () => {
  await using service = await PushService.start()
  await using server = await startServer({ env })
  const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
  const channel = await owner!.createChannel('general')
  const device = await Device.make(`${service.origin}/push/ann`)
  await device.subscribe(ann!)
  await (await Device.make(`${service.origin}/push/bob`)).subscribe(bob!)
  using _socket = await ann!.connect()
  await expect.poll(() => runSql(server, 'select user_id from presence')).toHaveLength(1)
  const message = await owner!.send(channel, '@ann @bob')
  expect((await service.next()).path).toBe('/push/bob')
  server.passTime(31_000)
  expect(await device.open(await service.next())).toMatchObject({ message_id: message })
  await workDone(server)
  expect(service.pushed).toHaveLength(2)
})

test('a push service that has trouble is asked again, and one that knows the device no more is not', async () => {
  await using service = await PushService.start()
  await using server = await startServer({ env })
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  const device = await Device.make(`${service.origin}/push/ann`)
  await device.subscribe(ann!)
  Object.assign(service, { status: 429, headers: { 'retry-after': '600' } })
  await owner!.send(channel, '@ann')
  await service.next()
  const waits = async (): Promise<unknown[]> => {
    const rows = await runSql(server, "select state, failures from job where type = 'notifications.deliver'")
    return rows.map(({ state, failures }) => [state, Number(failures)])
  }
  await expect.poll(waits).toEqual([['waiting', 0]])
  Object.assign(service, { status: 503, headers: {} })
  server.passTime(601_000)
  await service.next()
  await expect.poll(waits).toEqual([['waiting', 1]])
  service.status = 410
  server.passTime(20_000)
  await service.next()
  await workDone(server)
  await expect.poll(async () => (await ann!.get(SUBSCRIPTIONS)).body.subscriptions).toEqual([])
  await owner!.send(channel, '@ann')
  await workDone(server)
  expect(service.pushed).toHaveLength(3)
})

test('addresses that requests must not go to, and keys that are none, are refused', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const { keys } = await Device.make('')
  const good = 'https://push.example.net/x'
  for (const endpoint of [
    'http://push.example.net/x',
    'https://127.0.0.1/x',
    'https://[::1]/x',
    'https://169.254.169.254/latest',
    'https://localhost/x',
    'https://2130706433/x',
    'https://printer.local/x',
    'https://push.example.net:22/x',
    'https://a:b@push.example.net/x',
    'nonsense',
  ]) {
    const answer = await ann.post(SUBSCRIPTIONS, { endpoint, keys })
    expect(answer, endpoint).toMatchObject({ status: 422 })
  }
  for (const bad of [{ ...keys, auth: 'AAAA' }, { ...keys, p256dh: keys.auth }, {}]) {
    expect(await ann.post(SUBSCRIPTIONS, { endpoint: good, keys: bad })).toMatchObject({ status: 422 })
  }
  expect(await ann.get(SUBSCRIPTIONS)).toMatchObject({ body: { subscriptions: [] } })

  // One a session, and no more than so many a person.
  await ann.post(SUBSCRIPTIONS, { endpoint: `${good}/a`, keys })
  await ann.post(SUBSCRIPTIONS, { endpoint: `${good}/b`, keys })
  expect((await ann.get(SUBSCRIPTIONS)).body.subscriptions).toHaveLength(1)
  for (let n = 1; n <= 20; n++) {
    const { status } = await (await ann.signIn()).post(SUBSCRIPTIONS, { endpoint: `${good}/${n}`, keys })
    expect(status).toBe(n < 20 ? 201 : 409)
  }
  // Nothing of it is in clear in the database.
  const rows = await runSql(server, 'select * from push_subscription')
  expect(Buffer.concat(rows.map(({ sealed }) => sealed as Buffer)).toString('latin1')).not.toContain(
    'push.example',
  )
})
