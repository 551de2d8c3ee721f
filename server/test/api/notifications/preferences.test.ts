import { expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'

const base = '/api/v1/notifications'

async function choose(person: Person, channel: string, json: object) {
  const { status, body } = await person.put(`${base}/preferences/${channel}`, { json })
  expect(status, JSON.stringify(body)).toBe(200)
  return body.preference
}

async function unread(person: Person): Promise<number> {
  return (await person.get(`${base}/unread_count`)).body.unread_count
}

test('a muted channel concerns nobody, for good or until a time, and stays silent about it', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  using socket = await ann!.connect()
  const speak = async (): Promise<void> => {
    await owner!.send(channel, '@ann')
    await owner!.send(channel, '@channel')
    server.passTime(1000)
  }
  await speak()
  expect(await unread(ann!)).toBe(2)

  expect(await choose(ann!, channel, { muted: true })).toEqual({
    user_id: ann!.id,
    channel_id: channel,
    muted: true,
    mention_only: false,
    muted_until: null,
    level: 'nothing',
    updated_at: expect.any(String),
  })
  expect(await socket.next('notification_preferences_changed')).toEqual({
    type: 'notification_preferences_changed',
    channel_id: channel,
  })
  await speak()
  expect(await unread(ann!)).toBe(2)
  expect(await choose(ann!, channel, {})).toMatchObject({ muted: false, level: null })
  // What was said meanwhile does not come back.
  expect(await unread(ann!)).toBe(2)
  await speak()
  expect(await unread(ann!)).toBe(4)

  const hour = 3600 * 1000
  const until = new Date(Date.now() + 2 * hour).toISOString().replace('Z', '+00:00')
  expect(await choose(ann!, channel, { muted: true, muted_until: until, mention_only: true })).toMatchObject({
    muted: true,
    mention_only: true,
    muted_until: until,
    level: 'nothing',
  })
  await speak()
  expect(await unread(ann!)).toBe(4)
  server.passTime(3 * hour)
  const [owner2, ann2] = [await owner!.signIn(), await ann!.signIn()]
  await owner2.send(channel, '@ann')
  await owner2.send(channel, '@channel')
  expect(await unread(ann2)).toBe(6)
  expect((await ann2.get(`${base}/preferences`)).body.preferences).toMatchObject([
    { channel_id: channel, muted: false, mention_only: true, muted_until: null, level: 'mentions' },
  ])
  expect(await ann2.delete(`${base}/preferences/${channel}`)).toMatchObject({ body: { existed: true } })
  expect(await ann2.delete(`${base}/preferences/${channel}`)).toMatchObject({ body: { existed: false } })
  expect((await ann2.get(`${base}/preferences`)).body.preferences).toEqual([])
  expect(await unread(ann2)).toBe(6)
})

test('nothing is nothing, everywhere or in one channel', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const [general, quiet] = [await owner!.createChannel('general'), await owner!.createChannel('quiet')]
  expect(await ann!.get(`${base}/settings`)).toMatchObject({ body: { level: 'mentions' } })
  expect(await ann!.put(`${base}/settings`, { json: { level: 'nothing' } })).toMatchObject({
    body: { level: 'nothing' },
  })
  await choose(ann!, general, { level: 'mentions' })
  using socket = await ann!.connect()
  for (const channel of [quiet, general]) {
    await owner!.send(channel, '@ann')
    await owner!.send(channel, '@channel')
  }
  for (let n = 0; n < 2; n++) {
    expect(await socket.next('notification_created')).toMatchObject({ notification: { channel_id: general } })
  }
  expect(await unread(ann!)).toBe(2)
  expect((await socket.settled()).filter(({ type }) => type === 'notification_created')).toHaveLength(2)
})

test('bad choices change nothing', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  for (const json of [
    { muted: 'perhaps' },
    { level: 'some' },
    { muted: true, muted_until: 'tomorrow' },
    { muted: true, muted_until: '2020-01-01' },
    { muted: false, muted_until: '2999-01-01' },
  ]) {
    expect(await ann!.put(`${base}/preferences/${channel}`, { json }), JSON.stringify(json)).toMatchObject({
      status: 422,
    })
  }
  expect(await ann!.put(`${base}/settings`, { json: { level: 'x' } })).toMatchObject({ status: 422 })
  expect(await ann!.get(`${base}/preferences`)).toMatchObject({ body: { preferences: [] } })
  const unknown = '01a20bc9-c373-7000-9b74-ae5f2326c4fd'
  expect(await ann!.put(`${base}/preferences/${unknown}`, { json: {} })).toMatchObject({ status: 404 })
})
