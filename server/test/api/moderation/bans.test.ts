import { describe, expect, test } from 'vitest'
import { request } from '#test/http.ts'
import type { Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { createRole, setRoles } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'

const MINUTE = 60_000
const UNKNOWN = '01890000-0000-7000-8000-000000000000'

async function four(server: TestServer): Promise<[Person, Person, Person, Person]> {
  const people = (await server.people('owner', 'mod', 'ann', 'bob')) as [Person, Person, Person, Person]
  await setRoles(server, people[1], 'moderator')
  return people
}

function ban(by: Person, target: Person | string, sentence: object = {}): Promise<Answer> {
  const id = typeof target === 'string' ? target : target.id
  return by.post(`/api/v1/moderation/users/${id}/ban`, sentence)
}

function unban(by: Person, target: Person): Promise<Answer> {
  return by.delete(`/api/v1/moderation/users/${target.id}/ban`)
}

function signIn(person: Person): Promise<Answer> {
  const credentials = { username: person.name, password: person.password }
  return request(person.server, 'POST', '/api/v1/users/signin', { json: credentials })
}

async function stateOf(asker: Person, person: Person): Promise<Answer['body']> {
  const { body } = await asker.post('/api/v1/users/profile', { user_id: person.id })
  return body.user_data.moderation_state
}

const FREE = {
  is_banned: false,
  ban_reason: null,
  banned_at: null,
  banned_until: null,
  is_timed_out: false,
  timeout_until: null,
  timeout_reason: null,
}

describe('a ban', () => {
  test('ends sessions and sockets at once, and lets nobody back in until it is lifted', async () => {
    await using server = await startServer()
    const [owner, mod, ann] = await four(server)
    const channel = await owner.createChannel('general')
    const phone = await ann.signIn()
    using socket = await ann.connect()
    using scoped = await phone.connect({ channel })
    expect(await ban(mod, ann, { reason: ' spam\n' })).toMatchObject({
      status: 201,
      body: { status_code: 201, message: 'User banned successfully', target_user_id: ann.id },
    })
    expect(await socket.next('moderation_state_changed')).toMatchObject({
      user_id: ann.id,
      moderation_state: { is_banned: true, ban_reason: 'spam', banned_until: null },
    })
    expect(await socket.closed()).toMatchObject({ code: 1008 })
    expect(await scoped.closed()).toMatchObject({ code: 1008 })
    const told = { status: 403, body: { detail: 'You are banned from this server: spam' } }
    for (const session of [ann, phone]) {
      expect(await session.post('/api/v1/users/profile')).toMatchObject(told)
      expect(await session.get(`/api/v1/channels/${channel}/load_messages`)).toMatchObject(told)
      await expect(session.connect()).rejects.toMatchObject({ status: 403 })
      const refresh = { refresh_token: session.refreshToken }
      expect(await request(server, 'POST', '/api/v1/auth/refresh', { json: refresh })).toMatchObject(told)
    }
    expect(await signIn(ann)).toMatchObject(told)
    const { body: recent } = await owner.post('/api/v1/system/recent-activity', { limit: 1 })
    expect(recent.activities).toMatchObject([
      {
        type: 'user_left',
        description: 'ann was banned',
        user: { id: ann.id },
        metadata: { because: 'banned' },
      },
    ])
    // Whoever does not know the password learns nothing.
    const guess = { username: 'ann', password: 'guessing along' }
    expect((await request(server, 'POST', '/api/v1/users/signin', { json: guess })).status).toBe(401)
    expect(await unban(mod, ann)).toMatchObject({ status: 200, body: { target_user_id: ann.id } })
    expect((await ann.post('/api/v1/users/profile')).status).toBe(401)
    const back = await ann.signIn()
    expect(await stateOf(back, ann)).toEqual(FREE)
    const { body } = await owner.get('/api/v1/system/audit-log', { query: { target_id: ann.id } })
    expect(body.entries).toMatchObject([
      { action: 'user.unbanned', actor: { id: mod.id } },
      { action: 'user.banned', details: { username: 'ann', reason: 'spam', until: null } },
    ])
  })

  test('ends by the clock if it was given an end, and can be made longer', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({ clock })
    const [, mod, ann] = await four(server)
    expect((await ban(mod, ann, { duration_minutes: 10 })).status).toBe(201)
    expect((await signIn(ann)).body.detail).toMatch(/^You are banned from this server until \d{4}-/)
    expect((await ban(mod, ann, { duration_minutes: 14 })).status).toBe(201)
    clock.offset = 13 * MINUTE
    expect((await signIn(ann)).status).toBe(403)
    clock.offset = 14 * MINUTE + 1000
    expect(await stateOf(await ann.signIn(), ann)).toEqual(FREE)
    expect((await unban(await mod.signIn(), ann)).status).toBe(200)
  })

  test('is of the person, not of the name', async () => {
    await using server = await startServer()
    const [, mod, ann, bob] = await four(server)
    await ann.put('/api/v1/users/profile', { json: { new_username: 'anna' } })
    await ban(mod, ann)
    await bob.put('/api/v1/users/profile', { json: { new_username: 'ann' } })
    const credentials = { username: 'anna', password: ann.password }
    expect((await request(server, 'POST', '/api/v1/users/signin', { json: credentials })).status).toBe(403)
    expect((await bob.post('/api/v1/users/profile')).status).toBe(200)
  })

  test('beats signing in at the same moment', async () => {
    await using server = await startServer()
    const [, mod, ann] = await four(server)
    for (let round = 0; round < 4; round++) {
      const attempts = await Promise.all([signIn(ann), signIn(ann), ban(mod, ann), signIn(ann)])
      for (const { status, body } of attempts.filter((_answer, index) => index !== 2)) {
        if (status !== 200) continue
        const use = await request(server, 'POST', '/api/v1/users/profile', {
          token: body.auth_token,
          json: {},
        })
        expect(use.status).toBe(403)
      }
      await unban(mod, ann)
    }
  })

  test('shows its reason to the person and to those who moderate, and to nobody else', async () => {
    await using server = await startServer()
    const [owner, mod, ann, bob] = await four(server)
    await ban(mod, ann, { reason: 'spam' })
    for (const asker of [owner, mod]) expect(await stateOf(asker, ann)).toMatchObject({ ban_reason: 'spam' })
    expect(await stateOf(bob, ann)).toMatchObject({ is_banned: true, ban_reason: null })
    const list = await bob.get('/api/v1/users/list')
    expect(list.text).not.toContain('spam')
    expect(list.body.users.map(({ moderation_state: state }: Answer['body']) => state.is_banned)).toEqual([
      true,
      false,
      false,
      false,
    ])
  })
})

describe('who may ban whom', () => {
  test('only with the right, only who ranks below, never an owner or oneself', async () => {
    await using server = await startServer()
    const [owner, mod, ann, bob] = await four(server)
    const [admin, other] = (await server.people('admin', 'other')) as [Person, Person]
    await setRoles(server, admin, 'admin')
    await setRoles(server, other, 'moderator', 'user')
    const statusOf = async (by: Person, target: Person | string): Promise<number> =>
      (await ban(by, target)).status
    expect(await statusOf(ann, bob)).toBe(403)
    for (const target of [owner, admin, other]) expect(await statusOf(mod, target), target.name).toBe(403)
    expect(await statusOf(admin, owner)).toBe(403)
    expect(await statusOf(owner, owner)).toBe(400)
    expect(await statusOf(mod, mod)).toBe(400)
    expect(await statusOf(mod, UNKNOWN)).toBe(404)
    expect(await statusOf(mod, 'ann')).toBe(404)
    expect(await statusOf(admin, mod)).toBe(201)
    expect(await statusOf(owner, admin)).toBe(201)
    expect((await unban(other, admin)).status).toBe(403)
    expect((await ban(other, ann, { reason: 'x'.repeat(501) })).status).toBe(422)
    expect((await ban(other, ann, { duration_minutes: 0 })).status).toBe(422)
    // Somebody whose custom role ranks above moderators is out of their reach, whatever it may do.
    await createRole(owner, 'vip', [])
    await owner.put('/api/v1/system/role-order', { json: { role_ids: ['vip', 'moderator'] } })
    await setRoles(server, bob, 'vip', 'user')
    expect(await statusOf(other, bob)).toBe(403)
    expect(await stateOf(owner, bob)).toEqual(FREE)
  })

  test('a moderator who is demoted at the same moment has banned before that, or not at all', async () => {
    await using server = await startServer()
    const [owner, mod, ann] = await four(server)
    for (let round = 0; round < 4; round++) {
      await setRoles(server, mod, 'moderator')
      await owner.delete(`/api/v1/moderation/users/${ann.id}/ban`)
      const [demoted, banned] = await Promise.all([
        owner.put(`/api/v1/system/users/${mod.id}/roles`, { json: { roles_ids: ['user'] } }),
        ban(mod, ann),
      ])
      expect(demoted.status).toBe(200)
      expect((await stateOf(owner, ann)).is_banned).toBe(banned.status === 201)
      expect((await ban(mod, ann)).status).toBe(403)
    }
  })
})

describe('a kick', () => {
  test('ends all sessions of somebody, who may sign in again', async () => {
    await using server = await startServer()
    const [owner, mod, ann] = await four(server)
    await ann.signIn()
    using socket = await ann.connect()
    const path = `/api/v1/moderation/users/${ann.id}/kick`
    expect(await mod.post(path, { reason: 'cool down' })).toMatchObject({
      status: 200,
      body: { target_user_id: ann.id, ended_sessions: 2 },
    })
    expect(await socket.closed()).toMatchObject({ code: 1008 })
    expect((await ann.post('/api/v1/users/profile')).status).toBe(401)
    expect((await (await ann.signIn()).post('/api/v1/users/profile')).status).toBe(200)
    expect((await ann.post(path)).status).toBe(401)
    expect((await mod.post(`/api/v1/moderation/users/${owner.id}/kick`)).status).toBe(403)
    const { body } = await owner.get('/api/v1/system/audit-log', { query: { action: 'user.kicked' } })
    expect(body.entries).toMatchObject([{ details: { reason: 'cool down', ended_sessions: 2 } }])
  })
})
