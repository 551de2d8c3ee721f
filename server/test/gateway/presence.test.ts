import { describe, expect, test } from 'vitest'
import { Person } from '#test/person.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'
import type { TestSocket } from '#test/socket.ts'

const AT_ONCE = { env: { GATEWAY_PRESENCE_GRACE_SECONDS: '0' } }

async function statusOf(person: Person, of = person): Promise<string> {
  const { body } = await person.post('/api/v1/users/profile', { user_id: of.id })
  return body.user_data.status as string
}

/** The next change of `person` that `socket` is told of. */
async function change(socket: TestSocket, person: Person): Promise<{ status: string; source: string }> {
  for (;;) {
    const frame = await socket.next('user_status_changed')
    if (frame.user_id === person.id) return frame
  }
}

function changesOf(socket: TestSocket, person: Person): string[] {
  return socket.frames
    .filter(({ type, user_id }) => type === 'user_status_changed' && user_id === person.id)
    .map(({ status }) => status as string)
}

/** People who are offline; whoever signs up is taken to be there. Nobody is told. */
async function offline(server: TestServer, ...names: string[]): Promise<Person[]> {
  const people = await server.people(...names)
  await server.ctx.db.transact((tx) => tx.updateTable('user').set({ status: 'offline' }).execute())
  return people
}

async function two(server: TestServer): Promise<[Person, Person]> {
  return (await offline(server, 'owner', 'ann')) as [Person, Person]
}

test('the first socket of somebody brings them online, the last one offline, others change nothing', async () => {
  await using server = await startServer(AT_ONCE)
  const [owner, ann] = await two(server)
  const channel = await owner.createChannel('general')
  expect(await statusOf(owner, ann)).toBe('offline')
  using watcher = await owner.connect()
  const first = await ann.connect()
  expect(await change(watcher, ann)).toEqual({
    type: 'user_status_changed',
    user_id: ann.id,
    status: 'online',
    source: 'ws_global_connect',
    timestamp: expect.stringMatching(/\+00:00$/),
  })
  expect(await statusOf(owner, ann)).toBe('online')
  const second = await ann.connect({ channel })
  first.socket.close()
  await first.closed()
  await second.settled()
  second.socket.close()
  expect(await change(watcher, ann)).toMatchObject({ status: 'offline', source: 'ws_disconnect' })
  expect(await statusOf(owner, ann)).toBe('offline')
  using third = await ann.connect({ channel })
  expect(await change(watcher, ann)).toMatchObject({ status: 'online', source: 'ws_channel_connect' })
  // One's own sockets are told, too.
  expect(await change(third, ann)).toMatchObject({ status: 'online' })
  expect(changesOf(watcher, ann)).toEqual(['online', 'offline', 'online'])
})

test('who comes back within the grace time was never away', async () => {
  await using server = await startServer({ env: { GATEWAY_PRESENCE_GRACE_SECONDS: '60' } })
  const [owner, ann, bob] = (await offline(server, 'owner', 'ann', 'bob')) as [Person, Person, Person]
  await owner.createChannel('general')
  using watcher = await owner.connect()
  for (let round = 0; round < 3; round++) {
    const socket = await ann.connect()
    if (round === 0) await change(watcher, ann)
    socket.socket.close()
    await socket.closed()
  }
  using marker = await bob!.connect()
  await change(watcher, bob!)
  expect(changesOf(watcher, ann)).toEqual(['online'])
  expect(await statusOf(owner, ann)).toBe('online')
  await marker.settled()
})

describe('a status that a client chooses', () => {
  test('is shown to others, under any of the names that clients use', async () => {
    await using server = await startServer(AT_ONCE)
    const [owner, ann] = await two(server)
    await owner.createChannel('general')
    using watcher = await owner.connect()
    using socket = await ann.connect()
    await change(watcher, ann)
    for (const [type, status, shown] of [
      ['presence_update', 'idle', 'idle'],
      ['status_update', 'dnd', 'dnd'],
      ['user_status_changed', 'afk', 'afk'],
      ['presence_update', 'online', 'online'],
      ['presence_update', 'away', 'afk'],
      ['presence_update', 'invisible', 'offline'],
      ['presence_update', '  DnD ', 'dnd'],
      ['presence_update', 'INACTIVE', 'offline'],
    ]) {
      socket.send({ type, status })
      expect(await change(watcher, ann)).toMatchObject({ status: shown, source: 'ws_client_update' })
      expect(await statusOf(owner, ann)).toBe(shown)
    }
  })

  test('is announced only when it changes', async () => {
    await using server = await startServer(AT_ONCE)
    const [owner, ann] = await two(server)
    await owner.createChannel('general')
    using watcher = await owner.connect()
    using socket = await ann.connect()
    await change(watcher, ann)
    for (let count = 0; count < 5; count++) socket.send({ type: 'presence_update', status: 'online' })
    for (let count = 0; count < 5; count++)
      await ann.put('/api/v1/users/profile', { json: { status: 'online' } })
    socket.send({ type: 'presence_update', status: 'idle' })
    await change(watcher, ann)
    for (let count = 0; count < 5; count++)
      await ann.put('/api/v1/users/profile', { json: { status: 'idle' } })
    await ann.put('/api/v1/users/profile', { json: { status: 'dnd' } })
    expect(await change(watcher, ann)).toMatchObject({ status: 'dnd', source: 'http_profile_update' })
    expect(changesOf(watcher, ann)).toEqual(['online', 'idle', 'dnd'])
  })

  test('and is none is answered with an error and changes nothing', async () => {
    await using server = await startServer(AT_ONCE)
    const [owner, ann] = await two(server)
    await owner.createChannel('general')
    using socket = await ann.connect()
    await change(socket, ann)
    for (const status of [undefined, null, '', 'busy', 5, ['online'], {}, 'constructor', '__proto__']) {
      socket.send({ type: 'presence_update', status })
      expect(await socket.next('error')).toEqual({
        type: 'error',
        error: 'status must be one of online, idle, afk, dnd, offline',
      })
    }
    expect(await statusOf(owner, ann)).toBe('online')
  })

  test('survives a reconnect if it keeps others away, and gives way to online if not', async () => {
    await using server = await startServer(AT_ONCE)
    const [owner, ann] = await two(server)
    await owner.createChannel('general')
    using watcher = await owner.connect()
    let socket = await ann.connect()
    await change(watcher, ann)
    for (const [chosen, after] of [
      ['dnd', 'dnd'],
      ['afk', 'afk'],
      ['idle', 'online'],
    ]) {
      socket.send({ type: 'presence_update', status: chosen })
      expect(await change(watcher, ann)).toMatchObject({ status: chosen })
      socket.socket.close()
      expect(await change(watcher, ann)).toMatchObject({ status: 'offline', source: 'ws_disconnect' })
      socket = await ann.connect()
      expect(await change(watcher, ann)).toMatchObject({ status: after, source: 'ws_global_connect' })
    }
    socket.socket.terminate()
  })

  test('last is what stays, however quickly the ones before it came', async () => {
    await using server = await startServer(AT_ONCE)
    const [owner, ann] = await two(server)
    await owner.createChannel('general')
    for (let round = 0; round < 5; round++) {
      using socket = await ann.connect()
      for (const status of [
        'idle',
        'dnd',
        'online',
        'afk',
        'idle',
        'online',
        'dnd',
        'idle',
        'afk',
        'online',
        'dnd',
      ]) {
        socket.send({ type: 'presence_update', status })
      }
      // Answered after everything before it.
      socket.send({ type: 'presence_update', status: 'no such thing' })
      await socket.next('error')
      expect(await statusOf(owner, ann)).toBe('dnd')
    }
  })
})

describe('with private channels only', () => {
  test('people who share one are told, of coming and of going, and others are not', async () => {
    await using server = await startServer(AT_ONCE)
    const [owner, ann, bob, eve] = await offline(server, 'owner', 'ann', 'bob', 'eve')
    await owner!.createChannel('shared', { private: true, members: [ann!, bob!] })
    await owner!.createChannel('elsewhere', { private: true, members: [eve!] })
    using anns = await ann!.connect()
    using eves = await eve!.connect()
    await change(eves, eve!)
    const bobs = await bob!.connect()
    expect(await change(anns, bob!)).toMatchObject({ status: 'online' })
    bobs.send({ type: 'presence_update', status: 'idle' })
    expect(await change(anns, bob!)).toMatchObject({ status: 'idle' })
    bobs.socket.close()
    expect(await change(anns, bob!)).toMatchObject({ status: 'offline' })
    // Without a socket.
    await bob!.put('/api/v1/users/profile', { json: { status: 'dnd' } })
    expect(await change(anns, bob!)).toMatchObject({ status: 'dnd', source: 'http_profile_update' })
    await eves.settled()
    expect(changesOf(eves, bob!)).toEqual([])
    expect(changesOf(eves, ann!)).toEqual([])
  })

  test('who left it is not told any more', async () => {
    await using server = await startServer(AT_ONCE)
    const [owner, ann, bob] = await offline(server, 'owner', 'ann', 'bob')
    const channel = await owner!.createChannel('shared', { private: true, members: [ann!, bob!] })
    using anns = await ann!.connect()
    using owners = await owner!.connect()
    using bobs = await bob!.connect()
    await change(anns, bob!)
    await owner!.removeMember(channel, ann!)
    await anns.next('channel_member_removed')
    bobs.send({ type: 'presence_update', status: 'dnd' })
    while ((await change(owners, bob!)).status !== 'dnd');
    await anns.settled()
    expect(changesOf(anns, bob!)).toEqual(['online'])
  })
})

test('somebody whose first socket is sent away, but who has another, is online', async () => {
  await using server = await startServer(AT_ONCE)
  const [owner, ann] = await two(server)
  await owner.createChannel('general')
  using watcher = await owner.connect()
  for (let round = 0; round < 5; round++) {
    const [refused, kept] = await Promise.all([
      ann.connect({ resume: 'nonsense' }),
      ann.connect({ resume: 'now' }),
    ])
    expect(await refused.closed()).toMatchObject({ code: 4009 })
    await kept.next('ready')
    // The one may be gone before the other is there: what counts is how it ends.
    while ((await change(watcher, ann)).status !== 'online');
    await expect.poll(() => statusOf(owner, ann), { timeout: 30_000 }).toBe('online')
    kept.socket.close()
    while ((await change(watcher, ann)).status !== 'offline');
  }
})

test('who came and went at once is offline in the end', async () => {
  await using server = await startServer(AT_ONCE)
  const [owner, ann] = await two(server)
  await owner.createChannel('general')
  for (let round = 0; round < 10; round++) {
    const sockets = await Promise.all([ann.connect(), ann.connect()])
    for (const { socket } of sockets) socket.terminate()
    await expect.poll(() => server.running.hub.size).toBe(0)
  }
  // One who comes after the last of it is the proof that it is over.
  const last = await ann.connect()
  await last.settled()
  last.socket.close()
  await expect.poll(() => statusOf(owner, ann)).toBe('offline')
})

test('after a crash nobody is online who is not connected', async () => {
  await using place = await newPlace()
  const env = { ...AT_ONCE.env, PUBLIC_ORIGIN: 'https://chat.example' }
  const first = await startServer({ place, env })
  const [owner, ann] = await two(first)
  using socket = await ann.connect()
  await change(socket, ann)
  await first.stop()
  await using second = await startServer({ place, env })
  expect(await statusOf(new Person(second, owner), ann)).toBe('offline')
})
