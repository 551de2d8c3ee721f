import { describe, expect, test } from 'vitest'
import { replaceRoles } from '#features/roles/index.ts'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'

const CREATE = '/api/v1/channels/create/'
const LIST = '/api/v1/channels/list/'

async function create(person: Person, name: unknown, rest: object = {}) {
  return person.post(CREATE, { channel_name: name, ...rest })
}

async function namesFor(person: Person): Promise<string[]> {
  const { status, body } = await person.post(LIST)
  expect(status).toBe(200)
  return body.channels.map(({ channel_name }: { channel_name: string }) => channel_name)
}

/** Somebody of each built-in role. */
async function ofEachRole(
  server: TestServer,
): Promise<Record<'owner' | 'admin' | 'moderator' | 'user', Person>> {
  const [owner, admin, moderator, user] = (await server.people('owner', 'admin', 'moderator', 'user')) as [
    Person,
    Person,
    Person,
    Person,
  ]
  await server.ctx.db.transact(async (tx) => {
    for (const [person, role] of [
      [admin, 'admin'],
      [moderator, 'moderator'],
    ] as const) {
      await replaceRoles(tx, person.id, [role, 'user'], 1)
      tx.publish({ type: 'user.changed', userId: person.id, roles: [role, 'user'] })
    }
  })
  return { owner, admin, moderator, user }
}

describe('creating a channel', () => {
  test('answers with the whole channel, text and public unless said otherwise', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const { status, body } = await create(owner, 'gaming-discussion')
    expect(status).toBe(200)
    expect(body).toEqual({
      status_code: 200,
      message: 'Channel created successfully',
      channel_data: {
        channel_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        channel_name: 'gaming-discussion',
        channel_type: 'text',
        messages_ids: [],
        is_private: false,
        allowed_users: null,
        participant_ids: [],
        slow_mode_seconds: 0,
        topic: null,
        category_id: null,
        position: null,
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*\+00:00$/),
      },
    })
    const listed = await owner.post(LIST)
    expect(listed.body).toEqual({ status_code: 200, channels: [body.channel_data] })
    const hidden = await create(owner, 'hidden', { is_private: true, channel_type: 'mixed' })
    expect(hidden.body.channel_data).toMatchObject({
      is_private: true,
      channel_type: 'mixed',
      allowed_users: [owner.id],
    })
  })

  test('takes the role that may, with or without the slash at the end', async () => {
    await using server = await startServer()
    const { owner, admin, moderator, user } = await ofEachRole(server)
    expect((await create(owner, 'by owner')).status).toBe(200)
    expect((await create(admin, 'by admin')).status).toBe(200)
    expect((await create(moderator, 'by moderator')).status).toBe(200)
    expect((await create(user, 'by user')).status).toBe(403)
    expect((await request(server, 'POST', CREATE, { json: { channel_name: 'by nobody' } })).status).toBe(401)
    expect((await owner.post('/api/v1/channels/create', { channel_name: 'no slash' })).status).toBe(200)
    expect(await namesFor(user)).toEqual(['by owner', 'by admin', 'by moderator', 'no slash'])
  })

  test('takes names of 1 to 100 characters, counted as people do', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    for (const [name, status] of [
      ['x', 200],
      ['x'.repeat(100), 200],
      ['x'.repeat(101), 422],
      ['🐡'.repeat(100), 200],
      ['🐡'.repeat(101), 422],
      [`  ${'y'.repeat(100)}\n`, 200],
      ['', 422],
      ['   ', 422],
      ['\u0000\u001b', 422],
      ['\n', 422],
      ['z'.repeat(100_000), 422],
    ] as const) {
      expect((await create(owner, name)).status, JSON.stringify(name).slice(0, 40)).toBe(status)
    }
    for (const wrong of [undefined, null, 5, ['x'], { name: 'x' }, true]) {
      const { status, body } = await create(owner, wrong)
      expect(status).toBe(422)
      expect(body.errors[0].loc).toEqual(['body', 'channel_name'])
    }
  })

  test('keeps a name as it was typed, without control characters, line ends and space around it', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    for (const [typed, kept] of [
      ['  General\tChat \r\n', 'General Chat'],
      ['be\u0007ll', 'bell'],
      ['half \ud83d pair', 'half \ufffd pair'],
      ['Cafe\u0301', 'Café'],
      ['<script>alert(1)</script>', '<script>alert(1)</script>'],
      ["'; drop table channel; --", "'; drop table channel; --"],
    ] as const) {
      const { body } = await create(owner, typed)
      expect(body.channel_data.channel_name).toBe(kept)
    }
  })

  test('refuses a type or a flag that there is not', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    for (const wrong of [
      { channel_type: 'video' },
      { channel_type: '' },
      { is_private: 'maybe' },
      { is_private: 2 },
    ]) {
      expect((await create(owner, 'x', wrong)).status, JSON.stringify(wrong)).toBe(422)
    }
    const asForm = await request(server, 'POST', CREATE, {
      token: owner.token,
      urlencoded: { channel_name: 'form', is_private: 'true', channel_type: 'voice' },
    })
    expect(asForm.body.channel_data).toMatchObject({ is_private: true, channel_type: 'voice' })
  })

  test('refuses a name that is taken, however it is written, also by a channel one does not see', async () => {
    await using server = await startServer()
    const { owner, moderator } = await ofEachRole(server)
    await create(owner, 'General')
    await create(owner, 'Straße', { is_private: true })
    for (const name of ['General', 'general', 'GENERAL', ' general ', 'STRASSE', 'straße']) {
      const { status, body } = await create(moderator, name)
      expect(status, name).toBe(409)
      expect(body.detail).toBe(`The channel name '${name.trim()}' is already taken`)
    }
    expect(await namesFor(owner)).toEqual(['General', 'Straße'])
  })

  test('of one name many times at once succeeds once', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    for (const name of ['one', 'two', 'three']) {
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, index) => create(owner, index % 2 === 0 ? name : name.toUpperCase())),
      )
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
        200,
        ...Array(11).fill(409),
      ])
    }
    expect(await namesFor(owner)).toHaveLength(3)
  })

  test('gives a name again once its channel is deleted', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const ids = new Set<string>()
    for (let round = 0; round < 3; round++) {
      const id = await owner.createChannel('phoenix')
      ids.add(id)
      expect((await create(owner, 'Phoenix')).status).toBe(409)
      expect((await owner.delete(`/api/v1/channels/${id}/delete`)).status).toBe(200)
    }
    expect(ids.size).toBe(3)
  })
})

describe('the list of channels', () => {
  test('shows private channels to members and to those who see all, with their members', async () => {
    await using server = await startServer()
    const { owner, admin, moderator, user } = await ofEachRole(server)
    const [member, outsider] = (await server.people('member', 'outsider')) as [Person, Person]
    await owner.createChannel('open')
    const hidden = await owner.createChannel('hidden', { private: true, members: [member, user] })
    for (const person of [owner, admin, moderator, user, member]) {
      const { body } = await person.post(LIST)
      expect(body.channels).toMatchObject([
        { channel_name: 'open', allowed_users: null, is_private: false },
        { channel_id: hidden, channel_name: 'hidden', allowed_users: [owner.id, member.id, user.id] },
      ])
    }
    expect(await namesFor(outsider)).toEqual(['open'])
    await owner.removeMember(hidden, member)
    expect(await namesFor(member)).toEqual(['open'])
  })

  test('is empty on a new server and takes the token from wherever it is', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    for (const path of [LIST, '/api/v1/channels/list']) {
      for (const options of [
        { json: { auth_token: owner.token } },
        { query: { auth_token: owner.token } },
        { token: owner.token },
        { form: { auth_token: owner.token } },
      ]) {
        const { status, body } = await request(server, 'POST', path, options)
        expect(status).toBe(200)
        expect(body).toEqual({ status_code: 200, channels: [] })
      }
    }
    expect((await request(server, 'POST', LIST, { json: {} })).status).toBe(401)
  })
})

describe('deleting a channel', () => {
  test('takes the right to, answers once, and makes it unknown to all', async () => {
    await using server = await startServer()
    const { owner, admin, moderator, user } = await ofEachRole(server)
    const channel = await owner.createChannel('general')
    const path = `/api/v1/channels/${channel}/delete`
    expect((await user.delete(path)).status).toBe(403)
    expect((await moderator.delete(path)).status).toBe(403)
    expect((await request(server, 'DELETE', path)).status).toBe(401)
    const message = await user.send(channel, 'hello')
    const { status, body } = await admin.delete(path)
    expect(status).toBe(200)
    expect(body).toEqual({ status_code: 200, message: `Channel: '${channel}' deleted successfully` })
    const again = await owner.delete(path)
    expect(again.status).toBe(404)
    expect(again.body.detail).toContain(channel)
    expect(await namesFor(user)).toEqual([])
    for (const answer of [
      await user.get(`/api/v1/channels/${channel}/load_messages`),
      await user.post(`/api/v1/channels/${channel}/send_message`, { message: 'late' }),
      await user.put(`/api/v1/channels/${channel}/mark_message_as_read`, { query: { message_id: message } }),
      await user.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: message } }),
      await owner.put(`/api/v1/channels/${channel}/add_user`, { query: { to_add_user_id: user.id } }),
    ]) {
      expect(answer.status).toBe(404)
    }
    const history = await user.get('/api/v1/channels/read-history')
    expect(history.body).toEqual({ status_code: 200, viewed_message_ids: [], unread_counts: {} })
  })

  test('many times at once succeeds once', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => owner.delete(`/api/v1/channels/${channel}/delete`)),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(9)
  })

  test('removes its messages from the database, those of other channels stay', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const [doomed, kept] = [await owner.createChannel('doomed'), await owner.createChannel('kept')]
    // More than is removed in one go.
    for (let batch = 0; batch < 15; batch++) {
      await Promise.all(Array.from({ length: 30 }, (_, index) => owner.send(doomed, `${batch} ${index}`)))
    }
    await owner.send(kept, 'stays')
    await owner.delete(`/api/v1/channels/${doomed}/delete`)
    await expect
      .poll(async () => {
        const rows = await server.ctx.db.read.selectFrom('message').select('channel_id').execute()
        return rows.map(({ channel_id }) => channel_id)
      })
      .toEqual([kept])
    expect(await owner.load(kept)).toEqual(['stays'])
  })

  test('while others send into it leaves no message behind', async () => {
    await using server = await startServer()
    const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
    const channel = await owner.createChannel('general')
    let sent = 0
    const senders = Array.from({ length: 8 }, async () => {
      for (;;) {
        const { status } = await ann.post(`/api/v1/channels/${channel}/send_message`, { message: 'x' })
        if (status === 404) return
        expect(status).toBe(201)
        sent++
      }
    })
    await expect.poll(() => sent).toBeGreaterThan(40)
    await owner.delete(`/api/v1/channels/${channel}/delete`)
    await Promise.all(senders)
    await expect
      .poll(async () => (await server.ctx.db.read.selectFrom('message').select('id').execute()).length)
      .toBe(0)
  })
})

describe('members of a private channel', () => {
  const path = (channel: string, verb: 'add_user' | 'remove_user'): string =>
    `/api/v1/channels/${channel}/${verb}`
  const UNKNOWN = '01890000-0000-7000-8000-000000000000'

  test('are added and removed in the words of the reference, by query or by body', async () => {
    await using server = await startServer()
    const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
    const channel = await owner.createChannel('hidden', { private: true })
    for (const place of [
      (field: string) => ({ query: { [field]: ann.id } }),
      (field: string) => ({ json: { [field]: ann.id } }),
      (field: string) => ({ urlencoded: { [field]: ann.id } }),
      (field: string) => ({ form: { [field]: ann.id } }),
    ]) {
      const added = await owner.put(path(channel, 'add_user'), place('to_add_user_id'))
      expect(added.status).toBe(200)
      expect(added.body).toEqual({
        status_code: 200,
        message: `User ID: '${ann.id}' added to Channel ID: '${channel}'`,
      })
      expect(await namesFor(ann)).toEqual(['hidden'])
      const removed = await owner.delete(path(channel, 'remove_user'), place('to_remove_user_id'))
      expect(removed.status).toBe(200)
      expect(removed.body).toEqual({
        status_code: 200,
        message: `User ID: '${ann.id}' removed from Channel ID: '${channel}'`,
      })
      expect(await namesFor(ann)).toEqual([])
    }
  })

  test('are kept by those with the right to, who may not lock out those who see all', async () => {
    await using server = await startServer()
    const { owner, admin, moderator, user } = await ofEachRole(server)
    const ann = await server.person('ann')
    const channel = await owner.createChannel('hidden', { private: true, members: [user] })
    // A member is not a manager.
    expect((await user.put(path(channel, 'add_user'), { query: { to_add_user_id: ann.id } })).status).toBe(
      403,
    )
    expect(
      (await user.delete(path(channel, 'remove_user'), { query: { to_remove_user_id: user.id } })).status,
    ).toBe(403)
    for (const manager of [moderator, admin]) {
      expect(
        (await manager.put(path(channel, 'add_user'), { query: { to_add_user_id: ann.id } })).status,
      ).toBe(200)
      expect(
        (await manager.delete(path(channel, 'remove_user'), { query: { to_remove_user_id: ann.id } })).status,
      ).toBe(200)
      for (const target of [owner, admin, moderator]) {
        const added = await manager.put(path(channel, 'add_user'), { query: { to_add_user_id: target.id } })
        expect(added.status).toBe(200)
        expect(added.body.message).toMatch(/^Skipping the operation, /)
        const removed = await manager.delete(path(channel, 'remove_user'), {
          query: { to_remove_user_id: target.id },
        })
        expect(removed.status).toBe(403)
      }
    }
    const { body } = await owner.post(LIST)
    expect(body.channels[0].allowed_users).toEqual([owner.id, user.id])
  })

  test('are refused for public channels, unknown channels and unknown people, with their ids', async () => {
    await using server = await startServer()
    const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
    const open = await owner.createChannel('open')
    const hidden = await owner.createChannel('hidden', { private: true })
    const add = (channel: string, user: string) =>
      owner.put(path(channel, 'add_user'), { query: { to_add_user_id: user } })
    const remove = (channel: string, user: string) =>
      owner.delete(path(channel, 'remove_user'), { query: { to_remove_user_id: user } })
    for (const act of [add, remove]) {
      const open400 = await act(open, ann.id)
      expect(open400.status).toBe(400)
      expect(open400.body.detail).toContain('is not private')
      for (const user of [UNKNOWN, 'nobody', 'connection terminated', "' or 1=1 --"]) {
        const missing = await act(hidden, user)
        expect(missing.status, user).toBe(404)
        expect(missing.body.detail).toContain(user)
      }
      for (const channel of [UNKNOWN, 'connection', 'terminated']) {
        const unknown = await act(channel, ann.id)
        expect(unknown.status, channel).toBe(404)
        expect(unknown.body.detail).toContain(channel)
      }
    }
    expect((await remove(hidden, ann.id)).status).toBe(404)
    expect((await owner.put(path(hidden, 'add_user'))).status).toBe(422)
    expect((await owner.delete(path(hidden, 'remove_user'))).status).toBe(422)
    expect((await add(hidden, 'x'.repeat(101))).status).toBe(422)
  })

  test('can be added twice and at once by many, and are members once', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = (await server.people('owner', 'ann', 'bob')) as [Person, Person, Person]
    const channel = await owner.createChannel('hidden', { private: true, members: [bob] })
    using bobs = await bob.connect({ channel })
    const answers = await Promise.all(
      Array.from({ length: 12 }, () =>
        owner.put(path(channel, 'add_user'), { query: { to_add_user_id: ann.id } }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200))
    const { body } = await ann.post(LIST)
    expect(body.channels[0].allowed_users).toEqual([owner.id, bob.id, ann.id])
    expect((await bobs.settled()).filter(({ type }) => type === 'channel_member_added')).toHaveLength(1)
    const removals = await Promise.all(
      Array.from({ length: 12 }, () =>
        owner.delete(path(channel, 'remove_user'), { query: { to_remove_user_id: ann.id } }),
      ),
    )
    expect(removals.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(removals.filter(({ status }) => status === 404)).toHaveLength(11)
    expect((await bobs.settled()).filter(({ type }) => type === 'channel_member_removed')).toHaveLength(1)
  })
})

test('the root of the routes says what they are', async () => {
  await using server = await startServer()
  const { status, body } = await request(server, 'GET', '/api/v1/channels')
  expect(status).toBe(200)
  expect(body).toEqual({ status_code: 200, message: expect.any(String) })
})
