import { expect, test } from 'vitest'
import { request, type Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'

const PROFILE = '/api/v1/users/profile'

function edit(person: Person, json: object): Promise<Answer> {
  return person.put(PROFILE, { json })
}

async function own(person: Person) {
  const { status, body } = await person.post(PROFILE)
  expect(status).toBe(200)
  return body.user_data
}

test('a new name is shown everywhere at once', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'bob')
  const channel = await owner!.createChannel('general')
  await bob!.send(channel, 'before')
  const { status, body } = await edit(bob!, { new_username: '  Robert   B. ' })
  expect(status).toBe(200)
  expect(body).toEqual({ status_code: 200, message: 'username updated successfully' })
  expect((await own(bob!)).username).toBe('Robert B.')
  const page = await owner!.get(`/api/v1/channels/${channel}/load_messages`)
  expect(page.body.messages[0].username).toBe('Robert B.')
  const signIn = (username: string) =>
    request(server, 'POST', '/api/v1/users/signin', { json: { username, password: bob!.password } })
  expect((await signIn('robert b.')).status).toBe(200)
  expect((await signIn('bob')).status).toBe(401)
})

test('a name that is taken, looks taken or is one’s own already cannot be taken', async () => {
  await using server = await startServer()
  const [, bob] = await server.people('paypal', 'bob')
  for (const name of ['paypal', 'PayPal', 'paypa1', 'bob', ' bob ']) {
    const { status, body } = await edit(bob!, { new_username: name })
    expect(status, name).toBe(409)
    expect(body.detail).toContain('already')
  }
  for (const name of ['a@b', '   ', 'a'.repeat(65), 'раypal', 'a\u200bb', 'bob\u3164', 'a\0b']) {
    expect((await edit(bob!, { new_username: name })).status, name).toBe(422)
  }
  expect((await own(bob!)).username).toBe('bob')
  // The name is still one's own when it is only written in another way.
  for (const name of ['Bob', 'B0b', 'bób'])
    expect((await edit(bob!, { new_username: name })).status).toBe(200)
})

test('a name that was given up is free', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  await edit(bob!, { new_username: 'robert' })
  expect((await edit(ann!, { new_username: 'bob' })).status).toBe(200)
  expect((await edit(bob!, { new_username: 'bob' })).status).toBe(409)
})

test('of people who take one name at the same moment, one gets it', async () => {
  await using server = await startServer()
  const people = await server.people('ann', 'bob', 'cid', 'dan')
  const answers = await Promise.all(people.map((person) => edit(person, { new_username: 'Highlander' })))
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409])
})

test('a status is understood in all its words, and others see it change', async () => {
  await using server = await startServer({ env: { GATEWAY_PRESENCE_GRACE_SECONDS: '0' } })
  const [owner, bob] = await server.people('owner', 'bob')
  await owner!.createChannel('general')
  using socket = await owner!.connect()
  for (const [word, status] of [
    ['idle', 'idle'],
    ['away', 'afk'],
    [' DND ', 'dnd'],
    ['inactive', 'offline'],
    ['Online', 'online'],
    ['invisible', 'offline'],
    ['afk', 'afk'],
  ]) {
    const { status: code, body } = await edit(bob!, { status: word })
    expect(code).toBe(200)
    expect(body).toEqual({ status_code: 200, message: 'Status updated successfully', status })
    expect((await own(bob!)).status).toBe(status)
    const seen = async () => {
      for (;;) {
        const frame = await socket.next('user_status_changed')
        if (frame.user_id === bob!.id) return frame
      }
    }
    expect(await seen()).toMatchObject({ status, source: 'http_profile_update' })
  }
  for (const word of ['busy', 'constructor', '__proto__', 'toString', '   ', 'x'.repeat(65), 'on line']) {
    const { status, body } = await edit(bob!, { status: word })
    expect(status, word).toBe(422)
    expect(body.errors[0].loc).toEqual(['body', 'status'])
  }
  expect((await edit(bob!, { status: 'busy' })).body.detail).toContain('online, idle, afk, dnd, offline')
  expect((await own(bob!)).status).toBe('afk')
})

test('an about text may have 4000 characters and is kept without control characters', async () => {
  await using server = await startServer()
  const bob = await server.person('bob')
  for (const [text, kept] of [
    ['Hello\r\nworld\r!', 'Hello\nworld\n!'],
    ['bell\u0007 null\0 escape\u001b[31m c1\u0085 tab\t', 'bell null escape[31m c1 tab\t'],
    ['half \ud800 a pair', 'half \ufffd a pair'],
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
    ["'; drop table user; --", "'; drop table user; --"],
    ['🦔'.repeat(4000), '🦔'.repeat(4000)],
    ['', null],
    ['\0\0', null],
  ] as const) {
    const { status, body } = await edit(bob, { about: text })
    expect(status).toBe(200)
    expect(body).toEqual({ status_code: 200, message: 'About updated successfully' })
    expect((await own(bob)).about).toBe(kept)
  }
  for (const tooLong of ['x'.repeat(4001), '🦔'.repeat(4001), 'x'.repeat(20_001)]) {
    const { status, body } = await edit(bob, { about: tooLong })
    expect(status).toBe(422)
    expect(body.errors[0].loc).toEqual(['body', 'about'])
  }
})

test('one change is made at a time, in a fixed order', async () => {
  await using server = await startServer()
  const bob = await server.person('bob')
  const everything = {
    new_username: 'robert',
    status: 'dnd',
    new_password: 'another-password',
    old_password: 'not-the-old-one',
    about: 'about',
  }
  const { new_username: _name, ...noName } = everything
  const { status: _status, ...noStatus } = noName
  const { new_password: _new, old_password: _old, ...noPassword } = noStatus
  expect((await edit(bob, everything)).body.message).toBe('username updated successfully')
  expect(await own(bob)).toMatchObject({ username: 'robert', status: 'online', about: null })
  expect((await edit(bob, noName)).body.message).toBe('Status updated successfully')
  expect(await own(bob)).toMatchObject({ status: 'dnd', about: null })
  expect((await edit(bob, noStatus)).status).toBe(401)
  expect(await own(bob)).toMatchObject({ about: null })
  expect((await edit(bob, noPassword)).body.message).toBe('About updated successfully')
  expect(await own(bob)).toMatchObject({ username: 'robert', status: 'dnd', about: 'about' })
})

test('a request that changes nothing makes no sense', async () => {
  await using server = await startServer()
  const bob = await server.person('bob')
  for (const nothing of [
    {},
    { new_username: '' },
    { new_username: null, status: null, new_password: null, old_password: null, about: null },
    { status: '' },
    { old_password: bob.password },
    { unknown: 'field' },
  ]) {
    const { status, body } = await edit(bob, nothing)
    expect(status, JSON.stringify(nothing)).toBe(400)
    expect(body.detail).toContain('Nothing to update')
  }
  expect((await bob.put(PROFILE)).status).toBe(400)
  for (const field of ['new_username', 'status', 'new_password', 'old_password', 'about']) {
    for (const value of [1, true, {}, ['x']]) {
      const { status, body } = await edit(bob, { [field]: value })
      expect(status, `${field} ${JSON.stringify(value)}`).toBe(422)
      expect(body.errors).toMatchObject([{ loc: ['body', field] }])
    }
  }
})

test('fields may stand in the query, a form or the body; the body wins', async () => {
  await using server = await startServer()
  const bob = await server.person('bob')
  const about = async () => (await own(bob)).about
  expect((await bob.put(PROFILE, { query: { about: 'query' } })).status).toBe(200)
  expect(await about()).toBe('query')
  expect((await bob.put(PROFILE, { urlencoded: { about: 'urlencoded' } })).status).toBe(200)
  expect(await about()).toBe('urlencoded')
  expect((await bob.put(PROFILE, { form: { about: 'multipart' } })).status).toBe(200)
  expect(await about()).toBe('multipart')
  const both = { query: { about: 'query' }, json: { about: 'body' } }
  expect((await bob.put(PROFILE, both)).status).toBe(200)
  expect(await about()).toBe('body')
})

test('nobody edits somebody else', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'bob')
  await owner!.put(PROFILE, { json: { user_id: bob!.id, about: 'written by the owner' } })
  expect((await own(bob!)).about).toBeNull()
  expect((await own(owner!)).about).toBe('written by the owner')
})
