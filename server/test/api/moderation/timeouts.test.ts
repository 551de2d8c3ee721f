import { expect, test } from 'vitest'
import type { Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { override, setRoles } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'

const MINUTE = 60_000

async function four(server: TestServer): Promise<[Person, Person, Person, Person]> {
  const people = (await server.people('owner', 'mod', 'ann', 'bob')) as [Person, Person, Person, Person]
  await setRoles(server, people[1], 'moderator')
  return people
}

function timeOut(by: Person, target: Person, sentence: object = { duration_minutes: 10 }): Promise<Answer> {
  return by.post(`/api/v1/moderation/users/${target.id}/timeout`, sentence)
}

function send(person: Person, channel: string): Promise<Answer> {
  return person.post(`/api/v1/channels/${channel}/send_message`, { message: 'hello' })
}

test('a timeout stops somebody from sending at once, naming its end, and lets them read', async () => {
  await using server = await startServer()
  const [owner, mod, ann, bob] = await four(server)
  const channel = await owner.createChannel('general')
  await override(owner, channel, ann, { allow: ['send_messages'] })
  using socket = await ann.connect()
  using mods = await mod.connect()
  using bobs = await bob.connect()
  expect((await send(ann, channel)).status).toBe(201)
  const { status, body } = await timeOut(mod, ann, { duration_minutes: 10, reason: 'calm down' })
  expect(status).toBe(201)
  expect(body).toEqual({
    status_code: 201,
    message: 'User timed out successfully',
    target_user_id: ann.id,
    expires_at: expect.any(String),
  })
  const told = {
    type: 'moderation_state_changed',
    user_id: ann.id,
    moderation_state: {
      is_banned: false,
      ban_reason: null,
      banned_at: null,
      banned_until: null,
      is_timed_out: true,
      timeout_until: body.expires_at,
      timeout_reason: 'calm down',
    },
  }
  expect(await socket.next('moderation_state_changed')).toEqual(told)
  expect(await mods.next('moderation_state_changed')).toEqual(told)
  expect(await send(ann, channel)).toMatchObject({
    status: 403,
    body: { detail: `You are timed out until ${body.expires_at}` },
  })
  expect(await ann.load(channel)).toEqual(['hello'])
  await owner.send(channel, 'still here')
  expect(await socket.next('message')).toMatchObject({ message: 'still here' })
  const { body: why } = await ann.post('/api/v1/system/permissions/explain', {
    privilege_id: 'send_messages',
    channel_id: channel,
  })
  expect(why).toMatchObject({ allowed: false, reason: { by: 'timeout', until: body.expires_at } })
  const rights = (await ann.get(`/api/v1/channels/${channel}/privileges`)).body.privileges
  expect(rights).toEqual(['view_messages'])
  expect((await bobs.settled()).map(({ type }) => type)).not.toContain('moderation_state_changed')
})

test('a timeout ends by the clock, and when it is lifted', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const [owner, mod, ann] = await four(server)
  const channel = await owner.createChannel('general')
  await timeOut(mod, ann, { duration_minutes: 10 })
  clock.offset = 9 * MINUTE
  expect((await send(ann, channel)).status).toBe(403)
  clock.offset = 10 * MINUTE + 1000
  expect((await send(ann, channel)).status).toBe(201)
  await timeOut(mod, ann, { duration_minutes: 40_320 })
  expect((await send(ann, channel)).status).toBe(403)
  const path = `/api/v1/moderation/users/${ann.id}/timeout`
  expect(await mod.delete(path)).toMatchObject({ status: 200, body: { target_user_id: ann.id } })
  expect((await send(ann, channel)).status).toBe(201)
  expect((await mod.delete(path)).status).toBe(200)
  const { body } = await owner.get('/api/v1/system/audit-log', { query: { target_id: ann.id } })
  expect(body.entries.map(({ action }: { action: string }) => action)).toEqual([
    'user.timeout_ended',
    'user.timed_out',
    'user.timed_out',
  ])
})

test('a timeout lasts from a minute to four weeks, and is for who ranks below', async () => {
  await using server = await startServer()
  const [owner, mod, ann, bob] = await four(server)
  for (const duration_minutes of [0, 40_321, 1.5]) {
    expect((await timeOut(mod, ann, { duration_minutes })).status).toBe(422)
  }
  expect((await timeOut(mod, ann, {})).status).toBe(422)
  expect((await timeOut(ann, bob)).status).toBe(403)
  expect((await timeOut(mod, owner)).status).toBe(403)
  expect((await timeOut(mod, mod)).status).toBe(400)
  await setRoles(server, bob, 'moderator')
  expect((await timeOut(mod, bob)).status).toBe(403)
})

test('in slow mode everybody waits for their turn, but for those who moderate', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const [owner, mod, ann, bob] = await four(server)
  const channel = await owner.createChannel('general')
  const path = `/api/v1/channels/${channel}/update`
  const slow = await owner.put(path, { json: { slow_mode_seconds: 30 } })
  expect(slow.body.channel_data).toMatchObject({ slow_mode_seconds: 30 })
  expect((await owner.put(path, { json: { slow_mode_seconds: 21_601 } })).status).toBe(422)
  expect((await send(ann, channel)).status).toBe(201)
  const refused = await send(ann, channel)
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(25)
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(30)
  expect((await send(bob, channel)).status).toBe(201)
  for (let count = 0; count < 3; count++) expect((await send(mod, channel)).status).toBe(201)
  clock.offset = 30_000
  const many = await Promise.all([send(ann, channel), send(ann, channel), send(ann, channel)])
  expect(many.map(({ status }) => status).toSorted()).toEqual([201, 429, 429])
  await owner.put(path, { json: { slow_mode_seconds: 0 } })
  expect((await send(ann, channel)).status).toBe(201)
  // What was refused left no gap in the numbers.
  const { body } = await ann.get(`/api/v1/channels/${channel}/load_messages`)
  expect(body.messages.map(({ seq }: { seq: number }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7])
})
