import { expect, test } from 'vitest'
import { sendDm } from '#test/direct.ts'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'
import type { TestSocket } from '#test/socket.ts'

const heard = async (socket: TestSocket): Promise<unknown[]> =>
  (await socket.settled()).filter(({ type }) => type === 'typing').map(({ user_id }) => user_id)

test('who sees a channel is told who types there, not more often than every three seconds, and nothing is kept', async () => {
  await using server = await startServer()
  const [owner, ann, bob, eve] = (await server.people('owner', 'ann', 'bob', 'eve')) as [
    Person,
    Person,
    Person,
    Person,
  ]
  const channel = await owner.createChannel('private', { private: true, members: [ann, bob] })
  using anns = await ann.connect()
  using bobs = await bob.connect({ resume: 'now' })
  using scoped = await bob.connect({ channel })
  using eves = await eve.connect()
  const { cursor } = await bobs.next('ready')
  const logged = () => server.ctx.db.read.selectFrom('event').select('pos').execute()
  const before = await logged()

  for (let i = 0; i < 3; i++) anns.send({ type: 'typing', channel_id: channel })
  expect(await bobs.next('typing')).toEqual({
    type: 'typing',
    channel_id: channel,
    user_id: ann.id,
    timestamp: expect.stringMatching(/\+00:00$/),
  })
  // Frames are acted on in turn: when this one is answered, so were those before it.
  anns.send({ type: 'read_confirmation' })
  await anns.next('error')
  server.passTime(3000)
  anns.send({ type: 'typing', channel_id: channel })
  await bobs.next('typing')
  // On a socket for one channel it need not be named.
  scoped.send({ type: 'typing' })
  await anns.next('typing')
  expect(await heard(bobs)).toEqual([ann.id, ann.id])
  expect(await heard(scoped)).toEqual([ann.id, ann.id])
  expect(await heard(anns)).toEqual([bob.id])
  expect(await heard(eves)).toEqual([])
  expect(await logged()).toEqual(before)
  using resumed = await bob.connect({ resume: cursor as string })
  expect(await resumed.next('ready')).toMatchObject({ replayed: 0 })
})

test('who may not write is not announced, and is told why', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = (await server.people('owner', 'ann', 'bob')) as [Person, Person, Person]
  const hidden = await owner.createChannel('hidden', { private: true })
  const open = await owner.createChannel('open')
  const { conversation_id } = await sendDm(ann, bob, 'hello')
  using owners = await owner.connect()
  using anns = await ann.connect()
  using bobs = await bob.connect()
  const attempt = async (frame: object): Promise<unknown> => {
    anns.send({ type: 'typing', ...frame })
    return (await anns.next('error')).error
  }
  expect(await attempt({})).toBe('channel_id must be a string')
  expect(await attempt({ channel_id: hidden })).toContain('Channel')
  anns.send({ type: 'typing', channel_id: conversation_id })
  expect(await bobs.next('typing')).toMatchObject({ user_id: ann.id })
  server.passTime(3000)
  await bob.post('/api/v1/dms/block', { peer: 'ann' })
  expect(await attempt({ channel_id: conversation_id })).toContain('direct messages')
  await owner.post(`/api/v1/moderation/users/${ann.id}/timeout`, { duration_minutes: 60 })
  expect(await attempt({ channel_id: open })).toContain('timed out')
  expect(await heard(owners)).toEqual([])
  expect(await heard(bobs)).toEqual([ann.id])
})
