import { describe, expect, test } from 'vitest'
import { pruneEvents } from '#db/prune-events.ts'
import { sentOf, wholeHistory, type Sent } from '#test/history.ts'
import type { Person } from '#test/person.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'
import type { TestSocket } from '#test/socket.ts'

function messagesOf(socket: TestSocket): Sent[] {
  return socket.frames.filter(({ type }) => type === 'message').map(sentOf)
}

/** A cursor from which everything that happens later can be resumed. */
async function cursorOf(person: Person): Promise<string> {
  using socket = await person.connect({ resume: 'now' })
  return (await socket.next('ready')).cursor as string
}

async function resume(person: Person, cursor: string, channel?: string): Promise<TestSocket> {
  const socket = await person.connect({ resume: cursor, ...(channel !== undefined && { channel }) })
  await socket.next('ready')
  return socket
}

async function threePeople(server: TestServer): Promise<[Person, Person, Person]> {
  return (await server.people('owner', 'ann', 'bob')) as [Person, Person, Person]
}

test('resuming from now begins with ready and nothing missed', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  await owner.send(channel, 'long ago')
  using socket = await owner.connect({ resume: 'now' })
  expect(await socket.next('ready')).toEqual({ type: 'ready', replayed: 0, cursor: expect.any(String) })
  await owner.send(channel, 'now')
  await socket.next('message')
  await socket.settled()
  expect(socket.texts).toEqual(['now'])
})

test('every cursor, of a frame or of ready, resumes exactly behind what it came with', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  using socket = await owner.connect({ resume: 'now' })
  const cursors = [(await socket.next('ready')).cursor as string]
  for (const text of ['a', 'b', 'c', 'd']) {
    await owner.send(channel, text)
    cursors.push((await socket.next('message')).cursor as string)
  }
  for (const [index, cursor] of cursors.entries()) {
    using resumed = await resume(owner, cursor)
    expect(resumed.texts).toEqual(['a', 'b', 'c', 'd'].slice(index))
    // A replayed frame's cursor is as good as the first one's.
    const first = resumed.frames.find(({ type }) => type === 'message')
    if (first === undefined) continue
    using again = await resume(owner, first.cursor as string)
    expect(again.texts).toEqual(['a', 'b', 'c', 'd'].slice(index + 1))
  }
})

describe('a cursor that cannot be resumed closes with 4009', () => {
  test.each([
    ['garbage', 'nonsense'],
    ['text that looks like one', '1.zzzzzzzzzzzzzzzzzz'],
    ['a stream that does not exist', 'zz.1'],
    ['a negative place', '1.-5'],
    ['very long text', '1.1_'.repeat(400)],
    ['text that is not ASCII', '1.１'],
  ])('%s', async (_name, cursor) => {
    await using server = await startServer()
    const owner = await server.person('owner')
    using socket = await owner.connect({ resume: cursor })
    expect(await socket.closed()).toMatchObject({ code: 4009 })
    expect(socket.frames).toEqual([])
  })

  test('one of the future', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    using ahead = await owner.connect({ resume: 'now' })
    for (let count = 0; count < 3; count++) {
      await owner.send(channel, 'x')
      await ahead.next('message')
    }
    const future = ahead.cursor.replace(/[^.]+$/, (pos) => (Number.parseInt(pos, 36) + 1).toString(36))
    expect(future).not.toBe(ahead.cursor)
    using socket = await owner.connect({ resume: future })
    expect(await socket.closed()).toMatchObject({ code: 4009 })
  })

  test('one of another server', async () => {
    await using server = await startServer()
    await using other = await startServer()
    const [owner, stranger] = [await server.person('owner'), await other.person('stranger')]
    await owner.createChannel('here')
    await stranger.createChannel('there')
    using socket = await owner.connect({ resume: await cursorOf(stranger) })
    expect(await socket.closed()).toMatchObject({ code: 4009 })
  })

  test('one whose events are gone from the log, while a younger one goes on', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    const old = await cursorOf(owner)
    await owner.send(channel, 'one')
    const young = await cursorOf(owner)
    await pruneEvents(server.ctx.db, Date.now() + 1000, AbortSignal.timeout(5000))
    await owner.send(channel, 'two')
    using late = await owner.connect({ resume: old })
    expect(await late.closed()).toMatchObject({ code: 4009 })
    using early = await resume(owner, young)
    expect(early.texts).toEqual(['two'])
  })

  test('one further back than the limit, while one just within goes on', async () => {
    await using server = await startServer({ env: { GATEWAY_RESUME_LIMIT: '5' } })
    const [owner, ann] = await threePeople(server)
    const [channel, hidden] = [
      await owner.createChannel('general'),
      await owner.createChannel('hidden', { private: true }),
    ]
    const far = await cursorOf(ann)
    await owner.send(channel, '1')
    const near = await cursorOf(ann)
    // What happens out of sight does not count.
    for (const text of ['2', '3', '4', '5', '6']) {
      await owner.send(hidden, text)
      await owner.send(channel, text)
    }
    using tooFar = await ann.connect({ resume: far })
    expect(await tooFar.closed()).toMatchObject({ code: 4009 })
    using within = await resume(ann, near)
    expect(within.texts).toEqual(['2', '3', '4', '5', '6'])
    // A place whose history the server has lost is loaded by REST, and the socket goes on from now.
    using fresh = await ann.connect({ resume: 'now' })
    await fresh.next('ready')
  })
})

test('a message deleted meanwhile is not replayed, its deletion is', async () => {
  await using server = await startServer()
  const [owner, ann] = await threePeople(server)
  const channel = await owner.createChannel('general')
  const cursor = await cursorOf(ann)
  const doomed = await owner.send(channel, 'take it back')
  await owner.send(channel, 'stays')
  await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: doomed } })
  using socket = await resume(ann, cursor)
  expect(socket.texts).toEqual(['stays'])
  expect(JSON.stringify(socket.frames)).not.toContain('take it back')
  expect(socket.frames.find(({ type }) => type === 'message_deleted')).toMatchObject({
    message_id: doomed,
    channel_id: channel,
    seq: 1,
    cursor: expect.any(String),
  })
})

test('of a channel that was lost meanwhile only the loss is replayed', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await threePeople(server)
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann, bob] })
  const open = await owner.createChannel('open')
  const cursor = await cursorOf(bob)
  await ann.send(hidden, 'while bob was in it')
  await owner.removeMember(hidden, bob)
  await ann.send(hidden, 'after bob was out')
  await ann.send(open, 'for all')
  using socket = await resume(bob, cursor)
  expect(socket.texts).toEqual(['for all'])
  expect(socket.frames.map(({ type }) => type)).toEqual(['channel_member_removed', 'message', 'ready'])
  expect(socket.frames[0]).toMatchObject({ channel_id: hidden, user_id: bob.id })
})

test('of a channel that was joined meanwhile, joining and what was said is replayed', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await threePeople(server)
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  const cursor = await cursorOf(bob)
  await owner.addMember(hidden, bob)
  await ann.send(hidden, 'welcome')
  using socket = await resume(bob, cursor)
  expect(socket.frames.map(({ type }) => type)).toEqual(['channel_member_added', 'message', 'ready'])
  expect(socket.frames[0]).toMatchObject({ channel_id: hidden, channel: { channel_name: 'hidden' } })
  expect(socket.texts).toEqual(['welcome'])
})

test('of a channel that was deleted meanwhile only the deletion is replayed', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await threePeople(server)
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  const open = await owner.createChannel('open')
  const cursors = [await cursorOf(ann), await cursorOf(bob)]
  await ann.send(hidden, 'secret')
  await ann.send(open, 'public')
  for (const channel of [hidden, open]) await owner.delete(`/api/v1/channels/${channel}/delete`)
  using anns = await resume(ann, cursors[0]!)
  expect(anns.frames.map(({ type, channel_id }) => [type, channel_id])).toEqual([
    ['channel_deleted', hidden],
    ['channel_deleted', open],
    ['ready', undefined],
  ])
  using bobs = await resume(bob, cursors[1]!)
  expect(bobs.frames.map(({ type, channel_id }) => [type, channel_id])).toEqual([
    ['channel_deleted', open],
    ['ready', undefined],
  ])
})

test('a socket of one channel resumes that channel only', async () => {
  await using server = await startServer()
  const [owner, ann] = await threePeople(server)
  const [one, two] = [await owner.createChannel('one'), await owner.createChannel('two')]
  using global = await ann.connect({ resume: 'now' })
  const { cursor } = await global.next('ready')
  for (const [channel, text] of [
    [one, '1'],
    [two, '2'],
    [one, '3'],
  ] as const) {
    await owner.send(channel, text)
  }
  using scoped = await resume(ann, cursor, one)
  expect(scoped.texts).toEqual(['1', '3'])
  await owner.send(two, '4')
  await owner.send(one, '5')
  await scoped.settled()
  expect(scoped.texts).toEqual(['1', '3', '5'])
  // Cursors mean the same on both forms.
  using back = await resume(ann, scoped.frames.findLast(({ type }) => type === 'message').cursor as string)
  expect(back.texts).toEqual([])
})

test('a cursor outlives a restart of the server', async () => {
  await using place = await newPlace()
  const env = { PUBLIC_ORIGIN: 'https://chat.example' }
  const first = await startServer({ place, env })
  const [owner, ann] = await threePeople(first)
  const channel = await owner.createChannel('general')
  const socket = await ann.connect({ resume: 'now' })
  await socket.next('ready')
  await owner.send(channel, 'before')
  await socket.next('message')
  const { cursor } = socket
  await owner.send(channel, 'last words')
  await first.stop()
  expect(await socket.closed()).toMatchObject({ code: 1001 })

  await using second = await startServer({ place, env })
  const again = async (person: Person): Promise<Person> =>
    Object.assign(Object.create(person) as Person, { server: second })
  const [owner2, ann2] = [await again(owner), await again(ann)]
  await owner2.send(channel, 'after')
  using resumed = await resume(ann2, cursor)
  expect(resumed.texts).toEqual(['last words', 'after'])
})

test('what is sent while the missed is replayed comes once and in order, hidden channels included', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await threePeople(server)
  const channels = [
    await owner.createChannel('open'),
    await owner.createChannel('hidden', { private: true, members: [ann, bob] }),
    await owner.createChannel('not for bob', { private: true, members: [ann] }),
  ]
  const cursor = await cursorOf(bob)
  let sending = true
  const senders = Array.from({ length: 6 }, async (_, sender) => {
    for (let count = 0; sending; count++)
      await [owner, ann][sender % 2]!.send(channels[(sender + count) % 3]!, `${sender} ${count}`)
  })
  const sockets: TestSocket[] = []
  // Sockets come and go while others talk: from the start, from where the last one was, and scoped.
  let last = cursor
  for (let round = 0; round < 12; round++) {
    const channel = round % 3 === 2 ? channels[round % 2] : undefined
    const socket = await bob.connect({
      resume: round % 2 === 0 ? cursor : last,
      ...(channel !== undefined && { channel }),
    })
    sockets.push(socket)
    await socket.next('ready')
    await socket.next('message')
    last = socket.cursor
  }
  sending = false
  await Promise.all(senders)
  const histories = await Promise.all(channels.slice(0, 2).map((channel) => wholeHistory(bob, channel)))
  for (const [index, socket] of sockets.entries()) {
    await socket.settled()
    const scope = index % 3 === 2 ? channels[index % 2] : undefined
    const got = messagesOf(socket)
    for (const [which, history] of histories.entries()) {
      const own = got.filter(({ channel }) => channel === channels[which])
      if (scope !== undefined && scope !== channels[which]) expect(own).toEqual([])
      else expect(own).toEqual(index % 2 === 0 ? history : history.slice(history.length - own.length))
    }
    expect(got.filter(({ channel }) => channel === channels[2])).toEqual([])
    socket.socket.terminate()
  }
})

test('a socket without a cursor misses nothing that is sent after it is open', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await threePeople(server)
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann, bob] })
  for (let round = 0; round < 10; round++) {
    using socket = await bob.connect()
    await ann.send(hidden, `round ${round}`)
    expect(await socket.next('message')).toMatchObject({ message: `round ${round}` })
  }
})
