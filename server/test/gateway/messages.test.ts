import { expect, test } from 'vitest'
import { startServer } from '#test/server.ts'

test('a message reaches everybody who may see it, at once, the sender included', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'bob')
  const channel = await owner!.createChannel('general')
  using ownersSocket = await owner!.connect()
  using bobsSocket = await bob!.connect()
  using bobsChannelSocket = await bob!.connect({ channel })
  const id = await bob!.send(channel, 'Hello everyone!')
  for (const socket of [ownersSocket, bobsSocket, bobsChannelSocket]) {
    expect(await socket.next('message')).toMatchObject({
      type: 'message',
      message_id: id,
      channel_id: channel,
      sender_user_id: bob!.id,
      username: 'bob',
      message: 'Hello everyone!',
      attachments: [],
      seq: 1,
      cursor: expect.any(String),
    })
  }
  expect((await ownersSocket.settled()).filter(({ type }) => type === 'message')).toHaveLength(1)
})

test('a member who was removed gets nothing more on the open socket', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
  const channel = await owner!.createChannel('secret', { private: true, members: [ann!, bob!] })
  using socket = await bob!.connect()
  using scoped = await bob!.connect({ channel })
  await ann!.send(channel, 'before')
  expect(await socket.next('message')).toMatchObject({ message: 'before' })
  await owner!.removeMember(channel, bob!)
  expect(await socket.next('channel_member_removed')).toMatchObject({ channel_id: channel, user_id: bob!.id })
  expect(await scoped.closed()).toMatchObject({ code: 1008 })
  await ann!.send(channel, 'after')
  await socket.settled()
  expect(socket.texts).toEqual(['before'])
})

test('a client that was away gets what it missed, in order, once', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'bob')
  const channel = await owner!.createChannel('general')
  const first = await bob!.connect({ resume: 'now' })
  const { cursor } = await first.next('ready')
  await owner!.send(channel, 'one')
  await first.next('message')
  const seen = first.cursor
  first.socket.terminate()
  const missed = Array.from({ length: 20 }, (_, index) => `missed ${index}`)
  for (const text of missed) await owner!.send(channel, text)
  using second = await bob!.connect({ resume: seen })
  await second.next('ready')
  await owner!.send(channel, 'live')
  await second.settled()
  expect(second.texts).toEqual([...missed, 'live'])
  using third = await bob!.connect({ resume: cursor })
  await third.next('ready')
  expect(third.texts).toEqual(['one', ...missed, 'live'])
})
