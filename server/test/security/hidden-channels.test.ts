import { expect, test } from 'vitest'
import { request, type Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { RefusedError, TestSocket } from '#test/socket.ts'

interface Operation {
  readonly method: string
  readonly path: string
  readonly fields: readonly string[]
  readonly inBody: boolean
}

interface Described {
  readonly parameters?: readonly { name: string; in: string }[]
  readonly requestBody?: { content: Record<string, { schema: { properties?: Record<string, object> } }> }
}

/** Every operation on a channel, from the document, so that one which is added is tried as well. */
function operationsOnChannels(server: TestServer): Operation[] {
  const { paths } = server.running.openApi() as { paths: Record<string, Record<string, Described>> }
  return Object.entries(paths)
    .filter(([path]) => path.includes('{channel_id}') && !path.startsWith('/ws'))
    .flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { parameters = [], requestBody }]) => {
        const query = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name)
        const body = Object.keys(requestBody?.content['application/json']?.schema.properties ?? {})
        return {
          method: method.toUpperCase(),
          path,
          fields: [...new Set([...query, ...body])],
          inBody: !!requestBody,
        }
      }),
    )
}

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

/** What to put into the fields of a request. A field that is not known here must be added when a route needs it. */
function valuesFor(ids: { message: string; user: string }): Record<string, unknown> {
  return {
    auth_token: undefined,
    message: 'let me in',
    sent_at: undefined,
    message_id: ids.message,
    to_add_user_id: ids.user,
    to_remove_user_id: ids.user,
    page: '1',
    messages_per_page: '10',
    before: undefined,
    after: undefined,
    around: ids.message,
    channel_name: 'renamed',
    is_private: false,
    allow: ['send_messages'],
    deny: ['view_messages'],
    subject_type: 'role',
    subject_id: 'user',
    q: 'hello',
    limit: '10',
    scan_limit: '10',
    cursor: undefined,
    slow_mode_seconds: '0',
    topic: 'a topic',
    category_id: undefined,
    position: 1,
    sdp: 'v=0',
    emoji: '👍',
    reply_to: undefined,
    thread_id: undefined,
    quality_profile: 'balanced',
    max_participants: 5,
    bitrate_kbps: 32,
    days: 30,
    muted: true,
    mention_only: false,
    muted_until: undefined,
    level: 'mentions',
  }
}

async function attempt(
  person: Person,
  { method, path, fields, inBody }: Operation,
  channel: string,
  values: Record<string, unknown>,
): Promise<Answer> {
  const places = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)
  for (const field of [...fields, ...places.filter((name) => name !== 'channel_id')]) {
    if (!(field in values))
      throw new Error(`${method} ${path} has a new field ${field}: give it a value here`)
  }
  const given = Object.fromEntries(
    fields.flatMap((field) => (values[field] === undefined ? [] : [[field, values[field]]])),
  )
  const address = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === 'channel_id' ? channel : String(values[name]),
  )
  return request(person.server, method, address, {
    token: person.token,
    ...(inBody ? { json: given } : { query: given as Record<string, string> }),
  })
}

/** What a client can tell two answers apart by, ids of its own question aside. */
function visible({ status, text, headers }: Answer, channel: string): object {
  const names = [...headers.keys()].filter(
    (name) => !['date', 'x-request-id', 'content-length'].includes(name),
  )
  return { status, text: text.replaceAll(channel, '<channel>'), names }
}

test('on every route, a channel one is not in answers like one that does not exist', async () => {
  await using server = await startServer()
  const [owner, ann, mallory] = (await server.people('owner', 'ann', 'mallory')) as [Person, Person, Person]
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  const deleted = await owner.createChannel('deleted')
  const gone = await mallory.send(deleted, 'gone')
  expect((await owner.delete(`/api/v1/channels/${deleted}/delete`)).status).toBe(200)
  const message = await ann.send(hidden, 'secret plan')
  const operations = operationsOnChannels(server)
  expect(operations.length).toBeGreaterThanOrEqual(7)

  for (const operation of operations) {
    const name = `${operation.method} ${operation.path}`
    for (const user of [mallory.id, ann.id, UNKNOWN]) {
      const values = valuesFor({ message, user })
      const real = await attempt(mallory, operation, hidden, values)
      const missing = await attempt(mallory, operation, UNKNOWN, values)
      const removed = await attempt(mallory, operation, deleted, valuesFor({ message: gone, user }))
      expect(visible(real, hidden), name).toEqual(visible(missing, UNKNOWN))
      expect(visible(real, hidden), name).toEqual(visible(removed, deleted))
      // Rights of the whole server are asked before the channel: who lacks them learns nothing of this one.
      expect([403, 404], name).toContain(real.status)
      if (real.status === 404) expect(real.body).toEqual({ detail: `Channel not found: '${hidden}'` })
      expect(real.text).not.toContain('secret')
    }
  }
  // The other way round: whoever is in it is not refused for the channel's sake.
  const load = operations.find(({ path }) => path.endsWith('/load_messages'))!
  expect((await attempt(ann, load, hidden, valuesFor({ message, user: ann.id }))).status).toBe(200)
  expect(await ann.load(hidden)).toEqual(['secret plan'])
})

test('a hidden channel is not found by a socket either, in the words of a missing one', async () => {
  await using server = await startServer()
  const [owner, ann, mallory] = (await server.people('owner', 'ann', 'mallory')) as [Person, Person, Person]
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  const refusals = []
  for (const channel of [hidden, UNKNOWN]) {
    for (const form of [
      { token: mallory.token },
      { headers: { authorization: `Bearer ${mallory.token}` } },
    ]) {
      const refusal: unknown = await TestSocket.open(server, { ...form, channel }).catch(
        (error: unknown) => error,
      )
      expect(refusal).toBeInstanceOf(RefusedError)
      const { status, body } = refusal as RefusedError
      refusals.push(`${status} ${body.replace(channel, '<channel>')}`)
    }
  }
  expect(new Set(refusals)).toEqual(new Set([`404 {"detail":"Channel not found: '<channel>'"}`]))
  using admitted = await ann.connect({ channel: hidden })
  using everything = await mallory.connect()
  await ann.send(hidden, 'secret plan')
  expect(await admitted.next('message')).toMatchObject({ message: 'secret plan' })
  expect(await everything.settled()).toEqual([])
})

test('a hidden message is confirmed in the words of a missing one, and nothing is noted', async () => {
  await using server = await startServer()
  const [owner, ann, mallory] = (await server.people('owner', 'ann', 'mallory')) as [Person, Person, Person]
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  const open = await owner.createChannel('open')
  const message = await ann.send(hidden, 'secret plan')
  using socket = await mallory.connect()
  using scoped = await mallory.connect({ channel: open })
  const told = async (on: TestSocket, frame: object, ids: string[]): Promise<string> => {
    on.send({ type: 'read_confirmation', ...frame })
    const { error } = await on.next('error')
    return ids.reduce((text, id) => text.replaceAll(id, '<id>'), error as string)
  }
  for (const on of [socket, scoped]) {
    expect(await told(on, { message_id: message }, [message])).toBe(
      await told(on, { message_id: UNKNOWN }, [UNKNOWN]),
    )
    expect(await told(on, { message_id: message, channel_id: hidden }, [message, hidden])).toBe(
      await told(on, { message_id: UNKNOWN, channel_id: hidden }, [UNKNOWN, hidden]),
    )
    expect(await told(on, { message_id: message, channel_id: open }, [message])).toBe(
      await told(on, { message_id: UNKNOWN, channel_id: open }, [UNKNOWN]),
    )
  }
  const states = await server.ctx.db.read
    .selectFrom('read_state')
    .selectAll()
    .where('user_id', '=', mallory.id)
    .execute()
  expect(states).toEqual([])
})

test('places in a hidden history are not found through a channel one may see', async () => {
  await using server = await startServer()
  const [owner, ann, mallory] = (await server.people('owner', 'ann', 'mallory')) as [Person, Person, Person]
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
  const open = await owner.createChannel('open')
  await ann.send(open, 'hello')
  const message = await ann.send(hidden, 'secret plan')
  for (const place of ['before', 'after', 'around']) {
    const answers = await Promise.all(
      [message, UNKNOWN].map((id) =>
        mallory.get(`/api/v1/channels/${open}/load_messages`, { query: { [place]: id } }),
      ),
    )
    for (const { status } of answers) expect(status).toBe(404)
    expect(answers[0]!.text.replace(message, '<id>')).toBe(answers[1]!.text.replace(UNKNOWN, '<id>'))
  }
  for (const [method, path] of [
    ['PUT', 'mark_message_as_read'],
    ['DELETE', 'delete_message'],
  ] as const) {
    const answer = await request(server, method, `/api/v1/channels/${open}/${path}`, {
      token: mallory.token,
      query: { message_id: message },
    })
    expect(answer.status).toBe(404)
  }
  expect(await ann.load(hidden)).toEqual(['secret plan'])
})

test('who loses a channel loses it on every route and in every list at once', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = (await server.people('owner', 'ann', 'bob')) as [Person, Person, Person]
  const hidden = await owner.createChannel('hidden', { private: true, members: [ann, bob] })
  const message = await ann.send(hidden, 'secret plan')
  expect(await bob.load(hidden)).toEqual(['secret plan'])
  await owner.removeMember(hidden, bob)
  for (const operation of operationsOnChannels(server)) {
    const { status } = await attempt(bob, operation, hidden, valuesFor({ message, user: bob.id }))
    expect([403, 404], `${operation.method} ${operation.path}`).toContain(status)
  }
  const list = await bob.post('/api/v1/channels/list/')
  expect(list.body.channels).toEqual([])
  const history = await bob.get('/api/v1/channels/read-history')
  expect(history.body).toMatchObject({ viewed_message_ids: [], unread_counts: {} })
  await expect(bob.connect({ channel: hidden })).rejects.toMatchObject({ status: 404 })
})
