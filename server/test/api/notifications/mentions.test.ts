import { expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { createRole, override, setRoles } from '#test/roles.ts'
import { startServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

const base = '/api/v1/notifications'

async function list(person: Person, query: Record<string, string | number> = {}) {
  const { status, body } = await person.get(`${base}/`, { query })
  expect(status, JSON.stringify(body)).toBe(200)
  return body
}

/** Ids of the messages that concern somebody, newest first. */
async function messagesFor(person: Person): Promise<string[]> {
  return (await list(person)).notifications.map(({ message_id }: { message_id: string }) => message_id)
}

async function unread(person: Person) {
  const { status, body } = await person.get(`${base}/unread_count`)
  expect(status).toBe(200)
  return body
}

test('a mention reaches the person by socket and list, and is read once, by itself or with its channel', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
  const channel = await owner!.createChannel('general')
  using socket = await bob!.connect()
  using other = await ann!.connect()

  await ann!.send(channel, 'hello all, mail bob@example.org')
  const first = await ann!.send(channel, 'hi @Bob, and me @ann')
  const { notification, ...frame } = await socket.next('notification_created')
  expect(frame).toEqual({ type: 'notification_created' })
  expect(notification).toEqual({
    notification_id: expect.any(String),
    user_id: bob!.id,
    type: 'mention',
    actor_user_id: ann!.id,
    channel_id: channel,
    message_id: first,
    created_at: expect.any(String),
    read_at: null,
  })
  expect(await list(bob!)).toMatchObject({ notifications: [notification], unread_count: 1, next: null })
  expect(await unread(bob!)).toMatchObject({ unread_count: 1, channels: { [channel]: 1 } })
  expect(await list(ann!)).toMatchObject({ notifications: [], unread_count: 0 })

  const path = `${base}/${notification.notification_id}/read`
  expect(await ann!.post(path)).toMatchObject({ status: 404 })
  expect(await bob!.post(path)).toMatchObject({ body: { already_read: false, unread_count: 0 } })
  expect(await socket.next('notification_read')).toEqual({
    type: 'notification_read',
    notification_id: notification.notification_id,
    unread_count: 0,
  })
  expect(await bob!.post(path)).toMatchObject({ body: { already_read: true, unread_count: 0 } })
  expect(await list(bob!, { unread_only: 'true' })).toMatchObject({ notifications: [] })
  expect((await list(bob!)).notifications[0].read_at).not.toBeNull()

  // What was read in the channel is read here.
  const second = await ann!.send(channel, '@bob @bob @bob.')
  expect(await unread(bob!)).toMatchObject({ unread_count: 1 })
  await bob!.put(`/api/v1/channels/${channel}/mark_message_as_read`, { query: { message_id: second } })
  expect(await unread(bob!)).toMatchObject({ unread_count: 0, channels: {} })
  const [passed] = (await list(bob!)).notifications
  expect(passed).toMatchObject({ message_id: second, read_at: expect.any(String) })

  await ann!.send(channel, '@bob')
  await ann!.send(channel, '@bob')
  expect(await bob!.post(`${base}/read-all`)).toMatchObject({ body: { marked: 2, unread_count: 0 } })
  expect(await bob!.post(`${base}/read-all`)).toMatchObject({ body: { marked: 0 } })
  expect((await other.settled()).filter(({ type }) => type.startsWith('notification'))).toEqual([])
})

test('pages go on where the one before ended', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  const sent: string[] = []
  // Every third one speaks to everybody.
  for (let n = 0; n < 7; n++) sent.unshift(await owner!.send(channel, n % 3 === 0 ? '@channel' : '@ann'))
  const found: string[] = []
  let before: string | null = null
  do {
    const page = await list(ann!, { limit: 3, ...(before !== null && { before }) })
    expect(page.notifications.length).toBeLessThanOrEqual(3)
    found.push(...page.notifications.map(({ message_id }: { message_id: string }) => message_id))
    before = page.next
  } while (before !== null)
  expect(found).toEqual(sent)
  for (const query of [{ limit: 0 }, { limit: 101 }, { before: 'x' }]) {
    expect(await ann!.get(`${base}/`, { query })).toMatchObject({ status: 400 })
  }
})

test('who does not see a channel is not told of it, and nobody learns who does', async () => {
  await using server = await startServer()
  const [owner, ann, bob, cid] = await server.people('owner', 'ann', 'bob', 'cid')
  const secret = await owner!.createChannel('secret', { private: true, members: [ann!, bob!] })
  using outside = await cid!.connect()
  const answers = []
  for (const text of ['@bob', '@cid', '@nobody']) {
    const { status, body } = await ann!.post(`/api/v1/channels/${secret}/send_message`, { message: text })
    expect(status).toBe(201)
    answers.push(Object.keys({ ...body, ...body.message_data }).toSorted())
  }
  expect(answers[1]).toEqual(answers[0])
  expect(answers[2]).toEqual(answers[0])
  await owner!.send(secret, '@everyone @cid @here')
  expect(await messagesFor(cid!)).toEqual([])
  expect(await unread(cid!)).toMatchObject({ unread_count: 0 })
  expect((await outside.settled()).filter(({ type }) => type.startsWith('notification'))).toEqual([])
  expect(await messagesFor(bob!)).toHaveLength(2)

  // Who was let in later was not spoken to; who was put out has nothing of it any more.
  server.passTime(1000)
  await owner!.addMember(secret, cid!)
  expect(await messagesFor(cid!)).toEqual([])
  const id = (await list(bob!)).notifications[0].notification_id as string
  await owner!.removeMember(secret, bob!)
  expect(await list(bob!)).toMatchObject({ notifications: [], unread_count: 0 })
  expect(await bob!.post(`${base}/${id}/read`)).toMatchObject({ status: 404 })
  expect(await bob!.post(`${base}/read-all`)).toMatchObject({ body: { marked: 0 } })
  expect(await bob!.put(`${base}/preferences/${secret}`, { json: { muted: true } })).toMatchObject({
    status: 404,
  })
})

test('to speak to many takes a privilege, which a channel can give and take', async () => {
  await using server = await startServer()
  const [owner, ann, bob, mod] = await server.people('owner', 'ann', 'bob', 'mod')
  await setRoles(server, mod!, 'moderator')
  const team = await createRole(owner!, 'Event Team', ['view_messages'])
  await setRoles(server, bob!, team, 'user')
  const channel = await owner!.createChannel('general')
  using socket = await bob!.connect()

  await ann!.send(channel, '@channel @event-team @everyone')
  expect(await messagesFor(bob!)).toEqual([])

  const toAll = await mod!.send(channel, 'news @channel')
  expect(await socket.next('notification_created')).toMatchObject({
    notification: { message_id: toAll, user_id: bob!.id, actor_user_id: mod!.id },
  })
  const toTeam = await mod!.send(channel, '@Event-Team: meeting')
  expect(await socket.next('notification_created')).toMatchObject({ notification: { message_id: toTeam } })
  expect(await messagesFor(bob!)).toEqual([toTeam, toAll])
  expect(await messagesFor(ann!)).toEqual([toAll])
  expect(await messagesFor(mod!)).toEqual([])
  // Somebody who is named as well has it once.
  const both = await mod!.send(channel, '@everyone and @bob')
  expect(await messagesFor(bob!)).toEqual([both, toTeam, toAll])
  expect(await unread(bob!)).toMatchObject({ unread_count: 3 })
  const [, second] = (await list(bob!)).notifications
  expect(await bob!.post(`${base}/${second.notification_id}/read`)).toMatchObject({
    body: { already_read: false, unread_count: 2 },
  })
  expect(await bob!.post(`${base}/read-all`)).toMatchObject({ body: { marked: 2 } })
  expect(await unread(ann!)).toMatchObject({ unread_count: 2 })

  await override(owner!, channel, 'user', { allow: ['mention_everyone'] })
  await ann!.send(channel, '@channel')
  expect(await unread(bob!)).toMatchObject({ unread_count: 1 })
  await override(owner!, channel, mod!, { deny: ['mention_everyone'] })
  await mod!.send(channel, '@channel')
  expect(await unread(bob!)).toMatchObject({ unread_count: 1 })
  // Somebody who signs up later has nothing of it.
  server.passTime(1000)
  expect(await messagesFor(await server.person('late'))).toEqual([])
})

test('@here is for those who are online', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
  const channel = await owner!.createChannel('general')
  using here = await ann!.connect()
  using watching = await owner!.connect()
  // Sockets are noted a moment after they opened.
  await expect.poll(() => runSql(server, 'select user_id from presence')).toHaveLength(2)
  const message = await owner!.send(channel, '@here lunch')
  expect(await here.next('notification_created')).toMatchObject({ notification: { message_id: message } })
  expect(await messagesFor(ann!)).toEqual([message])
  expect(await messagesFor(bob!)).toEqual([])
  expect((await watching.settled()).filter(({ type }) => type.startsWith('notification'))).toEqual([])
})

test('who is blocked reaches nobody, and who is banned is not reached', async () => {
  await using server = await startServer()
  const [owner, ann, bob, cid] = await server.people('owner', 'ann', 'bob', 'cid')
  const channel = await owner!.createChannel('general')
  const before = await ann!.send(channel, '@bob')
  expect(await messagesFor(bob!)).toEqual([before])
  await bob!.post('/api/v1/dms/block', { peer: 'ann' })
  expect(await messagesFor(bob!)).toEqual([])
  await override(owner!, channel, 'user', { allow: ['mention_everyone'] })
  using socket = await bob!.connect()
  await ann!.send(channel, '@bob @everyone')
  expect(await messagesFor(bob!)).toEqual([])
  expect((await socket.settled()).filter(({ type }) => type.startsWith('notification'))).toEqual([])

  await owner!.post(`/api/v1/moderation/users/${cid!.id}/ban`, { reason: 'x' })
  await ann!.send(channel, '@cid')
  await owner!.delete(`/api/v1/moderation/users/${cid!.id}/ban`)
  const back = await cid!.signIn()
  expect(await messagesFor(back)).toHaveLength(1) // the one to everybody, not the one by name
})

test('a deleted message concerns nobody any more', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  using socket = await ann!.connect()
  const named = await owner!.send(channel, '@ann')
  const { notification } = await socket.next('notification_created')
  const shared = await owner!.send(channel, '@channel')
  await socket.next('notification_created')
  for (const message_id of [named, shared]) {
    await owner!.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id } })
    expect(await socket.next('notification_removed')).toMatchObject({ channel_id: channel, message_id })
  }
  expect(await list(ann!)).toMatchObject({ notifications: [], unread_count: 0 })
  expect(await ann!.post(`${base}/${notification.notification_id}/read`)).toMatchObject({ status: 404 })
})

test('in a group everybody may call the others', async () => {
  await using server = await startServer()
  const [, ann, bob, cid] = await server.people('owner', 'ann', 'bob', 'cid')
  const { body } = await ann!.post('/api/v1/dms/groups', { participants: ['bob', 'cid'] })
  const group = body.conversation.channel_id as string
  await cid!.post(`/api/v1/dms/requests/${body.conversation.conversation_id}/accept`)
  const message = await ann!.send(group, '@everyone')
  expect(await messagesFor(ann!)).toEqual([])
  expect(await messagesFor(bob!)).toEqual([message])
})

test('notifications are removed when they are old', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  await owner!.send(channel, '@ann')
  await owner!.send(channel, '@channel')
  server.passTime(91 * 24 * 3600 * 1000)
  const [again, reader] = [await owner!.signIn(), await ann!.signIn()]
  const fresh = await again.send(channel, '@ann')
  await again.runTask('notification_cleanup')
  await expect.poll(() => messagesFor(reader)).toEqual([fresh])
})

test('an answer concerns its author, and a thread those who wrote in it, each once', async () => {
  await using server = await startServer()
  const [owner, ann, bob, cid] = await server.people('owner', 'ann', 'bob', 'cid')
  const channel = await owner!.createChannel('general')
  const say = async (person: Person, fields: object): Promise<string> => {
    const { status, body } = await person.post(`/api/v1/channels/${channel}/send_message`, fields)
    expect(status, JSON.stringify(body)).toBe(201)
    return body.message_id
  }
  const typesFor = async (person: Person): Promise<[string, string][]> =>
    (await list(person)).notifications.map((one: { type: string; message_id: string }) => [
      one.type,
      one.message_id,
    ])
  const root = await say(ann!, { message: 'who comes?' })
  const answer = await say(bob!, { message: 'me', reply_to: root })
  expect(await typesFor(ann!)).toEqual([['reply', answer]])
  expect(await say(ann!, { message: 'good', reply_to: root })).toBeTypeOf('string')
  expect(await typesFor(ann!)).toEqual([['reply', answer]])

  const first = await say(bob!, { message: 'where?', thread_id: root })
  const second = await say(cid!, { message: 'yes, @bob, where?', thread_id: root, reply_to: first })
  expect(await typesFor(ann!)).toEqual([
    ['thread', second],
    ['thread', first],
    ['reply', answer],
  ])
  expect(await typesFor(bob!)).toEqual([['mention', second]])
  expect(await typesFor(cid!)).toEqual([])
  await ann!.put(`${base}/preferences/${channel}`, { json: { muted: true } })
  const third = await say(owner!, { message: 'here', thread_id: root })
  expect(await typesFor(bob!)).toEqual([
    ['thread', third],
    ['mention', second],
  ])
  expect(await typesFor(ann!)).toHaveLength(3)
})

test('an edit tells those who are new in it, takes back from those who are not, and tells nobody twice', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
  const channel = await owner!.createChannel('general')
  using anns = await ann!.connect()
  using bobs = await bob!.connect()
  const message = await owner!.send(channel, '@ann look')
  await anns.next('notification_created')
  const edit = async (text: string): Promise<void> => {
    const path = `/api/v1/channels/${channel}/messages/${message}`
    expect(await owner!.put(path, { json: { message: text } })).toMatchObject({ status: 200 })
  }
  await edit('@bob look')
  expect(await bobs.next('notification_created')).toMatchObject({ notification: { message_id: message } })
  expect(await anns.next('notification_removed')).toMatchObject({ message_id: message })
  expect(await messagesFor(ann!)).toEqual([])
  expect(await messagesFor(bob!)).toEqual([message])
  await edit('@bob @ann look')
  expect(await messagesFor(ann!)).toEqual([message])
  await edit('@channel look')
  expect(await bobs.next('notification_removed')).toMatchObject({ message_id: message })
  expect(await messagesFor(ann!)).toEqual([message])
  expect(await unread(bob!)).toMatchObject({ unread_count: 1 })
  await edit('look')
  expect(await messagesFor(ann!)).toEqual([])
  await edit('@everyone look')
  expect(await messagesFor(bob!)).toEqual([message])
  for (const socket of [anns, bobs]) {
    const told = (await socket.settled()).filter(({ type }) => type === 'notification_created')
    expect(told).toHaveLength(1)
  }
})
