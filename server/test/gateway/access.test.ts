import { describe, expect, test } from 'vitest'
import { replaceRoles } from '#features/roles/index.ts'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'
import type { TestSocket } from '#test/socket.ts'

async function three(server: TestServer): Promise<[Person, Person, Person]> {
  return (await server.people('owner', 'ann', 'bob')) as [Person, Person, Person]
}

function typesOf(socket: TestSocket): string[] {
  return socket.frames
    .map(({ type }) => type as string)
    .filter((type) => type !== 'pong' && type !== 'user_status_changed')
}

async function setRoles({ ctx }: TestServer, person: Person, roles: string[]): Promise<void> {
  await ctx.db.transact(async (tx) => {
    await replaceRoles(tx, person.id, roles, ctx.clock())
    tx.publish({ type: 'user.changed', userId: person.id, roles })
  })
}

test('who is let into a private channel is told, and from then on gets what is said there', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await three(server)
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  using bobs = await bob.connect()
  using anns = await ann.connect()
  await ann.send(hidden, 'before')
  await owner.addMember(hidden, bob)
  const told = { type: 'channel_member_added', user_id: bob.id, channel_id: hidden }
  expect(await bobs.next('channel_member_added')).toMatchObject({
    ...told,
    channel: { channel_name: 'hidden' },
  })
  expect(await anns.next('channel_member_added')).toMatchObject(told)
  await ann.send(hidden, 'after')
  expect(await bobs.next('message')).toMatchObject({ message: 'after' })
  using scoped = await bob.connect({ channel: hidden })
  await ann.send(hidden, 'more')
  expect(await scoped.next('message')).toMatchObject({ message: 'more' })
  await bobs.settled()
  expect(bobs.texts).toEqual(['after', 'more'])
})

test('who is taken out is told, gets nothing more, and the others are told as well', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await three(server)
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann, bob] })
  const open = await owner.createChannel('open')
  const sockets = [await bob.connect(), await bob.connect()]
  using scoped = await bob.connect({ channel: hidden })
  using elsewhere = await bob.connect({ channel: open })
  using anns = await ann.connect()
  await owner.removeMember(hidden, bob)
  const told = { type: 'channel_member_removed', user_id: bob.id, channel_id: hidden }
  for (const socket of [...sockets, anns])
    expect(await socket.next('channel_member_removed')).toMatchObject(told)
  expect(await scoped.closed()).toMatchObject({ code: 1008 })
  const message = await ann.send(hidden, 'secret')
  await ann.delete(`/api/v1/channels/${hidden}/delete_message`, { query: { message_id: message } })
  await owner.delete(`/api/v1/channels/${hidden}/delete`)
  await ann.send(open, 'public')
  for (const socket of [...sockets, elsewhere]) {
    await socket.next('message')
    await socket.settled()
    expect(socket.texts).toEqual(['public'])
    expect(typesOf(socket)).not.toContain('channel_deleted')
    socket.socket.terminate()
  }
  // Each socket is told once.
  expect(sockets.map((socket) => typesOf(socket))).toEqual([
    ['channel_member_removed', 'message'],
    ['channel_member_removed', 'message'],
  ])
})

test('in and out and in again leaves no gap and no double', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await three(server)
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  using socket = await bob.connect()
  const expected: string[] = []
  for (let round = 0; round < 6; round++) {
    await ann.send(hidden, `out ${round}`)
    await owner.addMember(hidden, bob)
    await ann.send(hidden, `in ${round}`)
    expected.push(`in ${round}`)
    await owner.removeMember(hidden, bob)
  }
  await socket.settled()
  expect(socket.texts).toEqual(expected)
})

test('a new channel is shown to those who may see it, and used without a reconnect', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await three(server)
  using anns = await ann.connect()
  using owners = await owner.connect()
  const open = await owner.createChannel('open')
  expect(await anns.next()).toEqual({
    type: 'channel_created',
    channel_id: open,
    channel: expect.objectContaining({ channel_id: open, channel_name: 'open', is_private: false }),
    cursor: expect.any(String),
  })
  const hidden = await owner.createChannel('hidden', { private: true })
  await bob.send(open, 'hello')
  expect(await anns.next()).toMatchObject({ type: 'message', channel_id: open })
  expect(JSON.stringify(anns.frames)).not.toContain(hidden)
  expect(typesOf(owners)).toEqual(['channel_created', 'channel_created', 'channel_member_added', 'message'])
})

test('a deleted channel is told to those who saw it, and its own sockets are closed', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await three(server)
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  const open = await owner.createChannel('open')
  using anns = await ann.connect()
  using bobs = await bob.connect()
  using scopedHidden = await ann.connect({ channel: hidden })
  using scopedOpen = await bob.connect({ channel: open })
  for (const channel of [hidden, open]) await owner.delete(`/api/v1/channels/${channel}/delete`)
  expect(await scopedHidden.closed()).toMatchObject({ code: 1008 })
  expect(await scopedOpen.closed()).toMatchObject({ code: 1008 })
  expect(scopedHidden.frames.at(-1)).toMatchObject({ type: 'channel_deleted', channel_id: hidden })
  await anns.settled()
  await bobs.settled()
  expect(
    anns.frames.filter(({ type }) => type === 'channel_deleted').map(({ channel_id }) => channel_id),
  ).toEqual([hidden, open])
  expect(JSON.stringify(bobs.frames)).not.toContain(hidden)
})

test('a deleted message is told to those who see its channel', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await three(server)
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  using anns = await ann.connect()
  using scoped = await ann.connect({ channel: hidden })
  using bobs = await bob.connect()
  const message = await ann.send(hidden, 'oops')
  await ann.delete(`/api/v1/channels/${hidden}/delete_message`, { query: { message_id: message } })
  for (const socket of [anns, scoped]) {
    expect(await socket.next('message_deleted')).toEqual({
      type: 'message_deleted',
      message_id: message,
      channel_id: hidden,
      seq: 1,
      cursor: expect.any(String),
    })
  }
  expect(await bobs.settled()).toEqual([])
})

test('a role that sees private channels opens and shuts them on open sockets', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await three(server)
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  using socket = await bob.connect()
  await ann.send(hidden, '1')
  await setRoles(server, bob, ['moderator'])
  await ann.send(hidden, '2')
  using scoped = await bob.connect({ channel: hidden })
  await ann.send(hidden, '3')
  expect(await scoped.next('message')).toMatchObject({ message: '3' })
  await setRoles(server, bob, ['user'])
  expect(await scoped.closed()).toMatchObject({ code: 1008 })
  await ann.send(hidden, '4')
  await socket.settled()
  expect(socket.texts).toEqual(['2', '3'])
  await expect(bob.connect({ channel: hidden })).rejects.toMatchObject({ status: 404 })
  expect((await bob.get(`/api/v1/channels/${hidden}/load_messages`)).status).toBe(404)
  expect(await owner.load(hidden)).toHaveLength(4)
})

test('a role that may not send any more cannot send, from that moment', async () => {
  await using server = await startServer()
  const [owner, ann] = await three(server)
  const channel = await owner.createChannel('general')
  await ann.send(channel, 'yes')
  await owner.post('/api/v1/system/roles', { role_name: 'reader', privileges_ids: ['view_messages'] })
  await setRoles(server, ann, ['reader'])
  expect((await ann.post(`/api/v1/channels/${channel}/send_message`, { message: 'no' })).status).toBe(403)
  expect(await ann.load(channel)).toEqual(['yes'])
  await setRoles(server, ann, [])
  expect((await ann.get(`/api/v1/channels/${channel}/load_messages`)).status).toBe(404)
})

describe('when a session ends its sockets are closed with 1008, and only those', () => {
  test.each<
    [string, (server: TestServer, person: Person) => Promise<number>, 'session' | 'person' | 'others']
  >([
    [
      'by signing out',
      async (server, person) =>
        (
          await request(server, 'POST', '/api/v1/auth/revoke', {
            json: { refresh_token: person.refreshToken },
          })
        ).status,
      'session',
    ],
    [
      'by a refresh token used twice',
      async (server, person) => {
        const refresh = () =>
          request(server, 'POST', '/api/v1/auth/refresh', { json: { refresh_token: person.refreshToken } })
        const { body } = await refresh()
        await request(server, 'POST', '/api/v1/auth/refresh', { json: { refresh_token: body.refresh_token } })
        return (await refresh()).status - 201
      },
      'session',
    ],
    [
      'by resetting the tokens',
      async (_server, person) =>
        (await person.post('/api/v1/users/profile/reset-auth-token', { password: person.password })).status,
      'person',
    ],
    [
      'by a new password',
      async (server, person) =>
        (
          await person.put('/api/v1/users/profile', {
            json: { old_password: person.password, new_password: server.secrets.add('another-secret-1234') },
          })
        ).status,
      'others',
    ],
  ])('%s', async (_name, act, ends) => {
    await using server = await startServer()
    const [owner, ann, bob] = await three(server)
    const channel = await owner.createChannel('general')
    const other = await ann.signIn()
    const own = [await ann.connect(), await ann.connect({ channel })]
    const second = [await other.connect(), await other.connect({ channel })]
    using bobs = await bob.connect()
    expect(await act(server, ann)).toBe(200)
    const closed = { session: own, person: [...own, ...second], others: second }[ends]
    const open = { session: second, person: [], others: own }[ends]
    for (const socket of closed) expect(await socket.closed()).toMatchObject({ code: 1008 })
    await owner.send(channel, 'after')
    for (const socket of [...open, bobs])
      expect(await socket.next('message')).toMatchObject({ message: 'after' })
    for (const socket of closed) expect(socket.texts).toEqual([])
    for (const { socket } of [...own, ...second]) socket.terminate()
  })
})
