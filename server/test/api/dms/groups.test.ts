import { describe, expect, test } from 'vitest'
import { conversationsOf, createGroup, sendDm } from '#test/direct.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

const participantsOf = async (person: Person, id: string): Promise<string[]> => {
  const { status, body } = await person.get(`/api/v1/dms/conversations/${id}`)
  expect(status).toBe(200)
  return body.conversation.participants.map(({ username }: { username: string }) => username)
}

/** People who never sign in. @returns their names */
async function addAccounts(server: TestServer, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `person${index}`)
  const rows = names.map(
    (name) => `('${crypto.randomUUID()}', '${name}', '${name}', '${name}', '', '', '', 0, 0)`,
  )
  const columns = 'id, username, username_key, username_skeleton, password_hash, status, chosen_status'
  await runSql(
    server,
    `insert into "user" (${columns}, created_at, updated_at) values ${rows.join(',')} returning id`,
  )
  return names
}

test('several people talk in a group, and each finds it in their list', async () => {
  await using server = await startServer()
  const [ann, bob, cid] = await server.people('ann', 'bob', 'cid')
  using socket = await cid!.connect()
  const id = await createGroup(ann!, 'Trip', bob!, cid!)
  expect(id).toMatch(/^dm-[0-9a-f]{32}$/)
  expect(await socket.next('conversation_member_added')).toMatchObject({ conversation_id: id, name: 'Trip' })
  await bob!.send(id, 'where to?')
  expect(await socket.next('message')).toMatchObject({ conversation_id: id, message: 'where to?' })
  for (const person of [ann!, bob!, cid!]) {
    expect(await conversationsOf(person)).toMatchObject([
      { conversation_id: id, kind: 'group', name: 'Trip', last_message: { message: 'where to?' } },
    ])
    expect((await participantsOf(person, id)).toSorted()).toEqual(['ann', 'bob', 'cid'])
  }
  // A group is no channel, and two groups of the same people are two.
  expect((await ann!.post('/api/v1/channels/list/')).body.channels).toEqual([])
  expect(await createGroup(ann!, '', bob!, cid!)).not.toBe(id)
})

test('whoever is brought in can read what was said; whoever leaves hears nothing more', async () => {
  await using server = await startServer()
  const [ann, bob, cid] = await server.people('ann', 'bob', 'cid')
  const id = await createGroup(ann!, '', bob!)
  await ann!.send(id, 'before')
  const path = `/api/v1/dms/groups/${id}`
  expect(await cid!.get(`/api/v1/dms/conversations/${id}`)).toMatchObject({ status: 404 })
  for (const _ of [1, 2]) {
    expect(await bob!.post(`${path}/participants`, { participants: ['cid'] })).toMatchObject({
      status: 200,
      body: { conversation: { participants: { length: 3 } } },
    })
  }
  expect(await cid!.load(id)).toEqual(['before'])

  using socket = await bob!.connect()
  expect(await bob!.post(`${path}/leave`)).toMatchObject({ status: 200 })
  const [{ channel_id }] = (await conversationsOf(ann!)) as [{ channel_id: string }]
  expect(await socket.next('channel_member_removed')).toMatchObject({ channel_id, user_id: bob!.id })
  await ann!.send(id, 'he is gone')
  expect((await socket.settled()).filter(({ type }) => type === 'message')).toEqual([])
  for (const answer of [
    await bob!.get(`/api/v1/channels/${id}/load_messages`),
    await bob!.post(`/api/v1/channels/${id}/send_message`, { message: 'still here' }),
    await bob!.post(`${path}/leave`),
    await bob!.post(`${path}/participants`, { participants: ['bob'] }),
    await bob!.put(path, { json: { name: 'Mine' } }),
  ]) {
    expect(answer).toMatchObject({ status: 404 })
  }
  expect(await conversationsOf(bob!)).toEqual([])
})

test('a group gets another name, which all see', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  const id = await createGroup(ann!, 'Old', bob!)
  using socket = await ann!.connect()
  expect(await bob!.put(`/api/v1/dms/groups/${id}`, { json: { name: ' New\nname ' } })).toMatchObject({
    status: 200,
    body: { conversation: { name: 'New name' } },
  })
  expect(await socket.next('conversation_updated')).toMatchObject({ conversation_id: id, name: 'New name' })
  expect(await conversationsOf(ann!)).toMatchObject([{ name: 'New name' }])
  expect(await bob!.put(`/api/v1/dms/groups/${id}`, { json: { name: 'x'.repeat(101) } })).toMatchObject({
    status: 422,
  })
})

describe('groups have limits', () => {
  test('somebody else, known people, and no conversations of two', async () => {
    await using server = await startServer()
    const [ann, bob] = await server.people('ann', 'bob')
    for (const participants of [['ann'], ['nobody'], ['bob@chat.example']]) {
      expect(await ann!.post('/api/v1/dms/groups', { participants })).toMatchObject({ status: 400 })
    }
    expect(await ann!.post('/api/v1/dms/groups', { participants: [] })).toMatchObject({ status: 422 })
    const { conversation_id } = await sendDm(ann!, bob!, 'hi')
    const path = `/api/v1/dms/groups/${conversation_id}`
    expect(await ann!.post(`${path}/leave`)).toMatchObject({ status: 400 })
    expect(await ann!.put(path, { json: { name: 'x' } })).toMatchObject({ status: 400 })
    expect(await ann!.post(`${path}/participants`, { participants: ['bob'] })).toMatchObject({ status: 400 })
    const unknown = `/api/v1/dms/groups/${crypto.randomUUID()}`
    expect(await ann!.post(`${unknown}/leave`)).toMatchObject({ status: 404 })
    const channel = await ann!.createChannel('general')
    expect(await ann!.post(`/api/v1/dms/groups/${channel}/leave`)).toMatchObject({ status: 404 })
  })

  test('fifty people', async () => {
    await using server = await startServer()
    const ann = await server.person('ann')
    const names = await addAccounts(server, 51)
    const participants = names.slice(0, 50)
    expect(await ann.post('/api/v1/dms/groups', { participants })).toMatchObject({ status: 409 })
    const { status, body } = await ann.post('/api/v1/dms/groups', { participants: names.slice(0, 49) })
    expect({ status, people: body.conversation.participants.length }).toEqual({ status: 201, people: 50 })
    const path = `/api/v1/dms/groups/${body.conversation.conversation_id}/participants`
    expect(await ann.post(path, { participants: [names[50]] })).toMatchObject({ status: 409 })
    expect(await ann.post(path, { participants: [names[48]] })).toMatchObject({ status: 200 })
  })

  test('who was asked has a place, and who comes back to it finds it taken', async () => {
    await using server = await startServer()
    const [ann, bob, cid] = await server.people('ann', 'bob', 'cid')
    const names = await addAccounts(server, 48)
    for (const person of [bob!, cid!])
      await person.put('/api/v1/dms/settings', { json: { accept_from: 'contacts' } })
    const participants = [...names, 'bob']
    const { body } = await ann!.post('/api/v1/dms/groups', { participants })
    const id = body.conversation.conversation_id as string
    expect(await participantsOf(ann!, id)).toHaveLength(49)
    const add = async (name: string) =>
      (await ann!.post(`/api/v1/dms/groups/${id}/participants`, { participants: [name] })).status
    const answer = async (person: Person, what: string) =>
      (await person.post(`/api/v1/dms/requests/${id}/${what}`)).status
    // Ann and 48 others are in, and Bob is asked.
    expect(await add('cid')).toBe(409)
    expect(await add('bob')).toBe(200)
    expect(await answer(bob!, 'decline')).toBe(200)
    expect(await add('cid')).toBe(200)
    expect(await answer(cid!, 'accept')).toBe(200)
    // Whoever has refused may think better of it, while there is a place.
    expect(await answer(bob!, 'accept')).toBe(409)
    expect(await participantsOf(ann!, id)).toHaveLength(50)
    expect(await cid!.post(`/api/v1/dms/groups/${id}/leave`)).toMatchObject({ status: 200 })
    expect(await answer(bob!, 'accept')).toBe(200)
    expect(await participantsOf(ann!, id)).toHaveLength(50)
  })
})
