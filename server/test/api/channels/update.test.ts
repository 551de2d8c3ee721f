import { expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { override } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'

async function three(server: TestServer): Promise<[Person, Person, Person]> {
  return (await server.people('owner', 'ann', 'bob')) as [Person, Person, Person]
}

test('a channel gets another name, which those who see it are told', async () => {
  await using server = await startServer()
  const [owner, ann] = await three(server)
  const channel = await owner.createChannel('old')
  await owner.createChannel('taken')
  using socket = await ann.connect({ resume: 'now' })
  await socket.next('ready')
  const path = `/api/v1/channels/${channel}/update`
  expect(await owner.put(path, { json: { channel_name: '  new ' } })).toMatchObject({
    status: 200,
    body: { channel_data: { channel_id: channel, channel_name: 'new', is_private: false } },
  })
  expect(await socket.next('channel_updated')).toMatchObject({
    channel_id: channel,
    channel: { channel_name: 'new' },
    cursor: expect.any(String),
  })
  expect((await owner.put(path, { json: { channel_name: 'Taken' } })).status).toBe(409)
  expect((await owner.put(path, { json: {} })).status).toBe(400)
  expect((await owner.put(path, { json: { channel_name: ' ' } })).status).toBe(422)
  expect((await ann.put(path, { json: { channel_name: 'mine' } })).status).toBe(403)
  expect((await owner.put(path, { json: { channel_name: 'NEW' } })).body.channel_data.channel_name).toBe(
    'NEW',
  )
  const log = await owner.get('/api/v1/system/audit-log', { query: { action: 'channel.updated', limit: 1 } })
  const rest = { is_private: false, slow_mode_seconds: 0, topic: null, category_id: null, position: null }
  expect(log.body.entries[0].details).toEqual({
    before: { channel_name: 'new', ...rest },
    after: { channel_name: 'NEW', ...rest },
  })
})

test('a channel that is made private is gone at once for who is not in it, and comes back when it is public', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await three(server)
  const channel = await owner.createChannel('general')
  await override(owner, channel, bob, { allow: ['edit_channels'] })
  using anns = await ann.connect()
  using scoped = await ann.connect({ channel })
  using bobs = await bob.connect({ channel })
  const path = `/api/v1/channels/${channel}/update`
  expect(await bob.put(path, { json: { is_private: true } })).toMatchObject({
    status: 200,
    body: { channel_data: { is_private: true, allowed_users: [bob.id] } },
  })
  expect(await anns.next('channel_hidden')).toEqual({ type: 'channel_hidden', channel_id: channel })
  expect(await scoped.closed()).toMatchObject({ code: 1008 })
  await bob.send(channel, 'among us')
  expect(await bobs.next('message')).toMatchObject({ message: 'among us' })
  expect(bobs.frames.map(({ type }) => type)).not.toContain('channel_hidden')
  expect((await ann.get(`/api/v1/channels/${channel}/load_messages`)).status).toBe(404)
  await owner.addMember(channel, ann)
  await owner.put(path, { json: { is_private: false } })
  await owner.send(channel, 'all')
  await anns.next('message')
  await owner.put(path, { json: { is_private: true } })
  // Who was a member while it was private is one again.
  await owner.send(channel, 'members')
  expect(await anns.next('message')).toMatchObject({ message: 'members' })
  expect(anns.texts).toEqual(['all', 'members'])
})

test('what was changed while somebody was away is told when they resume, as it is now', async () => {
  await using server = await startServer()
  const [owner, ann] = await three(server)
  const channel = await owner.createChannel('one')
  const secret = await owner.createChannel('secret')
  using before = await ann.connect({ resume: 'now' })
  const { cursor } = await before.next('ready')
  before.socket.terminate()
  await owner.put(`/api/v1/channels/${channel}/update`, { json: { channel_name: 'two' } })
  await owner.put(`/api/v1/channels/${channel}/update`, { json: { channel_name: 'three' } })
  await owner.put(`/api/v1/channels/${secret}/update`, { json: { is_private: true } })
  using socket = await ann.connect({ resume: cursor })
  await socket.next('ready')
  expect(socket.frames.map(({ type, channel: shown }) => [type, shown?.channel_name])).toEqual([
    ['channel_updated', 'three'],
    ['channel_updated', 'three'],
    ['ready', undefined],
  ])
})
