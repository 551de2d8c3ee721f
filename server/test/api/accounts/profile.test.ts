import { expect, test } from 'vitest'
import { replaceRoles } from '#features/roles/index.ts'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'

const PROFILE = '/api/v1/users/profile'
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/

/** The keys of a user object, all of them: nothing secret is among them. */
const KEYS = [
  'user_id',
  'username',
  'about',
  'avatar_url',
  'banner_url',
  'status',
  'origin_server',
  'inbox_id',
  'roles_ids',
  'resolved_roles',
  'resolved_privileges',
  'moderation_state',
  'avatar_kind',
  'banner_kind',
  'accent_color',
  'avatar_seed',
  'is_owner',
  'is_admin',
  'last_seen',
  'joined_servers_ids',
  'created_at',
  'updated_at',
  'auth_token_expire_time',
]

function setRoles(server: TestServer, person: Person, roles: string[]): Promise<void> {
  return server.ctx.db.transact(async (tx) => {
    await replaceRoles(tx, person.id, roles, server.ctx.clock())
    tx.publish({ type: 'user.changed', userId: person.id, roles })
  })
}

test('everybody can read their own profile and those of others', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'bob')
  const own = await bob!.post(PROFILE)
  expect(own.status).toBe(200)
  expect(Object.keys(own.body)).toEqual(['status_code', 'user_data'])
  expect(Object.keys(own.body.user_data)).toEqual(KEYS)
  expect(own.body.user_data).toEqual({
    user_id: bob!.id,
    username: 'bob',
    about: null,
    avatar_url: null,
    banner_url: null,
    status: 'online',
    origin_server: new URL(server.url).host,
    inbox_id: null,
    roles_ids: ['user'],
    resolved_roles: [
      { role_id: 'user', role_name: 'User', privileges_ids: expect.any(Array), is_system: true },
    ],
    resolved_privileges: expect.arrayContaining(['view_messages', 'send_messages']),
    moderation_state: {
      is_banned: false,
      ban_reason: null,
      banned_at: null,
      banned_until: null,
      is_timed_out: false,
      timeout_until: null,
      timeout_reason: null,
    },
    avatar_kind: 'identicon',
    banner_kind: 'solid',
    accent_color: null,
    avatar_seed: bob!.id,
    is_owner: false,
    is_admin: false,
    last_seen: expect.stringMatching(ISO),
    joined_servers_ids: [expect.stringMatching(/^[0-9a-f-]{36}$/)],
    created_at: expect.stringMatching(ISO),
    updated_at: expect.stringMatching(ISO),
    auth_token_expire_time: expect.stringMatching(ISO),
  })
  const others = await bob!.post(PROFILE, { user_id: owner!.id })
  expect(Object.keys(others.body.user_data)).toEqual(KEYS)
  expect(others.body.user_data).toMatchObject({ user_id: owner!.id, roles_ids: ['owner'], is_owner: true })
  const seenByOwner = await owner!.post(PROFILE, { user_id: bob!.id })
  expect(Object.keys(seenByOwner.body.user_data)).toEqual(KEYS)
})

test('whose profile is asked for may stand in the query or in the body; the body wins', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  const nameOf = async (options: object, json?: unknown) =>
    (await ann!.post(PROFILE, json, options)).body.user_data.username
  expect(await nameOf({ query: { user_id: bob!.id } })).toBe('bob')
  expect(await nameOf({ query: { user_id: bob!.id } }, { user_id: ann!.id })).toBe('ann')
  expect(await nameOf({}, { user_id: null })).toBe('ann')
  expect(await nameOf({}, { user_id: '' })).toBe('ann')
})

test('a user who does not exist is not found, whatever the id looks like', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  for (const id of [
    crypto.randomUUID(),
    ann.id.toUpperCase(),
    `${ann.id}0`,
    ` ${ann.id}`,
    'ann',
    '0',
    'a\0b',
    '\ud800',
    "' or 1=1 --",
    '../../etc/passwd',
    'x'.repeat(5000),
  ]) {
    const { status, body } = await ann.post(PROFILE, { user_id: id })
    expect(status, JSON.stringify(id).slice(0, 60)).toBe(404)
    expect(body.detail).toMatch(/^User not found: '/)
    expect(body.detail.length).toBeLessThan(100)
  }
  for (const id of [1, true, {}, [ann.id]]) {
    expect((await ann.post(PROFILE, { user_id: id })).status).toBe(422)
  }
})

test('a page that is being closed may tell its status to the profile route', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const { status } = await request(server, 'POST', PROFILE, {
    raw: JSON.stringify({ auth_token: ann.token, status: 'offline' }),
    headers: { 'content-type': 'text/plain;charset=UTF-8' },
  })
  expect(status).toBe(200)
})

test('the list of users holds everybody, in the shape of profiles', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'Bob', 'ann')
  const { status, body } = await bob!.get('/api/v1/users/list')
  expect(status).toBe(200)
  expect(Object.keys(body)).toEqual(['status_code', 'users'])
  expect(body.users.map(({ username }: { username: string }) => username)).toEqual(['ann', 'Bob', 'owner'])
  for (const user of body.users) expect(Object.keys(user)).toEqual(KEYS)
  const profile = await bob!.post(PROFILE, { user_id: owner!.id })
  const { auth_token_expire_time: _, ...listed } = body.users[2]
  expect(profile.body.user_data).toMatchObject(listed)
})

test('listing users needs the privilege to see them, from one moment to the next', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'bob')
  expect((await bob!.get('/api/v1/users/list')).status).toBe(200)
  await setRoles(server, bob!, [])
  const refused = await bob!.get('/api/v1/users/list')
  expect(refused.status).toBe(403)
  expect(refused.body.detail).toBe("This needs the privilege 'view_users'")
  expect((await bob!.post(PROFILE)).body.user_data.roles_ids).toEqual([])
  for (const roles of [['moderator'], ['admin'], ['user', 'a-role-that-is-gone']]) {
    await setRoles(server, bob!, roles)
    expect((await bob!.get('/api/v1/users/list')).status).toBe(200)
  }
  expect((await owner!.get('/api/v1/users/list')).body.users).toHaveLength(2)
})

test('the routes of users say what they are', async () => {
  await using server = await startServer()
  const { status, body } = await request(server, 'GET', '/api/v1/users')
  expect(status).toBe(200)
  expect(body).toEqual({ status_code: 200, description: expect.any(String) })
})
