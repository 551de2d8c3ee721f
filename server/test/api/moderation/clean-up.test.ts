import { expect, test } from 'vitest'
import type { Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { override, setRoles } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'

async function four(server: TestServer): Promise<[Person, Person, Person, Person]> {
  const people = (await server.people('owner', 'mod', 'ann', 'bob')) as [Person, Person, Person, Person]
  await setRoles(server, people[1], 'moderator')
  return people
}

function cleanUp(by: Person, target: Person, options: object = {}): Promise<Answer> {
  return by.post(`/api/v1/moderation/users/${target.id}/messages/delete`, options)
}

test('what somebody sent lately is deleted everywhere at once, and sockets are told', async () => {
  const clock = { offset: -3 * 3_600_000 }
  await using server = await startServer({ clock })
  const [owner, , ann] = await four(server)
  const [one, two] = [await owner.createChannel('one'), await owner.createChannel('two')]
  await ann.send(one, 'old')
  clock.offset = 0
  const [mod, signed] = [await (await server.person('mod')).signIn(), await ann.signIn()]
  const reader = await (await server.person('bob')).signIn()
  for (let index = 0; index < 3; index++) await signed.send(index === 2 ? two : one, `spam ${index}`)
  await reader.send(one, 'innocent')
  using socket = await reader.connect()
  expect(await cleanUp(mod, ann, { minutes: 60 })).toMatchObject({
    status: 200,
    body: { target_user_id: ann.id, deleted_count: 3, more: false },
  })
  for (let count = 0; count < 3; count++) await socket.next('message_deleted')
  expect(await reader.load(one)).toEqual(['old', 'innocent'])
  expect(await reader.load(two)).toEqual([])
  expect((await cleanUp(mod, ann, { minutes: 60 })).body.deleted_count).toBe(0)
  expect((await cleanUp(mod, ann, { minutes: 10_080, channel_id: two })).body.deleted_count).toBe(0)
  expect((await cleanUp(mod, ann, { minutes: 10_080, channel_id: one })).body.deleted_count).toBe(1)
  const log = await (
    await owner.signIn()
  ).get('/api/v1/system/audit-log', {
    query: { action: 'user.messages_deleted' },
  })
  expect(log.body.entries.map(({ details }: Answer['body']) => details.count)).toEqual([1, 3])
})

test('more than a batch goes in batches, up to the limit', async () => {
  await using server = await startServer()
  const [owner, mod, ann] = await four(server)
  const channel = await owner.createChannel('general')
  await Promise.all(Array.from({ length: 130 }, (_, index) => ann.send(channel, `spam ${index}`)))
  expect((await cleanUp(mod, ann, { limit: 125 })).body).toMatchObject({ deleted_count: 125, more: true })
  const { body } = await ann.get(`/api/v1/channels/${channel}/load_messages`)
  expect(body.messages).toHaveLength(5)
  expect((await cleanUp(mod, ann)).body).toMatchObject({ deleted_count: 5, more: false })
})

test('only where the moderator may, and only of who ranks below', async () => {
  await using server = await startServer()
  const [owner, mod, ann, bob] = await four(server)
  const open = await owner.createChannel('open')
  const spared = await owner.createChannel('spared')
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  for (const channel of [open, spared, hidden]) await ann.send(channel, 'hello')
  await override(owner, spared, 'moderator', { deny: ['delete_messages'] })
  await override(owner, hidden, 'moderator', { deny: ['view_messages'] })
  expect((await cleanUp(mod, ann, { channel_id: spared })).status).toBe(403)
  expect((await cleanUp(mod, ann, { channel_id: hidden })).status).toBe(404)
  expect((await cleanUp(mod, ann)).body.deleted_count).toBe(1)
  expect(await ann.load(spared)).toEqual(['hello'])
  expect(await ann.load(hidden)).toEqual(['hello'])
  expect((await cleanUp(ann, bob)).status).toBe(403)
  expect((await cleanUp(mod, owner)).status).toBe(403)
  expect((await cleanUp(mod, mod)).status).toBe(400)
  for (const options of [{ minutes: 0 }, { minutes: 10_081 }, { limit: 0 }, { limit: 1001 }]) {
    expect((await cleanUp(mod, ann, options)).status).toBe(422)
  }
})
