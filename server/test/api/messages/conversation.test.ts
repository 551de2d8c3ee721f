import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { sendDm } from '#test/direct.ts'
import { find } from '#test/search.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { dumpTables } from '#test/sql.ts'

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

const at = (channel: string, message: string, rest = ''): string =>
  `/api/v1/channels/${channel}/messages/${message}${rest}`

let server: TestServer
let owner: Person
let furnished = 0

beforeAll(async () => {
  server = await startServer()
  owner = await server.person('owner')
})
afterAll(() => server[Symbol.asyncDispose]())

/** Two members, new ones, and a channel that they and the owner see. */
async function furnish(): Promise<{ ann: Person; bob: Person; channel: string }> {
  const number = ++furnished
  const [ann, bob] = (await server.people(`ann${number}`, `bob${number}`)) as [Person, Person]
  return { ann, bob, channel: await owner.createChannel(`general ${number}`) }
}

// oxlint-disable-next-line typescript/no-explicit-any -- messages as they come over the wire
async function page(person: Person, channel: string): Promise<any[]> {
  const { status, body } = await person.get(`/api/v1/channels/${channel}/load_messages`)
  expect(status).toBe(200)
  return body.messages
}

async function send(person: Person, channel: string, json: object): Promise<string> {
  const { status, body } = await person.post(`/api/v1/channels/${channel}/send_message`, json)
  expect(status, JSON.stringify(body)).toBe(201)
  return body.message_id as string
}

describe('editing', () => {
  test('changes the text everywhere at once, also on open sockets, in pages that were read, and in search', async () => {
    const { ann, bob, channel } = await furnish()
    const id = await ann.send(channel, 'a tpyo')
    expect((await page(bob, channel))[0].message).toBe('a tpyo')
    using socket = await bob.connect({ resume: 'now' })
    await socket.next('ready')
    const { status, body } = await ann.put(at(channel, id), { json: { message: 'a typo' } })
    expect(status).toBe(200)
    expect(body.message_data).toMatchObject({
      message_id: id,
      message: 'a typo',
      edited_by: ann.id,
      edited_at: expect.stringMatching(/\+00:00$/),
    })
    expect(await socket.next('message_edited')).toMatchObject({ message_id: id, message: 'a typo', seq: 1 })
    expect(await page(bob, channel)).toEqual([body.message_data])
    expect(await find(bob, 'typo')).toEqual(['a typo'])
    expect(await find(bob, 'tpyo')).toEqual([])
    expect((await bob.get(at(channel, id))).body.message_data).toEqual(body.message_data)
  })

  test('is for authors, and for who has edit_messages, which everybody sees', async () => {
    const { ann, bob, channel } = await furnish()
    const id = await ann.send(channel, 'mine')
    expect((await bob.put(at(channel, id), { json: { message: 'not mine' } })).status).toBe(403)
    expect((await page(ann, channel))[0].message).toBe('mine')
    const { body } = await owner.put(at(channel, id), { json: { message: 'moderated' } })
    expect(body.message_data).toMatchObject({ sender_user_id: ann.id, edited_by: owner.id })
    const audit = await owner.get('/api/v1/system/audit-log')
    expect(audit.body.entries[0]).toMatchObject({ action: 'message.edited', target: { id } })
  })

  test('keeps what was said before for moderators, encrypted, until the message is deleted', async () => {
    const { ann, channel } = await furnish()
    const id = await ann.send(channel, 'firstversion')
    await ann.put(at(channel, id), { json: { message: 'secondversion' } })
    expect((await ann.get(at(channel, id, '/history'))).status).toBe(403)
    const { body } = await owner.get(at(channel, id, '/history'))
    expect(body.revisions).toEqual([
      { revision: 1, message: 'firstversion', written_at: expect.any(String), written_by: ann.id },
      { revision: 2, message: 'secondversion', written_at: expect.any(String), written_by: ann.id },
    ])
    expect(await dumpTables(server)).not.toMatch(/firstversion|secondversion/)
    await ann.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: id } })
    expect((await owner.get(at(channel, id, '/history'))).status).toBe(404)
    const left = server.ctx.db.read.selectFrom('message_revision').selectAll().where('message_id', '=', id)
    expect(await left.execute()).toEqual([])
  })

  test('of nothing, of too much and of what is not there is refused', async () => {
    const { ann, channel } = await furnish()
    const id = await ann.send(channel, 'x')
    expect((await ann.put(at(channel, id), { json: { message: '  ' } })).status).toBe(400)
    expect((await ann.put(at(channel, id), { json: { message: 'x'.repeat(50_001) } })).status).toBe(400)
    expect((await ann.put(at(channel, UNKNOWN), { json: { message: 'y' } })).status).toBe(404)
    expect((await ann.put(at(UNKNOWN, id), { json: { message: 'y' } })).status).toBe(404)
    expect((await page(ann, channel))[0]).toMatchObject({ message: 'x', edited_at: null })
  })

  test('at the same time leaves one of the texts, and a history of what was there', async () => {
    const { ann, channel } = await furnish()
    const id = await ann.send(channel, 'start')
    const texts = Array.from({ length: 6 }, (_, i) => `edit ${i}`)
    const answers = await Promise.all(texts.map((message) => ann.put(at(channel, id), { json: { message } })))
    const done = answers.filter(({ status }) => status === 200).length
    expect(done).toBeGreaterThan(0)
    expect(answers.filter(({ status }) => status !== 200 && status !== 409)).toEqual([])
    const { body } = await owner.get(at(channel, id, '/history'))
    expect(body.revisions).toHaveLength(done + 1)
    expect((await page(ann, channel))[0].message).toBe(body.revisions.at(-1).message)
  })
})

describe('an answer', () => {
  test('shows the beginning of what it answers, as it is now, and nothing of it once it is gone', async () => {
    const { ann, bob, channel } = await furnish()
    const question = await ann.send(channel, 'question '.repeat(40))
    using socket = await ann.connect({ resume: 'now' })
    await socket.next('ready')
    await send(bob, channel, { message: 'answer', reply_to: question })
    const preview = async () => (await page(bob, channel)).at(-1).reply_to
    expect(await preview()).toEqual({
      message_id: question,
      sender_user_id: ann.id,
      username: ann.name,
      message: `${'question '.repeat(40).slice(0, 200)}…`,
      deleted: false,
    })
    expect((await socket.next('message')).reply_to).toEqual(await preview())
    await ann.put(at(channel, question), { json: { message: 'edited' } })
    expect(await preview()).toMatchObject({ message: 'edited' })
    await ann.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: question } })
    expect(await preview()).toEqual({
      message_id: question,
      sender_user_id: null,
      username: null,
      message: null,
      deleted: true,
    })
  })

  test('to a message of another channel, or to none, is refused and stores nothing', async () => {
    const { ann, channel } = await furnish()
    const secret = await owner.createChannel(`secret of ${ann.name}`, { private: true })
    const hidden = await owner.send(secret, 'hidden')
    for (const field of ['reply_to', 'thread_id']) {
      for (const id of [hidden, UNKNOWN, 'nonsense']) {
        const json = { message: 'x', [field]: id }
        expect((await ann.post(`/api/v1/channels/${channel}/send_message`, json)).status).toBe(404)
      }
    }
    expect(await page(ann, channel)).toEqual([])
  })
})

test('a thread is counted on the message that began it, and can be loaded by page', async () => {
  const { ann, bob, channel } = await furnish()
  const root = await ann.send(channel, 'root')
  const first = await send(bob, channel, { message: 'one', thread_id: root })
  await ann.send(channel, 'aside')
  // Who answers a message of a thread is in it; a thread within a thread is that thread.
  const second = await send(ann, channel, { message: 'two', reply_to: first })
  await send(bob, channel, { message: 'three', thread_id: second })
  const messages = await page(ann, channel)
  expect(messages.map(({ message, thread_id }) => [message, thread_id])).toEqual([
    ['root', null],
    ['one', root],
    ['aside', null],
    ['two', root],
    ['three', root],
  ])
  expect(messages[0].thread).toEqual({ reply_count: 3, last_reply_at: messages[4].sent_at })
  const thread = async (query: Record<string, number> = {}, of = root) => {
    const { body } = await ann.get(at(channel, of, '/thread'), { query })
    return [body.root.message, ...body.messages.map(({ message }: { message: string }) => message)]
  }
  expect(await thread()).toEqual(['root', 'one', 'two', 'three'])
  expect(await thread({}, second)).toEqual(['root', 'one', 'two', 'three'])
  expect(await thread({ limit: 2 })).toEqual(['root', 'two', 'three'])
  expect(await thread({ limit: 2, before: 4 })).toEqual(['root', 'one'])
  expect(await thread({ after: 2 })).toEqual(['root', 'two', 'three'])
  await bob.delete(`/api/v1/channels/${channel}/delete_message`, {
    query: { message_id: messages[4].message_id },
  })
  expect((await page(bob, channel))[0].thread).toEqual({ reply_count: 2, last_reply_at: messages[3].sent_at })
  expect((await ann.get(at(channel, root, '/thread'), { query: { limit: 51 } })).status).toBe(400)
  // What was answered stays when the beginning goes.
  await ann.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: root } })
  const { body } = await ann.get(at(channel, second, '/thread'))
  expect(body).toMatchObject({ thread_id: root, root: null })
  expect(body.messages.map(({ message }: { message: string }) => message)).toEqual(['one', 'two'])
  expect((await ann.get(at(channel, root, '/thread'))).status).toBe(404)
})

describe('reactions', () => {
  const react = (person: Person, channel: string, id: string, emoji: string) =>
    person.post(`${at(channel, id, '/reactions')}?emoji=${encodeURIComponent(emoji)}`)

  test('are counted, told to everybody, and each reader is told which are theirs', async () => {
    const { ann, bob, channel } = await furnish()
    const id = await ann.send(channel, 'hello')
    using socket = await ann.connect({ resume: 'now' })
    await socket.next('ready')
    const summary = { emoji: '👍', count: 1, user_ids: [bob.id] }
    expect((await react(bob, channel, id, ' 👍 ')).body).toEqual({
      status_code: 201,
      already_present: false,
      message_id: id,
      channel_id: channel,
      emoji: '👍',
      reactions: [{ ...summary, viewer_reacted: true }],
    })
    expect(await socket.next('message_reaction_added')).toEqual({
      type: 'message_reaction_added',
      message_id: id,
      channel_id: channel,
      user_id: bob.id,
      emoji: '👍',
      reactions: [summary],
      cursor: expect.any(String),
    })
    const again = await react(bob, channel, id, '👍')
    expect(again).toMatchObject({ status: 201, body: { status_code: 200, already_present: true } })
    expect((await page(bob, channel))[0].reactions).toEqual([{ ...summary, viewer_reacted: true }])
    expect((await page(ann, channel))[0].reactions).toEqual([{ ...summary, viewer_reacted: false }])
    await react(ann, channel, id, '🎉')
    await react(ann, channel, id, '👍')
    expect((await page(ann, channel))[0].reactions).toEqual([
      { emoji: '👍', count: 2, viewer_reacted: true, user_ids: [bob.id, ann.id] },
      { emoji: '🎉', count: 1, viewer_reacted: true, user_ids: [ann.id] },
    ])
    const gone = await bob.delete(at(channel, id, '/reactions'), { query: { emoji: '👍' } })
    expect(gone).toMatchObject({ status: 200, body: { status_code: 200, already_absent: false } })
    expect(await socket.next('message_reaction_removed')).toMatchObject({ user_id: bob.id, emoji: '👍' })
    const absent = await bob.delete(at(channel, id, '/reactions'), { query: { emoji: '👍' } })
    expect(absent.body.already_absent).toBe(true)
  })

  test('of many people at once are all there', async () => {
    const people = await server.people('a', 'b', 'c', 'd', 'e', 'f')
    const channel = await owner.createChannel('crowd')
    const id = await people[0]!.send(channel, 'hello')
    await Promise.all(
      people.flatMap((person) => ['👍', '🎉'].map((emoji) => react(person, channel, id, emoji))),
    )
    const [{ reactions }] = await page(people[0]!, channel)
    expect(reactions.map(({ count }: { count: number }) => count)).toEqual([6, 6])
  })

  test('are refused when they are none, too many kinds, or on what one may not see', async () => {
    const { ann, channel } = await furnish()
    const id = await ann.send(channel, 'hello')
    const secret = await owner.createChannel(`secret of ${ann.name}`, { private: true })
    const hidden = await owner.send(secret, 'hidden')
    for (const emoji of ['', '  ', 'x'.repeat(33)])
      expect((await react(ann, channel, id, emoji)).status).toBe(400)
    for (const [where, what] of [
      [secret, hidden],
      [channel, hidden],
      [channel, UNKNOWN],
    ] as const) {
      expect((await react(ann, where, what, '👍')).status).toBe(404)
    }
    for (let i = 0; i < 20; i++) expect((await react(ann, channel, id, `e${i}`)).status).toBe(201)
    expect((await react(ann, channel, id, 'e20')).status).toBe(400)
    expect((await page(ann, channel))[0].reactions).toHaveLength(20)
  })
})

test('pins are listed, told, audited, and gone with their message', async () => {
  const { ann, channel } = await furnish()
  const [first, second] = [await ann.send(channel, 'first'), await ann.send(channel, 'second')]
  expect((await ann.put(at(channel, first, '/pin'))).status).toBe(403)
  using socket = await ann.connect({ resume: 'now' })
  await socket.next('ready')
  expect((await owner.put(at(channel, first, '/pin'))).body.changed).toBe(true)
  expect((await owner.put(at(channel, first, '/pin'))).body.changed).toBe(false)
  expect(await socket.next('message_pinned')).toMatchObject({ message_id: first, user_id: owner.id })
  await owner.put(at(channel, second, '/pin'))
  const pins = async () => {
    const { body } = await ann.get(`/api/v1/channels/${channel}/pins`)
    return body.messages.map(({ message_id }: { message_id: string }) => message_id)
  }
  expect(new Set(await pins())).toEqual(new Set([first, second]))
  expect((await page(ann, channel))[0]).toMatchObject({ pinned_by: owner.id })
  await owner.delete(at(channel, second, '/pin'))
  expect(await socket.next('message_unpinned')).toMatchObject({ message_id: second })
  expect(await pins()).toEqual([first])
  await ann.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: first } })
  expect(await pins()).toEqual([])
  const { body } = await owner.get('/api/v1/system/audit-log')
  const actions = body.entries.map(({ action }: { action: string }) => action)
  expect(actions.slice(0, 3)).toEqual(['message.unpinned', 'message.pinned', 'message.pinned'])
})

test('in a direct conversation, both edit, react and pin until one blocks the other; nobody reads what was said before', async () => {
  const { ann, bob } = await furnish()
  const { message_id: id, conversation_id: conversation } = await sendDm(ann, bob, 'helo')
  using socket = await bob.connect({ resume: 'now' })
  await socket.next('ready')
  const edit = (message: string) => ann.put(at(conversation, id), { json: { message } })
  const react = () => ann.post(`${at(conversation, id, '/reactions')}?emoji=x`)
  expect((await edit('hello')).status).toBe(200)
  expect(await socket.next('message_edited')).toMatchObject({
    message: 'hello',
    conversation_id: conversation,
  })
  expect((await bob.put(at(conversation, id), { json: { message: 'not mine' } })).status).toBe(403)
  expect((await bob.put(at(conversation, id, '/pin'))).status).toBe(200)
  expect((await react()).status).toBe(201)
  for (const person of [ann, bob])
    expect((await person.get(at(conversation, id, '/history'))).status).toBe(403)
  for (const rest of ['', '/history', '/thread'])
    expect((await owner.get(at(conversation, id, rest))).status).toBe(404)
  expect((await bob.post('/api/v1/dms/block', { peer: ann.id })).status).toBe(200)
  await ann.delete(at(conversation, id, '/reactions'), { query: { emoji: 'x' } })
  expect((await edit('insult')).status).toBe(403)
  expect((await react()).status).toBe(403)
  expect((await ann.delete(at(conversation, id, '/pin'))).status).toBe(403)
  expect((await page(bob, conversation))[0]).toMatchObject({
    message: 'hello',
    reactions: [],
    pinned_by: bob.id,
  })
})

test('who is timed out, or lost the channel, changes nothing any more', async () => {
  const { ann, bob } = await furnish()
  const channel = await owner.createChannel('private', { private: true, members: [ann, bob] })
  const id = await ann.send(channel, 'mine')
  const attempts = () =>
    Promise.all([
      ann.put(at(channel, id), { json: { message: 'changed' } }),
      ann.post(`${at(channel, id, '/reactions')}?emoji=x`),
      ann.put(at(channel, id, '/pin')),
    ]).then((answers) => answers.map(({ status }) => status))
  await owner.post(`/api/v1/moderation/users/${ann.id}/timeout`, { duration_minutes: 60 })
  expect(await attempts()).toEqual([403, 403, 403])
  await owner.delete(`/api/v1/moderation/users/${ann.id}/timeout`)
  await owner.removeMember(channel, ann)
  expect(await attempts()).toEqual([404, 404, 404])
  for (const rest of ['', '/thread', '/history'])
    expect((await ann.get(at(channel, id, rest))).status).toBe(404)
  expect((await ann.get(`/api/v1/channels/${channel}/pins`)).status).toBe(404)
  expect(await page(bob, channel)).toMatchObject([{ message: 'mine', reactions: [], pinned_by: null }])
})

test('a socket that was away is told of edits, reactions and pins, as they are now', async () => {
  const { ann, bob, channel } = await furnish()
  const id = await ann.send(channel, 'before')
  let cursor: string
  {
    using socket = await bob.connect({ resume: 'now' })
    await socket.next('ready')
    cursor = socket.cursor
  }
  await ann.put(at(channel, id), { json: { message: 'between' } })
  await ann.put(at(channel, id), { json: { message: 'after' } })
  await ann.post(`${at(channel, id, '/reactions')}?emoji=x`)
  await owner.put(at(channel, id, '/pin'))
  using socket = await bob.connect({ resume: cursor })
  await socket.next('ready')
  const missed = socket.frames.filter(({ cursor: at, type }) => at !== undefined && type !== 'ready')
  expect(missed.map(({ type }) => type)).toEqual([
    'message_edited',
    'message_edited',
    'message_reaction_added',
    'message_pinned',
  ])
  expect(missed[0]).toMatchObject({ message: 'after' })
  expect(missed[2]).toMatchObject({ emoji: 'x', reactions: [{ emoji: 'x', count: 1, user_ids: [ann.id] }] })
})
