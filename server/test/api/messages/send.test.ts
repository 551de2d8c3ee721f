import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { request, type RequestOptions } from '#test/http.ts'
import { Person } from '#test/person.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'
import { dumpTables, runSql } from '#test/sql.ts'

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

function send(person: Person, channel: string, options: RequestOptions) {
  return request(person.server, 'POST', `/api/v1/channels/${channel}/send_message`, {
    token: person.token,
    ...options,
  })
}

async function ownerWithChannel(server: TestServer): Promise<[Person, string]> {
  const owner = await server.person('owner')
  return [owner, await owner.createChannel('general')]
}

describe('a message', () => {
  test('is answered with its id and with all that others will see', async () => {
    await using server = await startServer()
    const [owner, channel] = await ownerWithChannel(server)
    const before = Date.now()
    const { status, body } = await send(owner, channel, { json: { message: 'Hello everyone!' } })
    expect(status).toBe(201)
    expect(body).toEqual({
      status_code: 201,
      message: 'message sent successfully',
      message_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      attachments: [],
      message_data: {
        message_id: body.message_id,
        channel_id: channel,
        conversation_id: null,
        seq: 1,
        message: 'Hello everyone!',
        raw_message: null,
        hashed_message: createHash('sha256').update('Hello everyone!').digest('hex'),
        sender_user_id: owner.id,
        sender_id: owner.id,
        username: 'owner',
        sender_username: 'owner',
        sender_avatar_url: null,
        sender_banner_url: null,
        sender_about: null,
        sender_last_seen: body.message_data.sender_last_seen,
        sender_created_at: expect.stringMatching(/\+00:00$/),
        sender_status: expect.any(String),
        sender_roles: expect.arrayContaining(['owner']),
        sent_at: expect.stringMatching(/\+00:00$/),
        edited_at: null,
        edited_by: null,
        reply_to: null,
        thread_id: null,
        thread: null,
        pinned_at: null,
        pinned_by: null,
        reactions: [],
        attachments: [],
        files: [],
      },
    })
    const sentAt = Date.parse(body.message_data.sent_at as string)
    expect(sentAt).toBeGreaterThanOrEqual(before)
    expect(sentAt).toBeLessThanOrEqual(Date.now())
    const page = await owner.get(`/api/v1/channels/${channel}/load_messages`)
    expect(page.body).toEqual({ status_code: 200, messages: [body.message_data] })
  })

  test('comes as JSON, as a form of either kind, with the token in any place', async () => {
    await using server = await startServer()
    const [owner, channel] = await ownerWithChannel(server)
    const token = { auth_token: owner.token }
    for (const options of [
      { json: { message: '1' }, token: owner.token },
      { json: { message: '2', ...token } },
      { form: { message: '3' }, token: owner.token },
      { form: { message: '4', ...token } },
      { urlencoded: { message: '5' }, token: owner.token },
      { urlencoded: { message: '6', ...token } },
      { json: { message: '7' }, query: token },
      { form: { message: '8' }, query: token },
      { json: { message: '9', auth_token: `  ${owner.token} ` } },
    ]) {
      const { status } = await request(server, 'POST', `/api/v1/channels/${channel}/send_message`, options)
      expect(status, JSON.stringify(Object.keys(options))).toBe(201)
    }
    expect(await owner.load(channel)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9'])
    expect(
      (await request(server, 'POST', `/api/v1/channels/${channel}/send_message`, { json: { message: 'x' } }))
        .status,
    ).toBe(401)
  })

  test('of the longest length is taken, one character more is not, emoji count once', async () => {
    await using server = await startServer()
    const [owner, channel] = await ownerWithChannel(server)
    const limit = server.ctx.settings.current.max_message_length
    for (const [text, status] of [
      ['x'.repeat(limit), 201],
      ['x'.repeat(limit + 1), 400],
      ['🐡'.repeat(limit), 201],
      ['🐡'.repeat(limit + 1), 400],
      ['ю'.repeat(limit), 201],
      [`${'x'.repeat(limit)}\u0000\u0007`, 201],
      [`${'x'.repeat(limit - 1)}\r\n`, 201],
    ] as const) {
      for (const options of [{ json: { message: text } }, { form: { message: text } }]) {
        const { status: got, body } = await send(owner, channel, options)
        expect(got, text.slice(-3)).toBe(status)
        if (status === 400) expect(body.detail).toContain(String(limit))
      }
    }
    expect(await owner.load(channel)).toHaveLength(10)
  })

  test('keeps every character but those that control, with one kind of line end', async () => {
    await using server = await startServer()
    const [owner, channel] = await ownerWithChannel(server)
    for (const [typed, kept] of [
      ['a\r\nb\rc\nd\te', 'a\nb\nc\nd\te'],
      ['\u0000nul\u0001\u001b[31mred\u007f\u0085', 'nul[31mred'],
      ['half \ud83d and \udc21 pair', 'half \ufffd and \ufffd pair'],
      ['👨‍👩‍👧‍👦 שלום \u202e‏ 日本語 e\u0301', '👨‍👩‍👧‍👦 שלום \u202e‏ 日本語 e\u0301'],
      ['  spaces stay  ', '  spaces stay  '],
      ['<b>&amp;</b> \\ " \' `${x}` %s \u2028', '<b>&amp;</b> \\ " \' `${x}` %s \u2028'],
      ['__proto__', '__proto__'],
    ] as const) {
      const { status, body } = await send(owner, channel, { json: { message: typed } })
      expect(status).toBe(201)
      expect(body.message_data.message).toBe(kept)
      expect(body.message_data.hashed_message).toBe(createHash('sha256').update(kept).digest('hex'))
      expect((await owner.load(channel, { messages_per_page: 1 }))[0]).toBe(kept)
    }
  })

  test('that is empty is refused', async () => {
    await using server = await startServer()
    const [owner, channel] = await ownerWithChannel(server)
    for (const options of [
      {},
      { json: {} },
      { json: { message: '' } },
      { json: { message: null } },
      { json: { message: ' \n\t ' } },
      { json: { message: '\u0000\u0001' } },
      { form: { message: '' } },
      { form: { other: 'x' } },
      { urlencoded: { message: '' } },
    ]) {
      const { status, body } = await send(owner, channel, options)
      expect(status, JSON.stringify(options)).toBe(400)
      expect(body.detail).toBe('The message is empty')
    }
    for (const message of [5, true, ['x'], { text: 'x' }]) {
      expect((await send(owner, channel, { json: { message } })).status, JSON.stringify(message)).toBe(422)
    }
    const twice = new FormData()
    twice.append('message', 'a')
    twice.append('message', 'b')
    expect((await send(owner, channel, { form: twice })).status).toBe(422)
    expect(await owner.load(channel)).toEqual([])
  })

  test('cannot be said in a channel for voice only, but in one for both', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const voice = await owner.createChannel('voice', { type: 'voice' })
    const mixed = await owner.createChannel('mixed', { type: 'mixed' })
    expect((await send(owner, voice, { json: { message: 'x' } })).status).toBe(400)
    expect((await send(owner, mixed, { json: { message: 'x' } })).status).toBe(201)
    // What was refused did not take a number.
    const { last_seq } = await server.ctx.db.read
      .selectFrom('channel')
      .select('last_seq')
      .where('id', '=', voice)
      .executeTakeFirstOrThrow()
    expect(last_seq).toBe(0)
  })

  test('carries the time of the server, whatever the client says', async () => {
    await using server = await startServer()
    const [owner, channel] = await ownerWithChannel(server)
    for (const sent_at of ['2001-01-01T00:00:00Z', '2099-01-01T00:00:00+05:30', '', null]) {
      const before = Date.now()
      const { status, body } = await send(owner, channel, { json: { message: 'x', sent_at } })
      expect(status).toBe(201)
      expect(Date.parse(body.message_data.sent_at as string)).toBeGreaterThanOrEqual(before)
    }
    for (const sent_at of ['yesterday', '2001-99-99T00:00:00Z', 5, {}, 'x'.repeat(65)]) {
      const { status, body } = await send(owner, channel, { json: { message: 'x', sent_at } })
      expect(status, String(sent_at)).toBe(422)
      expect(body.errors[0].loc).toEqual(['body', 'sent_at'])
    }
  })

  test('is sent by whoever holds the token: other fields about the sender count for nothing', async () => {
    await using server = await startServer()
    const [owner, channel] = await ownerWithChannel(server)
    const ann = await server.person('ann')
    const { body } = await send(ann, channel, {
      json: {
        message: 'mine',
        sender_user_id: owner.id,
        user_id: owner.id,
        username: 'owner',
        seq: 99,
        message_id: UNKNOWN,
        id: UNKNOWN,
        __proto__: { admin: true },
      },
    })
    expect(body.message_data).toMatchObject({ sender_user_id: ann.id, username: 'ann', seq: 1 })
    expect(body.message_id).not.toBe(UNKNOWN)
  })

  test('to a channel that there is not is refused', async () => {
    await using server = await startServer()
    const [owner] = await ownerWithChannel(server)
    for (const channel of [UNKNOWN, 'general', 'connection', '..%2f', "' or 1=1"]) {
      expect((await send(owner, channel, { json: { message: 'x' } })).status, channel).toBe(404)
    }
  })
})

test('many senders at once get numbers without gaps, and each message stands once', async () => {
  await using server = await startServer()
  const [owner, channel] = await ownerWithChannel(server)
  const people = [owner, ...(await server.people('ann', 'bob', 'cleo'))]
  const answers = await Promise.all(
    Array.from({ length: 120 }, (_, index) =>
      send(people[index % people.length]!, channel, { json: { message: `${index}` } }),
    ),
  )
  const seqs = answers.map(({ body }) => body.message_data.seq as number)
  expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1))
  expect(new Set(answers.map(({ body }) => body.message_id as string)).size).toBe(120)
  const bySeq = answers.toSorted((a, b) => a.body.message_data.seq - b.body.message_data.seq)
  const history = [
    ...(await owner.load(channel, { page: 3, messages_per_page: 50 })),
    ...(await owner.load(channel, { page: 2, messages_per_page: 50 })),
    ...(await owner.load(channel, { page: 1, messages_per_page: 50 })),
  ]
  expect(history).toEqual(bySeq.map(({ body }) => body.message_data.message as string))
})

describe('what is stored', () => {
  const TEXT = 'the-quick-brown-fox-jumps-over-the-lazy-dog'

  test('of a message is unreadable without the key, in every table and file', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const channel = await owner.createChannel('hidden', { private: true })
    await owner.send(channel, TEXT)
    const deleted = await owner.send(channel, `${TEXT} again`)
    await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: deleted } })
    expect(await owner.load(channel)).toEqual([TEXT])
    const digest = createHash('sha256').update(TEXT).digest()
    const forms = [
      TEXT,
      Buffer.from(TEXT, 'utf16le').toString('latin1'),
      digest.toString('hex'),
      digest.toString('latin1'),
    ]
    const dump = await dumpTables(server)
    expect(dump).toContain(channel)
    for (const form of forms) expect(dump.includes(form)).toBe(false)
    if (inject('database') !== 'sqlite') return
    const folder = join(server.ctx.config.data_dir, 'db')
    const files = readdirSync(folder)
    expect(files.some((file) => file.endsWith('-wal'))).toBe(true)
    for (const file of files) {
      const bytes = readFileSync(join(folder, file)).toString('latin1')
      for (const form of forms) expect(bytes.includes(form), file).toBe(false)
    }
  })

  test('of equal messages differs, and of a deleted one nothing is left', async () => {
    await using server = await startServer()
    const [owner, channel] = await ownerWithChannel(server)
    const ids = [await owner.send(channel, TEXT), await owner.send(channel, TEXT)]
    const read = () => server.ctx.db.read.selectFrom('message').selectAll().orderBy('seq').execute()
    const [one, two] = await read()
    expect(Buffer.from(one!.sealed!).equals(Buffer.from(two!.sealed!))).toBe(false)
    await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: ids[0] } })
    const [tombstone] = await read()
    expect(tombstone).toMatchObject({ id: ids[0], sealed: null, kid: null, deleted_by: owner.id })
  })

  test('cannot be moved to another author or altered: it says so, and the rest of the page comes', async () => {
    await using place = await newPlace()
    const env = { PUBLIC_ORIGIN: 'https://chat.example' }
    const first = await startServer({ place, env })
    const [owner, channel] = await ownerWithChannel(first)
    const ann = await first.person('ann')
    const altered = await owner.send(channel, 'altered')
    const moved = await ann.send(channel, 'moved')
    await owner.send(channel, 'untouched')
    await runSql(first, `update message set sender_id = '${owner.id}' where id = '${moved}'`)
    const zeros = inject('database') === 'sqlite' ? 'zeroblob(60)' : `decode(repeat('00', 60), 'hex')`
    await runSql(first, `update message set sealed = ${zeros} where id = '${altered}'`)
    await first.stop()
    // A server that has not read them before.
    await using second = await startServer({ place, env })
    expect(await new Person(second, owner).load(channel)).toEqual([
      '[message unavailable]',
      '[message unavailable]',
      'untouched',
    ])
  })
})
