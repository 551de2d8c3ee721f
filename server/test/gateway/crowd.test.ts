import { expect, test } from 'vitest'
import { sentOf, wholeHistory } from '#test/history.ts'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'
import type { TestSocket } from '#test/socket.ts'

const SOCKETS = 300
const MESSAGES = 160

test('of hundreds of sockets each gets exactly what its person may see, once, in the order of each channel', async () => {
  await using server = await startServer({ env: { GATEWAY_MAX_SOCKETS_PER_USER: '100' } })
  const names = ['owner', 'ann', 'bob', 'cleo', 'dan', 'eve', 'fay', 'gus']
  const people = (await server.people(...names)) as Person[]
  const [owner, ann, bob, cleo, dan, eve] = people as [Person, Person, Person, Person, Person, Person]
  const channels = [
    { id: await owner.createChannel('open 1'), sees: people },
    { id: await owner.createChannel('open 2'), sees: people },
    { id: await owner.createChannel('few', { private: true, members: [ann, bob] }), sees: [owner, ann, bob] },
    {
      id: await owner.createChannel('more', { private: true, members: [bob, cleo, dan, eve] }),
      sees: [owner, bob, cleo, dan, eve],
    },
    { id: await owner.createChannel('alone', { private: true }), sees: [owner] },
  ]
  const sockets: { socket: TestSocket; person: Person; channel: string | undefined }[] = []
  for (let index = 0; index < SOCKETS; index += 25) {
    const opened = await Promise.all(
      Array.from({ length: 25 }, async (_, offset) => {
        const number = index + offset
        const person = people[number % people.length]!
        const visible = channels.filter(({ sees }) => sees.includes(person))
        const channel = number % 3 === 0 ? visible[number % visible.length]!.id : undefined
        return { socket: await person.connect(channel === undefined ? {} : { channel }), person, channel }
      }),
    )
    sockets.push(...opened)
  }
  expect(server.running.hub.size).toBe(SOCKETS)

  let next = 0
  const send = async (): Promise<void> => {
    while (next < MESSAGES) {
      const number = next++
      const { id, sees } = channels[number % channels.length]!
      await sees[number % sees.length]!.send(id, `message ${number}`)
    }
  }
  await Promise.all(Array.from({ length: 12 }, send))

  const histories = new Map(
    await Promise.all(channels.map(async ({ id }) => [id, await wholeHistory(owner, id)] as const)),
  )
  expect([...histories.values()].flat()).toHaveLength(MESSAGES)
  await Promise.all(sockets.map(({ socket }) => socket.settled()))
  for (const { socket, person, channel: scope } of sockets) {
    const got = socket.frames.filter(({ type }) => type === 'message').map(sentOf)
    for (const { id, sees } of channels) {
      const expected =
        sees.includes(person) && (scope === undefined || scope === id) ? histories.get(id)! : []
      expect(
        got.filter(({ channel }) => channel === id),
        `${person.name} in ${id}`,
      ).toEqual(expected)
    }
    socket.socket.terminate()
  }
})
