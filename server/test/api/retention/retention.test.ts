import { expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

const SERVER = '/api/v1/system/message-retention'
const DAY = 24 * 3_600_000

function ofChannel(id: string): string {
  return `/api/v1/channels/${id}/retention`
}

async function setDays(person: Person, path: string, days: number | null): Promise<void> {
  const { status, body } = await person.put(path, { json: { days } })
  expect(status, JSON.stringify(body)).toBe(200)
  expect(body.days).toBe(days)
}

/** Lets days pass, in which access tokens expire. */
async function passDays(server: TestServer, days: number, ...people: Person[]): Promise<void> {
  server.passTime(days * DAY)
  for (const person of people) Object.assign(person, { token: (await person.signIn()).token })
}

async function unread(person: Person, channel: string): Promise<number> {
  const { body } = await person.get('/api/v1/channels/read-history')
  return body.unread_counts[channel] as number
}

test('messages are kept for ever unless the server or the channel says otherwise', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  await owner.send(channel, 'old')
  await passDays(server, 1000, owner)
  await owner.runTask('message_retention')
  expect(await owner.load(channel)).toEqual(['old'])
  expect((await owner.get(SERVER)).body).toEqual({ status_code: 200, days: 0, channels: {} })
})

test('a channel may keep its messages longer or shorter than the server', async () => {
  await using server = await startServer()
  const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
  const [general, brief, archive] = [
    await owner.createChannel('general'),
    await owner.createChannel('brief'),
    await owner.createChannel('archive'),
  ]
  await setDays(owner, SERVER, 10)
  await setDays(owner, ofChannel(brief), 2)
  await setDays(owner, ofChannel(archive), 0)
  expect((await ann.get(ofChannel(brief))).body).toMatchObject({ days: 2, effective_days: 2 })
  expect((await ann.get(ofChannel(archive))).body).toMatchObject({ days: 0, effective_days: 0 })
  expect((await ann.get(ofChannel(general))).body).toMatchObject({ days: null, effective_days: 10 })
  for (const channel of [general, brief, archive]) await owner.send(channel, 'first')
  await passDays(server, 3, owner)
  for (const channel of [general, brief, archive]) await owner.send(channel, 'second')
  await owner.runTask('message_retention')
  expect(await owner.load(general)).toEqual(['first', 'second'])
  expect(await owner.load(brief)).toEqual(['second'])
  await passDays(server, 8, owner)
  await owner.runTask('message_retention')
  expect(await owner.load(general)).toEqual(['second'])
  expect(await owner.load(brief)).toEqual([])
  expect(await owner.load(archive)).toEqual(['first', 'second'])
  await setDays(owner, ofChannel(archive), null)
  expect((await owner.get(SERVER)).body).toMatchObject({ days: 10, channels: { [brief]: 2 } })
  await owner.runTask('message_retention')
  expect(await owner.load(archive)).toEqual(['second'])
  const rows = await runSql(server, 'select id from message')
  expect(rows, 'nothing of the others is left').toHaveLength(2)
})

test('what was removed is not unread any more, numbers go on, and sockets are told', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = (await server.people('owner', 'ann', 'bob')) as [Person, Person, Person]
  const channel = await owner.createChannel('general')
  const sent: string[] = []
  for (let n = 1; n <= 6; n++) sent.push(await owner.send(channel, `old ${n}`))
  await ann.put(`/api/v1/channels/${channel}/mark_message_as_read`, { query: { message_id: sent[1]! } })
  await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: sent[3]! } })
  expect([await unread(owner, channel), await unread(ann, channel), await unread(bob, channel)]).toEqual([
    0, 3, 5,
  ])
  await passDays(server, 2, owner, ann, bob)
  await owner.send(channel, 'new')
  await setDays(owner, SERVER, 1)
  using socket = await bob.connect({ resume: 'now' })
  const start = (await socket.next('ready')).cursor as string
  await owner.runTask('message_retention')
  expect(await socket.next('messages_removed')).toEqual({
    type: 'messages_removed',
    channel_id: channel,
    up_to_seq: 6,
    cursor: expect.any(String),
  })
  expect([await unread(owner, channel), await unread(ann, channel), await unread(bob, channel)]).toEqual([
    0, 1, 1,
  ])
  for (const person of [owner, bob]) {
    const { body } = await person.get(`/api/v1/channels/${channel}/load_messages`)
    expect(body.messages).toMatchObject([{ message: 'new', seq: 7 }])
  }
  await owner.send(channel, 'newer')
  expect(await socket.next('message')).toMatchObject({ seq: 8 })
  expect(await unread(bob, channel)).toBe(2)
  // Whoever was away is told as well, and is not sent what is gone.
  using late = await bob.connect({ resume: start })
  await late.next('ready')
  expect(late.frames.map(({ type }) => type)).toEqual(['messages_removed', 'message', 'ready'])
  expect(
    (await bob.put(`/api/v1/channels/${channel}/mark_message_as_read`, { query: { message_id: sent[5]! } }))
      .status,
  ).toBe(404)
})

test('more than one batch is removed, and nothing that is younger', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const now = server.ctx.clock()
  await server.ctx.db.transact(async (tx) => {
    for (let seq = 1; seq <= 1200; seq++) {
      tx.later(
        tx.insertInto('message').values({
          id: crypto.randomUUID(),
          channel_id: channel,
          seq,
          sender_id: owner.id,
          kid: null,
          sealed: null,
          revision: 1,
          sent_at: now - 2 * DAY + seq * 120_000,
          deleted_at: now,
          deleted_by: owner.id,
          has_files: 0,
          changes: 0,
          thread_replies: 0,
          reaction_count: 0,
        }),
      )
    }
    await tx.updateTable('channel').set({ last_seq: 1200 }).where('id', '=', channel).execute()
  })
  await setDays(owner, ofChannel(channel), 1)
  await owner.runTask('message_retention')
  const kept = await runSql(server, 'select min(seq) as first, count(*) as count from message')
  const first = Number(kept[0]!['first'])
  // 720 of them are 24 hours.
  expect(first).toBeGreaterThanOrEqual(720)
  expect(first).toBeLessThanOrEqual(722)
  expect(Number(kept[0]!['count'])).toBe(1200 - first + 1)
})

test('who may change it, and what is refused', async () => {
  await using server = await startServer()
  const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
  const secret = await owner.createChannel('secret', { private: true })
  const open = await owner.createChannel('open')
  expect((await ann.get(SERVER)).status).toBe(403)
  expect((await ann.put(SERVER, { json: { days: 1 } })).status).toBe(403)
  expect((await ann.put(ofChannel(open), { json: { days: 1 } })).status).toBe(403)
  expect((await ann.get(ofChannel(secret))).status).toBe(404)
  expect((await owner.put(ofChannel(crypto.randomUUID()), { json: { days: 1 } })).status).toBe(404)
  for (const days of [-1, 1.5, 36_501, 'x']) {
    expect((await owner.put(SERVER, { json: { days } })).status).toBe(422)
    expect((await owner.put(ofChannel(open), { json: { days } })).status).toBe(422)
  }
  expect((await owner.put(SERVER, { json: { days: null } })).status).toBe(422)
  expect((await owner.get(SERVER)).body).toMatchObject({ days: 0, channels: {} })
  await setDays(owner, ofChannel(open), 5)
  const audit = await owner.get('/api/v1/system/audit-log', { query: { action: 'retention.changed' } })
  expect(audit.body.entries).toMatchObject([{ target: { type: 'channel', id: open }, details: { days: 5 } }])
})
