import { describe, expect, test } from 'vitest'
import type { Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { createRole, override, setRoles } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

async function three(server: TestServer): Promise<[Person, Person, Person]> {
  return (await server.people('owner', 'ann', 'bob')) as [Person, Person, Person]
}

async function channelsOf(person: Person): Promise<string[]> {
  const { body } = await person.post('/api/v1/channels/list/')
  return body.channels.map(({ channel_name }: { channel_name: string }) => channel_name)
}

async function rightsIn(person: Person, channel: string): Promise<string[]> {
  return (await person.get(`/api/v1/channels/${channel}/privileges`)).body.privileges
}

async function statusOfSending(person: Person, channel: string): Promise<number> {
  return (await person.post(`/api/v1/channels/${channel}/send_message`, { message: 'hello' })).status
}

describe('what a channel says about roles and people', () => {
  test('makes a channel read-only for users, and lets one role and one person write', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = await three(server)
    const [cid, mod] = (await server.people('cid', 'mod')) as [Person, Person]
    const press = await createRole(owner, 'press', [])
    await setRoles(server, bob, 'user', press)
    await setRoles(server, mod, 'moderator')
    const news = await owner.createChannel('news')
    await override(owner, news, 'user', { deny: ['send_messages'] })
    await override(owner, news, press, { allow: ['send_messages'] })
    await override(owner, news, cid, { allow: ['send_messages'] })
    expect(await statusOfSending(ann, news)).toBe(403)
    for (const writer of [owner, bob, cid, mod]) expect(await statusOfSending(writer, news)).toBe(201)
    expect(await rightsIn(ann, news)).toEqual(['view_messages', 'upload_files', 'connect', 'speak', 'video'])
    expect(await rightsIn(bob, news)).toContain('send_messages')
    expect(await ann.load(news)).toHaveLength(4)
    await override(owner, news, 'user', {})
    expect(await statusOfSending(ann, news)).toBe(201)
  })

  test('hides a public channel from a role on every route and in every list, and shows it again', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = await three(server)
    const channel = await owner.createChannel('staff')
    const message = await owner.send(channel, 'hello')
    await override(owner, channel, 'user', { deny: ['view_messages'] })
    await override(owner, channel, bob, { allow: ['view_messages'] })
    expect(await channelsOf(ann)).toEqual([])
    expect(await channelsOf(bob)).toEqual(['staff'])
    const hidden = await ann.get(`/api/v1/channels/${channel}/load_messages`)
    const missing = await ann.get(`/api/v1/channels/${UNKNOWN}/load_messages`)
    expect(hidden.status).toBe(404)
    expect(hidden.text.replace(channel, UNKNOWN)).toBe(missing.text)
    expect(await statusOfSending(ann, channel)).toBe(404)
    const read = { message_id: message }
    expect((await ann.put(`/api/v1/channels/${channel}/mark_message_as_read`, { json: read })).status).toBe(
      404,
    )
    const history = await ann.get('/api/v1/channels/read-history')
    expect(history.body.unread_counts).toEqual({})
    await expect(ann.connect({ channel })).rejects.toMatchObject({ status: 404 })
    expect(await bob.load(channel)).toEqual(['hello'])
    await owner.delete(`/api/v1/channels/${channel}/overrides/role/user`)
    expect(await channelsOf(ann)).toEqual(['staff'])
    expect(await ann.load(channel)).toEqual(['hello'])
  })

  test('lets a role into a private channel, and keeps a moderator out of one', async () => {
    await using server = await startServer()
    const [owner, ann, mod] = await three(server)
    await setRoles(server, mod, 'moderator')
    const crew = await createRole(owner, 'crew', [])
    const secret = await owner.createChannel('secret', { private: true })
    expect(await channelsOf(mod)).toEqual(['secret'])
    await override(owner, secret, crew, { allow: ['view_messages'] })
    await override(owner, secret, 'moderator', { deny: ['view_messages'] })
    expect(await channelsOf(mod)).toEqual([])
    expect(await channelsOf(ann)).toEqual([])
    await setRoles(server, ann, 'user', crew)
    expect(await channelsOf(ann)).toEqual(['secret'])
    expect(await statusOfSending(ann, secret)).toBe(201)
    // Somebody whose role does not show it can become a member, and then sees it.
    await owner.addMember(secret, mod)
    expect(await channelsOf(mod)).toEqual(['secret'])
    await owner.removeMember(secret, mod)
    expect(await channelsOf(mod)).toEqual([])
  })

  test('gives somebody power over one channel only', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = await three(server)
    const [mine, other] = [await owner.createChannel('mine'), await owner.createChannel('other')]
    const message = await bob.send(mine, 'spam')
    const elsewhere = await bob.send(other, 'spam')
    const remove = (channel: string, message_id: string): Promise<Answer> =>
      ann.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id } })
    expect((await remove(mine, message)).status).toBe(403)
    await override(owner, mine, ann, { allow: ['delete_messages', 'edit_channels', 'manage_channel_users'] })
    expect((await remove(mine, message)).status).toBe(204)
    expect((await remove(other, elsewhere)).status).toBe(403)
    const edit = { json: { channel_name: 'ours' } }
    expect((await ann.put(`/api/v1/channels/${mine}/update`, edit)).status).toBe(200)
    expect((await ann.put(`/api/v1/channels/${other}/update`, edit)).status).toBe(403)
    // Power over a channel is no rank.
    const said = { json: { deny: ['send_messages'] } }
    expect((await ann.put(`/api/v1/channels/${mine}/overrides/role/user`, said)).status).toBe(403)
  })

  test('is listed for who may change it, and every change is in the audit log', async () => {
    await using server = await startServer()
    const [owner, ann] = await three(server)
    const channel = await owner.createChannel('news')
    await override(owner, channel, 'user', { deny: ['send_messages', 'speak'] })
    await override(owner, channel, ann, { allow: ['send_messages', 'send_messages'] })
    const { body } = await owner.get(`/api/v1/channels/${channel}/overrides`)
    expect(body.overrides).toEqual([
      { subject_type: 'member', subject_id: ann.id, allow: ['send_messages'], deny: [] },
      { subject_type: 'role', subject_id: 'user', allow: [], deny: ['send_messages', 'speak'] },
    ])
    expect((await ann.get(`/api/v1/channels/${channel}/overrides`)).status).toBe(403)
    await override(owner, channel, 'user', { deny: ['speak'] })
    const log = await owner.get('/api/v1/system/audit-log', { query: { action: 'channel.override_changed' } })
    expect(log.body.entries[0]).toMatchObject({
      target: { type: 'channel', id: channel },
      details: {
        subject_type: 'role',
        subject_id: 'user',
        before: { allow: [], deny: ['send_messages', 'speak'] },
        after: { allow: [], deny: ['speak'] },
      },
    })
  })
})

describe('who may change what a channel says', () => {
  test('only about what ranks below them, and only rights that they have there', async () => {
    await using server = await startServer()
    const [owner, mod, bob] = await three(server)
    const [admin, other] = (await server.people('admin', 'other')) as [Person, Person]
    await setRoles(server, mod, 'moderator')
    await setRoles(server, other, 'moderator')
    await setRoles(server, admin, 'admin')
    await createRole(owner, 'high', [])
    await createRole(owner, 'low', [])
    await owner.put('/api/v1/system/role-order', { json: { role_ids: ['high', 'moderator', 'low'] } })
    const channel = await owner.createChannel('news')
    const say = async (by: Person, about: string, said: object): Promise<number> =>
      (await by.put(`/api/v1/channels/${channel}/overrides/${about}`, { json: said })).status
    const deny = { deny: ['send_messages'] }
    expect(await say(bob, 'role/user', deny)).toBe(403)
    for (const about of ['role/low', 'role/user', `member/${bob.id}`])
      expect(await say(mod, about, deny)).toBe(200)
    const above = ['role/high', 'role/moderator', 'role/admin', 'role/owner']
    const people = [mod, other, admin, owner].map(({ id }) => `member/${id}`)
    for (const about of [...above, ...people]) expect(await say(mod, about, deny), about).toBe(403)
    expect(await say(admin, 'role/moderator', deny)).toBe(200)
    // A moderator who may not send here any more cannot let others send, nor lift what is denied.
    expect(await say(mod, 'role/low', {})).toBe(403)
    expect(await say(mod, `member/${bob.id}`, { allow: ['send_messages'] })).toBe(403)
    expect(await say(mod, `member/${bob.id}`, { ...deny, allow: ['speak'] })).toBe(200)
    expect(await say(owner, 'role/admin', deny)).toBe(200)
  })

  test('nonsense is refused and changes nothing', async () => {
    await using server = await startServer()
    const [owner, ann] = await three(server)
    const channel = await owner.createChannel('news')
    const say = async (about: string, said: object): Promise<number> =>
      (await owner.put(`/api/v1/channels/${channel}/overrides/${about}`, { json: said })).status
    expect(await say('role/user', { allow: ['fly'] })).toBe(422)
    expect(await say('role/user', { allow: ['create_channels'] })).toBe(422)
    expect(await say('role/user', { allow: ['speak'], deny: ['speak'] })).toBe(400)
    expect(await say('role/wizard', { deny: ['speak'] })).toBe(404)
    expect(await say(`member/${UNKNOWN}`, { deny: ['speak'] })).toBe(404)
    expect(await say('member/nobody', { deny: ['speak'] })).toBe(404)
    expect(await say(`group/${ann.id}`, { deny: ['speak'] })).toBe(422)
    expect((await owner.get(`/api/v1/channels/${channel}/overrides`)).body.overrides).toEqual([])
  })

  test('a channel says something about at most 200 roles and people', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = await three(server)
    const channel = await owner.createChannel('news')
    await server.ctx.db.transact(async (tx) => {
      for (let index = 0; index < 199; index++) {
        await tx
          .insertInto('channel_override')
          .values({
            channel_id: channel,
            subject_type: 'member',
            subject_id: `nobody ${index}`,
            allow: '[]',
            deny: '["speak"]',
            updated_at: 0,
          })
          .execute()
      }
    })
    await override(owner, channel, ann, { deny: ['speak'] })
    const path = `/api/v1/channels/${channel}/overrides/member/${bob.id}`
    expect((await owner.put(path, { json: { deny: ['speak'] } })).status).toBe(400)
    await override(owner, channel, ann, { deny: ['video'] })
  })
})

describe('explaining', () => {
  test('says what decided, on the server and in a channel, about oneself and others', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = await three(server)
    const channel = await owner.createChannel('news')
    const secret = await owner.createChannel('secret', { private: true })
    await override(owner, channel, 'user', { deny: ['send_messages'] })
    const explain = async (by: Person, question: object): Promise<Answer['body']> =>
      (await by.post('/api/v1/system/permissions/explain', question)).body
    expect(await explain(ann, { privilege_id: 'send_messages' })).toEqual({
      status_code: 200,
      user_id: ann.id,
      privilege_id: 'send_messages',
      channel_id: null,
      allowed: true,
      reason: { by: 'role', role_id: 'user', until: null },
      hidden_reason: null,
      explanation: "The role 'user' gives it",
    })
    expect(await explain(ann, { privilege_id: 'send_messages', channel_id: channel })).toMatchObject({
      allowed: false,
      reason: { by: 'role_override', role_id: 'user' },
      explanation: "The channel denies it to the role 'user', the highest one it says something about",
    })
    expect(await explain(owner, { privilege_id: 'ban_users', user_id: bob.id })).toMatchObject({
      allowed: false,
      reason: { by: 'no_role' },
    })
    expect(
      await explain(owner, { privilege_id: 'send_messages', user_id: bob.id, channel_id: secret }),
    ).toMatchObject({ allowed: false, reason: { by: 'hidden' }, hidden_reason: { by: 'private' } })
    await override(owner, channel, bob, { allow: ['send_messages'] })
    expect(
      await explain(owner, { privilege_id: 'send_messages', user_id: bob.id, channel_id: channel }),
    ).toMatchObject({ allowed: true, reason: { by: 'member_override' } })
  })

  test('is about others only for who manages them, and reveals no hidden channel', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = await three(server)
    const channel = await owner.createChannel('news')
    const secret = await owner.createChannel('secret', { private: true })
    const statusFor = async (by: Person, question: object): Promise<number> =>
      (await by.post('/api/v1/system/permissions/explain', { privilege_id: 'speak', ...question })).status
    expect(await statusFor(ann, { user_id: bob.id })).toBe(403)
    expect(await statusFor(ann, { user_id: UNKNOWN })).toBe(403)
    expect(await statusFor(ann, { channel_id: secret })).toBe(404)
    expect(await statusFor(ann, { channel_id: secret, user_id: bob.id })).toBe(404)
    expect(await statusFor(owner, { user_id: UNKNOWN })).toBe(404)
    expect(await statusFor(owner, { privilege_id: 'fly' })).toBe(422)
    await override(owner, channel, ann, { allow: ['edit_channels'] })
    expect(await statusFor(ann, { channel_id: channel, user_id: bob.id })).toBe(200)
    expect(await statusFor(ann, { user_id: bob.id })).toBe(403)
  })
})
