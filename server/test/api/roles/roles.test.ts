import { describe, expect, test } from 'vitest'
import { allRights } from '#lib/rights.ts'
import type { Person } from '#test/person.ts'
import { createRole, setRoles } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'

const ROLES = '/api/v1/system/roles'
const MANAGE = 'manage_server_privileges'

async function rolesOf(person: Person): Promise<{ role_id: string; user_count: number }[]> {
  const { status, body } = await person.post(`${ROLES}/list`)
  expect(status).toBe(200)
  return body.roles
}

async function orderOf(person: Person): Promise<string[]> {
  return (await rolesOf(person)).map(({ role_id }) => role_id)
}

/** An owner, and somebody who may manage roles but owns nothing. */
async function withDelegate(
  server: TestServer,
  rights: string[] = [],
): Promise<{ owner: Person; dan: Person; ann: Person }> {
  const [owner, dan, ann] = (await server.people('owner', 'dan', 'ann')) as [Person, Person, Person]
  await createRole(owner, 'delegate', [MANAGE, 'view_messages', 'send_messages', ...rights])
  await createRole(owner, 'low', ['view_messages'])
  await setRoles(server, dan, 'delegate', 'user')
  return { owner, dan, ann }
}

describe('custom roles', () => {
  test('are made, changed and deleted, and everybody can list them', async () => {
    await using server = await startServer()
    const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
    const made = await owner.post(ROLES, {
      role_name: '  Event   Team! ',
      privileges_ids: ['view_messages', 'create_channels', 'view_messages'],
    })
    expect(made).toMatchObject({
      status: 201,
      body: {
        role: {
          role_id: 'event-team-',
          role_name: 'Event   Team!',
          privileges_ids: ['view_messages', 'create_channels'],
          is_system: false,
          user_count: 0,
          position: 3,
        },
      },
    })
    expect(await orderOf(ann)).toEqual(['owner', 'admin', 'moderator', 'event-team-', 'user'])
    const changed = await owner.put(`${ROLES}/event-team-`, {
      json: { role_name: 'Crew', privileges_ids: [] },
    })
    expect(changed.body.role).toMatchObject({ role_id: 'event-team-', role_name: 'Crew', privileges_ids: [] })
    expect((await owner.delete(`${ROLES}/event-team-`)).status).toBe(200)
    expect(await orderOf(ann)).toEqual(['owner', 'admin', 'moderator', 'user'])
    const { body } = await owner.get('/api/v1/system/audit-log', { query: { target_type: 'role' } })
    expect(body.entries.map(({ action }: { action: string }) => action)).toEqual([
      'role.deleted',
      'role.changed',
      'role.created',
    ])
  })

  test('built-in roles are what the contract says, and stay so', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const { body } = await owner.post(`${ROLES}/list`)
    const rights = Object.fromEntries(
      body.roles.map((role: { role_id: string; privileges_ids: string[] }) => [
        role.role_id,
        new Set(role.privileges_ids),
      ]),
    ) as Record<string, Set<string>>
    expect(rights['owner']).toEqual(new Set(allRights))
    expect([...new Set<string>(allRights).difference(rights['admin']!)].toSorted()).toEqual([
      'delete_users',
      'manage_server_privileges',
      'manage_storage',
    ])
    const voice = ['connect', 'speak', 'video']
    expect(rights['user']).toEqual(
      new Set(['send_messages', 'view_messages', 'upload_files', 'view_files', 'view_users', ...voice]),
    )
    expect(rights['moderator']).toEqual(
      new Set([
        ...rights['user']!,
        ...['create_channels', 'edit_channels', 'manage_channel_users', 'view_private_channels'],
        ...['delete_messages', 'edit_messages', 'ban_users', 'mute_users', 'moderate_content'],
        ...['priority_speaker', 'mute_members', 'mention_everyone'],
      ]),
    )
    for (const id of ['owner', 'admin', 'moderator', 'user']) {
      const edit = { role_name: 'x', privileges_ids: [] }
      expect(await owner.put(`${ROLES}/${id}`, { json: edit })).toMatchObject({ status: 403 })
      expect(await owner.delete(`${ROLES}/${id}`)).toMatchObject({ status: 403 })
    }
  })

  test('a name that is taken, reserved, blank or too long, and rights that do not exist, are refused', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    await createRole(owner, 'Crew', [])
    const statusFor = async (role_name: string, privileges_ids: string[] = []): Promise<number> =>
      (await owner.post(ROLES, { role_name, privileges_ids })).status
    expect(await statusFor('crew')).toBe(409)
    expect(await statusFor('Admin')).toBe(409)
    expect(await statusFor('   ')).toBe(422)
    expect(await statusFor('x'.repeat(65))).toBe(422)
    expect(await statusFor('x'.repeat(64))).toBe(201)
    expect(await statusFor('other', ['fly'])).toBe(422)
    expect(
      (await owner.put(`${ROLES}/nobody`, { json: { role_name: 'x', privileges_ids: [] } })).status,
    ).toBe(404)
    expect((await owner.delete(`${ROLES}/nobody`)).status).toBe(404)
    expect(await orderOf(owner)).toHaveLength(6)
  })

  test('a role that somebody has is not deleted, and what channels said of one does not come back with its name', async () => {
    await using server = await startServer()
    const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
    const crew = await createRole(owner, 'crew', [])
    const channel = await owner.createChannel('secret', { private: true })
    const about = `/api/v1/channels/${channel}/overrides/role/crew`
    await owner.put(about, { json: { allow: ['view_messages'] } })
    await setRoles(server, ann, 'user', crew)
    expect(await ann.load(channel)).toEqual([])
    expect((await owner.delete(`${ROLES}/crew`)).status).toBe(409)
    await setRoles(server, ann, 'user')
    expect((await owner.delete(`${ROLES}/crew`)).status).toBe(200)
    await createRole(owner, 'crew', [])
    await setRoles(server, ann, 'user', crew)
    using socket = await ann.connect()
    expect((await ann.get(`/api/v1/channels/${channel}/load_messages`)).status).toBe(404)
    await owner.send(channel, 'hidden')
    expect((await socket.settled()).filter(({ type }) => type === 'message')).toEqual([])
  })

  test('a change of a role acts at once for all who have it, on routes and sockets', async () => {
    await using server = await startServer()
    const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
    const reader = await createRole(owner, 'reader', ['view_private_channels', 'create_channels'])
    await setRoles(server, ann, reader, 'user')
    const hidden = await owner.createChannel('hidden', { private: true })
    using socket = await ann.connect()
    using scoped = await ann.connect({ channel: hidden })
    await owner.send(hidden, 'one')
    expect(await socket.next('message')).toMatchObject({ message: 'one' })
    await ann.createChannel('mine')
    await owner.put(`${ROLES}/${reader}`, { json: { role_name: 'reader', privileges_ids: [] } })
    expect(await scoped.closed()).toMatchObject({ code: 1008 })
    expect((await ann.post('/api/v1/channels/create/', { channel_name: 'more' })).status).toBe(403)
    expect((await ann.get(`/api/v1/channels/${hidden}/load_messages`)).status).toBe(404)
    await owner.send(hidden, 'two')
    expect(await socket.settled()).toContainEqual({ type: 'roles_changed', version: expect.any(Number) })
    expect(socket.texts).toEqual(['one'])
    await owner.put(`${ROLES}/${reader}`, {
      json: { role_name: 'reader', privileges_ids: ['view_private_channels'] },
    })
    await owner.send(hidden, 'three')
    expect(await socket.next('message')).toMatchObject({ message: 'three' })
  })

  test('changes at the same moment leave one list that everybody agrees on', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const made = await Promise.all(
      [...names, ...names].map((role_name) => owner.post(ROLES, { role_name, privileges_ids: [] })),
    )
    expect(made.map(({ status }) => status).toSorted()).toEqual([
      ...names.map(() => 201),
      ...names.map(() => 409),
    ])
    const order = names.toReversed()
    await owner.put('/api/v1/system/role-order', { json: { role_ids: [...order, 'moderator'] } })
    expect(await orderOf(owner)).toEqual(['owner', 'admin', ...order, 'moderator', 'user'])
    const { version, custom } = await readRoles(server)
    expect(custom).toBe(6)
    expect(version).toBeGreaterThanOrEqual(7)
  })
})

async function readRoles({ ctx }: TestServer): Promise<{ version: number; custom: number }> {
  const { version } = await ctx.db.read.selectFrom('role_list').select('version').executeTakeFirstOrThrow()
  return { version, custom: ctx.roles.current.all.length - 4 }
}

describe('privileges', () => {
  test('are listed by category for who manages roles', async () => {
    await using server = await startServer()
    const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
    const { body } = await owner.post('/api/v1/system/privileges/list')
    expect(body.privileges).toHaveLength(allRights.length)
    expect(body.privileges).toContainEqual({
      privilege_id: 'create_channels',
      privilege_name: 'Create channels',
      category: 'channel_management',
      channel_scoped: false,
    })
    expect((await ann.post('/api/v1/system/privileges/list')).status).toBe(403)
  })
})

describe('somebody who manages roles without owning the server', () => {
  test('makes and changes only what ranks below them, and gives only what they have', async () => {
    await using server = await startServer()
    const { owner, dan } = await withDelegate(server)
    expect((await dan.post(ROLES, { role_name: 'new', privileges_ids: ['ban_users'] })).status).toBe(403)
    expect((await dan.post(ROLES, { role_name: 'new', privileges_ids: ['send_messages'] })).status).toBe(201)
    const edit = async (id: string, privileges_ids: string[]): Promise<number> =>
      (await dan.put(`${ROLES}/${id}`, { json: { role_name: id, privileges_ids } })).status
    expect(await edit('low', ['send_messages'])).toBe(200)
    expect(await edit('low', ['send_messages', 'ban_users'])).toBe(403)
    expect(await edit('delegate', [MANAGE])).toBe(403)
    expect((await dan.delete(`${ROLES}/delegate`)).status).toBe(403)
    expect((await dan.delete(`${ROLES}/low`)).status).toBe(200)
    // What the role has already may stay, though they could not give it.
    await createRole(owner, 'guard', ['ban_users'])
    expect(await edit('guard', ['ban_users', 'send_messages'])).toBe(200)
  })

  test('cannot lift a role to their own rank or above', async () => {
    await using server = await startServer()
    const { owner, dan } = await withDelegate(server)
    await createRole(owner, 'lower', [])
    const order = (...role_ids: string[]) => dan.put('/api/v1/system/role-order', { json: { role_ids } })
    expect((await order('moderator', 'delegate', 'lower', 'low')).status).toBe(200)
    expect((await order('moderator', 'lower', 'delegate', 'low')).status).toBe(403)
    expect((await order('delegate', 'moderator', 'lower', 'low')).status).toBe(403)
    for (const wrong of [['moderator', 'delegate', 'low'], ['moderator', 'delegate', 'low', 'low'], []]) {
      expect((await order(...wrong)).status).toBe(400)
    }
    expect(await orderOf(owner)).toEqual(['owner', 'admin', 'moderator', 'delegate', 'lower', 'low', 'user'])
  })

  test('loses that at once, together with everything they have not yet done', async () => {
    await using server = await startServer()
    const { owner, dan } = await withDelegate(server)
    await setRoles(server, dan, 'user')
    expect((await dan.post(ROLES, { role_name: 'new', privileges_ids: [] })).status).toBe(403)
    expect(await orderOf(owner)).not.toContain('new')
  })
})
