import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { createRole, override, setRoles } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'

async function three(server: TestServer): Promise<[Person, Person, Person]> {
  return (await server.people('owner', 'ann', 'bob')) as [Person, Person, Person]
}

describe('a channel that a role may not view', () => {
  test('is taken from open sockets at once, which are told, and given back', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = await three(server)
    const channel = await owner.createChannel('general')
    const other = await owner.createChannel('other')
    await setRoles(server, bob, 'moderator')
    using anns = await ann.connect()
    using scoped = await ann.connect({ channel })
    using elsewhere = await ann.connect({ channel: other })
    using bobs = await bob.connect()
    await owner.send(channel, 'one')
    for (const socket of [anns, scoped, bobs]) await socket.next('message')
    await override(owner, channel, 'user', { deny: ['view_messages'] })
    expect(await anns.next('channel_hidden')).toEqual({ type: 'channel_hidden', channel_id: channel })
    expect(await scoped.next('channel_hidden')).toMatchObject({ channel_id: channel })
    expect(await scoped.closed()).toMatchObject({ code: 1008, reason: 'access to the channel was lost' })
    const message = await owner.send(channel, 'two')
    await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: message } })
    await bobs.next('message_deleted')
    await anns.settled()
    expect(anns.texts).toEqual(['one'])
    expect(anns.frames.map(({ type }) => type)).not.toContain('message_deleted')
    await override(owner, channel, 'user', {})
    expect(await anns.next('channel_shown')).toMatchObject({
      channel_id: channel,
      channel: { channel_name: 'general' },
    })
    await owner.send(channel, 'three')
    expect(await anns.next('message')).toMatchObject({ message: 'three' })
    expect((await elsewhere.settled()).map(({ type }) => type)).not.toContain('channel_hidden')
    expect(bobs.texts).toEqual(['one', 'two', 'three'])
  })

  test('is not resumed either', async () => {
    await using server = await startServer()
    const [owner, ann] = await three(server)
    const channel = await owner.createChannel('general')
    using before = await ann.connect({ resume: 'now' })
    const { cursor } = await before.next('ready')
    before.socket.terminate()
    await owner.send(channel, 'one')
    await override(owner, channel, ann, { deny: ['view_messages'] })
    using hidden = await ann.connect({ resume: cursor })
    expect(await hidden.next('ready')).toMatchObject({ replayed: 0 })
    await override(owner, channel, ann, {})
    using shown = await ann.connect({ resume: cursor })
    expect(await shown.next('message')).toMatchObject({ message: 'one' })
  })
})

test('somebody without the right to view messages gets none, while the others do', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await three(server)
  const channel = await owner.createChannel('general')
  await createRole(owner, 'mute', [])
  using anns = await ann.connect()
  using bobs = await bob.connect()
  await owner.send(channel, 'one')
  await anns.next('message')
  await setRoles(server, ann, 'mute')
  await owner.send(channel, 'two')
  await setRoles(server, ann, 'user')
  await owner.send(channel, 'three')
  await anns.settled()
  await bobs.settled()
  expect(anns.texts).toEqual(['one', 'three'])
  expect(bobs.texts).toEqual(['one', 'two', 'three'])
})

/** What may happen to roles, members and overrides, in any order. */
const step = fc.oneof(
  fc.record({
    do: fc.constant('roles' as const),
    person: fc.nat(1),
    roles: fc.subarray(['crew', 'user', 'moderator']),
  }),
  fc.record({
    do: fc.constant('override' as const),
    channel: fc.nat(1),
    about: fc.constantFrom('user', 'crew', 'moderator', 0, 1),
    says: fc.constantFrom('allow', 'deny', 'nothing'),
  }),
  fc.record({ do: fc.constant('member' as const), person: fc.nat(1), joins: fc.boolean() }),
  fc.record({ do: fc.constant('private' as const), channel: fc.nat(1), is: fc.boolean() }),
  fc.record({ do: fc.constant('role' as const), views: fc.boolean() }),
)

test('whatever happens, a socket gets what its person could load, and nothing else', async () => {
  await using server = await startServer()
  const [owner, ...people] = await three(server)
  const crew = await createRole(owner, 'crew', [])
  const channels = [await owner.createChannel('open'), await owner.createChannel('closed', { private: true })]
  const sockets = await Promise.all(people.map((person) => person.connect()))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 5 }), async (steps) => {
      for (const one of steps) {
        switch (one.do) {
          case 'roles':
            await setRoles(server, people[one.person]!, ...one.roles)
            break
          case 'override': {
            const subject = typeof one.about === 'number' ? people[one.about]! : one.about
            const said = one.says === 'nothing' ? {} : { [one.says]: ['view_messages'] }
            await override(owner, channels[one.channel]!, subject, said)
            break
          }
          case 'member': {
            const verb = one.joins ? 'add' : 'remove'
            await owner[one.joins ? 'put' : 'delete'](`/api/v1/channels/${channels[1]}/${verb}_user`, {
              query: { [`to_${verb}_user_id`]: people[one.person]!.id },
            })
            break
          }
          case 'private':
            await owner.put(`/api/v1/channels/${channels[one.channel]}/update`, {
              json: { is_private: one.is },
            })
            break
          case 'role':
            await owner.put(`/api/v1/system/roles/${crew}`, {
              json: {
                role_name: 'crew',
                privileges_ids: one.views ? ['view_private_channels', 'view_messages'] : [],
              },
            })
        }
      }
      for (const channel of channels) {
        const text = crypto.randomUUID()
        await owner.send(channel, text)
        for (const [index, person] of people.entries()) {
          const { status } = await person.get(`/api/v1/channels/${channel}/load_messages`)
          await sockets[index]!.settled()
          expect(sockets[index]!.texts.includes(text), `${person.name} ${status}`).toBe(status === 200)
        }
      }
    }),
    { numRuns: 25, endOnFailure: true },
  )
  for (const socket of sockets) socket.socket.terminate()
})
