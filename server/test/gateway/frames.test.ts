import { describe, expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { frame, Opcode, RawSocket } from '#test/raw-socket.ts'
import { startServer, type TestServer } from '#test/server.ts'

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

async function rawSocket(server: TestServer, person: Person, query = ''): Promise<RawSocket> {
  return RawSocket.open(server, `/ws?auth_token=${person.token}${query}`)
}

/** The process lives, and others are served. */
async function expectAlive(person: Person): Promise<void> {
  using socket = await person.connect()
  expect(await socket.settled()).toEqual([])
}

test('a ping is answered at once, with the time', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  using socket = await owner.connect()
  socket.send({ type: 'ping' })
  expect(await socket.next('pong')).toEqual({ type: 'pong', timestamp: expect.stringMatching(/\+00:00$/) })
})

test('what is no object or of no known type is passed over', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  using socket = await owner.connect()
  const ignored = [
    '',
    'hello',
    '{',
    '[]',
    '[{"type":"ping"}]',
    'null',
    'true',
    '5',
    '"ping"',
    '{}',
    '{"type":null}',
    '{"type":["ping"]}',
    '{"type":"PING"}',
    '{"type":"constructor"}',
    '{"type":"__proto__"}',
    '{"__proto__":{"type":"ping"}}',
    '{"type":"message","message":"forged","channel_id":"x"}',
    '{"type":"session.ended"}',
    '\u0000',
    '['.repeat(30_000),
  ]
  for (const text of ignored) socket.send(text)
  socket.socket.send(Buffer.from('{"type":"ping"}'), { binary: true })
  expect(await socket.settled()).toEqual([])
  expect(socket.frames).toHaveLength(1)
})

describe('read_confirmation', () => {
  test('marks as read, with or without the channel, and tells the other sockets of the reader only', async () => {
    await using server = await startServer()
    const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
    const [one, two] = [await owner.createChannel('one'), await owner.createChannel('two')]
    const first = await owner.send(one, 'a')
    const second = await owner.send(one, 'b')
    const third = await owner.send(two, 'c')
    using global = await ann.connect()
    using scoped = await ann.connect({ channel: one })
    using owners = await owner.connect()
    const unread = async (): Promise<unknown> => {
      const { body } = await ann.get('/api/v1/channels/read-history')
      return [body.unread_counts[one], body.unread_counts[two]]
    }
    expect(await unread()).toEqual([2, 1])
    global.send({ type: 'read_confirmation', message_id: first })
    expect(await scoped.next('message_read')).toEqual({
      type: 'message_read',
      message_id: first,
      channel_id: one,
      seq: 1,
    })
    expect(await unread()).toEqual([1, 1])
    global.send({ type: 'read_confirmation', message_id: third, channel_id: two })
    expect(await global.next('message_read')).toMatchObject({ message_id: first })
    expect(await global.next('message_read')).toMatchObject({ message_id: third, channel_id: two })
    expect(await unread()).toEqual([1, 0])
    scoped.send({ type: 'read_confirmation', message_id: second })
    expect(await global.next('message_read')).toMatchObject({ message_id: second, seq: 2 })
    expect(await unread()).toEqual([0, 0])
    // Backwards and again: nothing moves and nothing is said.
    for (const id of [first, second, second]) scoped.send({ type: 'read_confirmation', message_id: id })
    await owner.send(one, 'after')
    await scoped.next('message')
    expect((await scoped.settled()).filter(({ type }) => type === 'message_read')).toHaveLength(3)
    expect((await owners.settled()).filter(({ type }) => type === 'message_read')).toEqual([])
  })

  test('of what is unknown, elsewhere or deleted is answered with an error and changes nothing', async () => {
    await using server = await startServer()
    const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
    const [one, two] = [await owner.createChannel('one'), await owner.createChannel('two')]
    const message = await owner.send(one, 'a')
    const deleted = await owner.send(one, 'b')
    await owner.delete(`/api/v1/channels/${one}/delete_message`, { query: { message_id: deleted } })
    using global = await ann.connect()
    using scoped = await ann.connect({ channel: two })
    for (const [socket, fields, error] of [
      [global, {}, 'message_id must be a string'],
      [global, { message_id: 5 }, 'message_id must be a string'],
      [global, { message_id: 'x' }, "message_id not found: 'x'"],
      [global, { message_id: UNKNOWN }, `message_id not found: '${UNKNOWN}'`],
      [global, { message_id: deleted }, `message_id not found: '${deleted}'`],
      [global, { message_id: message, channel_id: two }, `message_id not found: '${message}'`],
      [global, { message_id: message, channel_id: UNKNOWN }, `Channel not found: '${UNKNOWN}'`],
      [scoped, { message_id: message }, `message_id not found: '${message}'`],
      [scoped, { message_id: message, channel_id: one }, `message_id not found: '${message}'`],
    ] as const) {
      socket.send({ type: 'read_confirmation', ...fields })
      expect(await socket.next('error')).toEqual({ type: 'error', error })
    }
    const { body } = await ann.get('/api/v1/channels/read-history')
    expect(body).toMatchObject({ viewed_message_ids: [], unread_counts: { [one]: 1, [two]: 0 } })
  })

  test('for somebody else is not possible', async () => {
    await using server = await startServer()
    const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
    const channel = await owner.createChannel('one')
    const bob = await server.person('bob')
    const message = await owner.send(channel, 'a')
    using socket = await ann.connect()
    socket.send({ type: 'read_confirmation', message_id: message, user_id: bob.id, sender_user_id: bob.id })
    await socket.next('message_read')
    const { body } = await bob.get('/api/v1/channels/read-history')
    expect(body.unread_counts).toEqual({ [channel]: 1 })
  })
})

describe('a client that breaks the protocol', () => {
  const text = (content: string | Uint8Array, options?: Parameters<typeof frame>[2]): Buffer =>
    frame(Opcode.text, content, options)
  test.each<[string, number, Buffer[]]>([
    ['with an unmasked frame', 1002, [text('{}', { unmasked: true })]],
    ['with an unknown opcode', 1002, [frame(3, 'x')]],
    ['with an unknown control opcode', 1002, [frame(11, 'x')]],
    ['with a reserved bit', 1002, [text('x', { reserved: 0x40 })]],
    ['with a continuation of nothing', 1002, [frame(Opcode.continuation, 'x')]],
    ['with a message inside a message', 1002, [text('a', { final: false }), text('b')]],
    ['with a fragmented ping', 1002, [frame(Opcode.ping, 'x', { final: false })]],
    ['with a long ping', 1002, [frame(Opcode.ping, 'x'.repeat(126))]],
    ['with bytes that are no UTF-8', 1007, [text(Buffer.from([0xc3, 0x28]))]],
    ['with half a surrogate pair', 1007, [text(Buffer.from([0xed, 0xa0, 0x80]))]],
    ['with a close code that must not be sent', 1002, [frame(Opcode.close, Buffer.from([0x03, 0xee]))]],
    ['with a frame that is too large', 1009, [text('x'.repeat(70_000))]],
    [
      'with fragments that are too large together',
      1009,
      [text('x'.repeat(40_000), { final: false }), frame(Opcode.continuation, 'x'.repeat(40_000))],
    ],
    [
      'with a length that no number holds',
      1009,
      [Buffer.from([0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255])],
    ],
  ])('%s is closed with %i, and nobody else', async (_name, code, bytes) => {
    await using server = await startServer()
    const owner = await server.person('owner')
    using other = await owner.connect()
    using socket = await rawSocket(server, owner)
    socket.write(...bytes)
    expect(await socket.ended()).toBe(code)
    expect(await other.settled()).toEqual([])
    await expectAlive(owner)
    expect(server.running.hub.size).toBeLessThanOrEqual(2)
  })

  test('by leaving without a word is forgotten', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    using watcher = await owner.connect()
    const bob = await server.person('bob')
    const socket = await rawSocket(server, bob)
    expect(server.running.hub.size).toBe(2)
    const half = await rawSocket(server, bob)
    half.write(Buffer.from([0x81, 0xfe]))
    half.socket.resetAndDestroy()
    socket.socket.resetAndDestroy()
    // Bob is seen to go once the server has noticed.
    await owner.send(channel, 'bye')
    await watcher.next('message')
    await expect.poll(() => server.running.hub.size).toBe(1)
  })
})

test('a message in many fragments, with pings between, is one message', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  using socket = await rawSocket(server, owner)
  const parts = [...'{"type":"ping"}']
  for (const [index, part] of parts.entries()) {
    const opcode = index === 0 ? Opcode.text : Opcode.continuation
    socket.write(frame(opcode, part, { final: index === parts.length - 1 }))
    if (index === 5) socket.write(frame(Opcode.ping, 'between'))
  }
  await socket.until(() => socket.json.length > 0)
  expect(socket.json).toEqual([{ type: 'pong', timestamp: expect.any(String) }])
  expect(
    socket.frames.filter(({ opcode }) => opcode === Opcode.pong).map(({ payload }) => String(payload)),
  ).toEqual(['between'])
  socket.write(frame(Opcode.close, Buffer.from([0x03, 0xe8])))
  expect(await socket.ended()).toBe(1000)
})

test.each([
  ['of text', frame(Opcode.text, 'x')],
  ['of bytes', frame(Opcode.binary, 'x')],
  ['of pings', frame(Opcode.ping, 'x')],
])('a flood %s is closed with 1008, and nobody else', async (_name, bytes) => {
  await using server = await startServer()
  const [owner, bob] = (await server.people('owner', 'bob')) as [Person, Person]
  using other = await owner.connect()
  using socket = await rawSocket(server, bob)
  for (let count = 0; count < 250; count++) socket.write(bytes)
  expect(await socket.ended()).toBe(1008)
  // A task of the server may have been due just now.
  expect((await other.settled()).filter(({ type }) => type !== 'background_task')).toEqual([])
})

test('frames that come while the missed is replayed count as well', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  using first = await owner.connect({ resume: 'now' })
  const { cursor } = await first.next('ready')
  for (let count = 0; count < 20; count++) await owner.send(channel, `missed ${count}`)
  using socket = await rawSocket(server, owner, `&resume=${cursor as string}`)
  for (let count = 0; count < 250; count++) socket.sendText('{"type":"ping"}')
  expect(await socket.ended()).toBe(1008)
})

test('a few frames that come with the handshake are answered after what was missed', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  using first = await owner.connect({ resume: 'now' })
  const { cursor } = await first.next('ready')
  await owner.send(channel, 'missed')
  using socket = await rawSocket(server, owner, `&resume=${cursor as string}`)
  socket.sendText('{"type":"ping"}')
  await socket.until(() => socket.json.some(({ type }) => type === 'pong'))
  expect(socket.json.map(({ type }) => type)).toEqual(['message', 'ready', 'pong'])
})
