import { describe, expect, test } from 'vitest'
import { assignRole } from '#features/accounts/index.ts'
import type { Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { createRole, setRoles } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

function assign(by: Person, to: Person | string, ...roles_ids: string[]): Promise<Answer> {
  const id = typeof to === 'string' ? to : to.id
  return by.put(`/api/v1/system/users/${id}/roles`, { json: { roles_ids } })
}

async function rolesOf(asker: Person, person: Person): Promise<string[]> {
  return (await asker.post('/api/v1/users/profile', { user_id: person.id })).body.user_data.roles_ids
}

async function four(server: TestServer): Promise<[Person, Person, Person, Person]> {
  return (await server.people('owner', 'ann', 'bob', 'cid')) as [Person, Person, Person, Person]
}

test('roles are given and taken, act at once, and are told and written down', async () => {
  await using server = await startServer()
  const [owner, ann] = await four(server)
  using socket = await ann.connect()
  expect((await ann.post('/api/v1/channels/create/', { channel_name: 'x' })).status).toBe(403)
  expect(await assign(owner, ann, 'user', 'moderator', 'moderator')).toMatchObject({
    status: 200,
    body: { user: { user_id: ann.id, username: 'ann', roles_ids: ['moderator', 'user'] } },
  })
  await ann.createChannel('x')
  expect(await socket.next('user_roles_changed')).toEqual({
    type: 'user_roles_changed',
    user_id: ann.id,
    roles_ids: ['moderator', 'user'],
  })
  expect((await assign(owner, ann)).body.user.roles_ids).toEqual(['user'])
  expect((await ann.post('/api/v1/channels/create/', { channel_name: 'y' })).status).toBe(403)
  const { body } = await owner.get('/api/v1/system/audit-log', { query: { action: 'user.roles_changed' } })
  expect(body.entries[0]).toMatchObject({
    actor: { id: owner.id },
    target: { type: 'user', id: ann.id },
    details: { before: ['moderator', 'user'], after: ['user'] },
  })
})

test('the user object resolves roles and rights', async () => {
  await using server = await startServer()
  const [owner, ann] = await four(server)
  const crew = await createRole(owner, 'Crew', ['create_channels'])
  await assign(owner, ann, crew, 'user')
  const { body } = await ann.post('/api/v1/users/profile')
  expect(body.user_data.resolved_roles).toEqual([
    { role_id: 'crew', role_name: 'Crew', privileges_ids: ['create_channels'], is_system: false },
    expect.objectContaining({ role_id: 'user', is_system: true }),
  ])
  expect(body.user_data.resolved_privileges).toEqual(expect.arrayContaining(['create_channels', 'speak']))
})

test('nobody becomes an owner this way, and an owner stays one', async () => {
  await using server = await startServer()
  const [owner, ann] = await four(server)
  expect((await assign(owner, ann, 'owner')).status).toBe(400)
  expect(await assign(owner, owner, 'user')).toMatchObject({
    status: 200,
    body: { user: { roles_ids: ['owner', 'user'] } },
  })
  expect((await assign(owner, owner)).body.user.roles_ids).toEqual(['owner', 'user'])
  expect((await assign(owner, UNKNOWN, 'user')).status).toBe(404)
  expect((await assign(owner, 'nobody', 'user')).status).toBe(404)
  expect((await assign(owner, ann, 'user', 'wizard')).status).toBe(422)
  expect(await rolesOf(owner, ann)).toEqual(['user'])
})

describe('somebody who manages roles without owning the server', () => {
  async function withDelegate(server: TestServer): Promise<[Person, Person, Person, Person]> {
    const people = await four(server)
    const [owner, dan] = people
    const rights = ['manage_server_privileges', 'view_messages', 'send_messages']
    await createRole(owner, 'chief', rights)
    await createRole(owner, 'chat', ['send_messages'])
    await createRole(owner, 'guard', ['ban_users'])
    await setRoles(server, dan, 'chief')
    return people
  }

  test('gives and takes what ranks below them to who ranks below them', async () => {
    await using server = await startServer()
    const [, dan, bob] = await withDelegate(server)
    expect((await assign(dan, bob, 'user', 'chat')).status).toBe(200)
    expect((await assign(dan, bob, 'user')).status).toBe(200)
  })

  test('gives no role that is theirs or higher, and none with rights that they lack', async () => {
    await using server = await startServer()
    const [owner, dan, bob] = await withDelegate(server)
    for (const role of ['chief', 'moderator', 'admin', 'guard']) {
      expect(await assign(dan, bob, 'user', role), role).toMatchObject({ status: 403 })
      expect(await assign(dan, dan, 'chief', role === 'chief' ? 'guard' : role), role).toMatchObject({
        status: 403,
      })
    }
    expect((await assign(dan, bob, 'owner')).status).toBe(400)
    expect(await rolesOf(owner, bob)).toEqual(['user'])
    expect(await rolesOf(owner, dan)).toEqual(['chief'])
  })

  test('touches nobody of their own rank or higher, nor their own rank', async () => {
    await using server = await startServer()
    const [owner, dan, bob, cid] = await withDelegate(server)
    await setRoles(server, bob, 'chief')
    await setRoles(server, cid, 'admin')
    for (const target of [bob, cid, owner]) {
      expect(await assign(dan, target, 'user'), target.name).toMatchObject({ status: 403 })
    }
    expect((await assign(dan, dan, 'chat')).status).toBe(403)
    expect((await assign(dan, dan, 'chief', 'chat')).status).toBe(200)
    // Taking away what they lack is fine, as long as it is below them.
    await setRoles(server, bob, 'guard', 'user')
    expect((await assign(dan, bob, 'chat')).status).toBe(200)
  })

  test('who is demoted at the same moment has acted before that, or not at all', async () => {
    await using server = await startServer()
    const [owner, dan, bob] = await withDelegate(server)
    await createRole(owner, 'deputy', ['manage_server_privileges'])
    for (let round = 0; round < 5; round++) {
      await setRoles(server, dan, 'chief')
      await setRoles(server, bob, 'deputy')
      // The owner takes the chief's role while the chief takes the deputy's: never does a demoted chief act.
      const [byOwner, byDan] = await Promise.all([assign(owner, dan, 'chat'), assign(dan, bob, 'chat')])
      expect(byOwner.status).toBe(200)
      expect([200, 403]).toContain(byDan.status)
      expect(await rolesOf(owner, dan)).toEqual(['chat'])
      expect(await rolesOf(owner, bob)).toEqual([byDan.status === 200 ? 'chat' : 'deputy'])
      const { body } = await owner.get('/api/v1/system/audit-log', {
        query: { action: 'user.roles_changed', limit: 2 },
      })
      // In the order of the log the chief acted before being demoted, or not at all.
      if (byDan.status === 200) {
        expect(body.entries.map((entry: { actor: { id: string } }) => entry.actor.id)).toEqual([
          owner.id,
          dan.id,
        ])
      }
    }
  })
})

test('the last owner cannot vanish, not even when two owners are demoted at the same moment', async () => {
  await using server = await startServer()
  const [owner, ann] = await four(server)
  for (let round = 0; round < 5; round++) {
    await assignRole(server.ctx, 'ann', 'owner')
    await assignRole(server.ctx, 'owner', 'owner')
    const demoted = await Promise.allSettled([
      assignRole(server.ctx, 'ann', 'user'),
      assignRole(server.ctx, 'owner', 'user'),
    ])
    expect(demoted.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    const owners = await server.ctx.db.read
      .selectFrom('user_role')
      .select('user_id')
      .where('role_id', '=', 'owner')
      .execute()
    expect(owners).toHaveLength(1)
    expect([owner.id, ann.id]).toContain(owners[0]!.user_id)
  }
})
