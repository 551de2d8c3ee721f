import { describe, expect, test } from 'vitest'
import { conversationsOf, createGroup, loadDms, sendDm, tryDm } from '#test/direct.ts'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'

const acceptFrom = async (person: Person, accept_from: string): Promise<void> => {
  expect(await person.put('/api/v1/dms/settings', { json: { accept_from } })).toMatchObject({
    status: 200,
    body: { accept_from },
  })
}
const requestsOf = async (person: Person) => (await person.get('/api/v1/dms/requests')).body.requests

test('everybody may write at once, unless a person says otherwise', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  expect((await ann.get('/api/v1/dms/settings')).body).toMatchObject({ accept_from: 'everybody' })
  await acceptFrom(ann, 'contacts')
  expect((await ann.get('/api/v1/dms/settings')).body).toMatchObject({ accept_from: 'contacts' })
  expect(await ann.put('/api/v1/dms/settings', { json: { accept_from: 'friends' } })).toMatchObject({
    status: 422,
  })
})

describe('who takes messages from contacts', () => {
  test('is asked by strangers, may look first, and hears of them when they accept', async () => {
    await using server = await startServer()
    const [ann, bob] = await server.people('ann', 'bob')
    await acceptFrom(bob!, 'contacts')
    using socket = await bob!.connect()
    const { conversation_id } = await sendDm(ann!, bob!, 'do you know me?')
    expect(await socket.next('conversation_requested')).toMatchObject({
      conversation_id,
      from_user_id: ann!.id,
    })
    expect((await socket.settled()).filter(({ type }) => type === 'message')).toEqual([])
    expect(await conversationsOf(bob!)).toEqual([])
    expect(await requestsOf(bob!)).toMatchObject([
      {
        from_user_id: ann!.id,
        conversation: { conversation_id, last_message: { message: 'do you know me?' } },
      },
    ])
    expect(await loadDms(bob!, ann!)).toEqual(['do you know me?'])

    expect(await bob!.post(`/api/v1/dms/requests/${conversation_id}/accept`)).toMatchObject({ status: 200 })
    expect(await requestsOf(bob!)).toEqual([])
    await sendDm(ann!, bob!, 'good')
    expect(await socket.next('message')).toMatchObject({ message: 'good' })
    expect(await conversationsOf(bob!)).toMatchObject([{ conversation_id, unread_count: 2 }])
    expect(await bob!.post(`/api/v1/dms/requests/${conversation_id}/accept`)).toMatchObject({ status: 404 })
  })

  test('accepts by answering', async () => {
    await using server = await startServer()
    const [ann, bob] = await server.people('ann', 'bob')
    await acceptFrom(bob!, 'contacts')
    await sendDm(ann!, bob!, 'hello?')
    await sendDm(bob!, ann!, 'yes?')
    expect(await requestsOf(bob!)).toEqual([])
    expect(await conversationsOf(bob!)).toMatchObject([{ last_message: { message: 'yes?' } }])
  })

  test('may decline, which nobody is told, and can take it back', async () => {
    await using server = await startServer()
    const [ann, bob] = await server.people('ann', 'bob')
    await acceptFrom(bob!, 'contacts')
    const { conversation_id } = await sendDm(ann!, bob!, 'hello?')
    expect(await bob!.post(`/api/v1/dms/requests/${conversation_id}/decline`)).toMatchObject({ status: 200 })
    expect(await bob!.post(`/api/v1/dms/requests/${conversation_id}/decline`)).toMatchObject({ status: 404 })
    using socket = await bob!.connect()
    await sendDm(ann!, bob!, 'hello??')
    expect((await socket.settled()).filter(({ type }) => /message|conversation/.test(type))).toEqual([])
    expect(await requestsOf(bob!)).toEqual([])
    await sendDm(bob!, ann!, 'sorry')
    expect(await loadDms(ann!, bob!)).toEqual(['hello?', 'hello??', 'sorry'])
    expect(await conversationsOf(bob!)).toHaveLength(1)
  })

  test('is not written to without end before they answer', async () => {
    await using server = await startServer()
    const [ann, bob] = await server.people('ann', 'bob')
    await acceptFrom(bob!, 'contacts')
    for (let i = 0; i < 5; i++) await sendDm(ann!, bob!, 'hello?')
    const { conversation_id } = (await conversationsOf(ann!))[0]
    expect((await tryDm(ann!, bob!)).status).toBe(403)
    expect(
      await ann!.post(`/api/v1/channels/${conversation_id}/send_message`, { message: 'x' }),
    ).toMatchObject({
      status: 403,
    })
    await bob!.post(`/api/v1/dms/requests/${conversation_id}/accept`)
    expect((await tryDm(ann!, bob!)).status).toBe(201)
  })

  test('takes those of people they share a private channel or a conversation with', async () => {
    await using server = await startServer()
    const [owner, ann, bob, cid] = await server.people('owner', 'ann', 'bob', 'cid')
    await acceptFrom(bob!, 'contacts')
    await owner!.createChannel('general')
    await owner!.createChannel('team', { private: true, members: [ann!, bob!] })
    await sendDm(ann!, bob!, 'from the team')
    expect(await conversationsOf(bob!)).toHaveLength(1)
    await sendDm(cid!, bob!, 'from the street')
    expect(await requestsOf(bob!)).toMatchObject([{ from_user_id: cid!.id }])
  })

  test('is asked into groups too', async () => {
    await using server = await startServer()
    const [ann, bob, cid] = await server.people('ann', 'bob', 'cid')
    await acceptFrom(bob!, 'contacts')
    const id = await createGroup(ann!, 'Club', bob!, cid!)
    await cid!.send(id, 'hi')
    expect(await bob!.get(`/api/v1/channels/${id}/load_messages`)).toMatchObject({ status: 404 })
    expect(await requestsOf(bob!)).toMatchObject([{ from_user_id: ann!.id, conversation: { name: 'Club' } }])
    await bob!.post(`/api/v1/dms/requests/${id}/accept`)
    expect(await bob!.load(id)).toEqual(['hi'])
  })
})

test('who takes messages from nobody keeps the conversations they have', async () => {
  await using server = await startServer()
  const [ann, bob, cid] = await server.people('ann', 'bob', 'cid')
  await sendDm(ann!, bob!, 'before')
  await acceptFrom(bob!, 'nobody')
  await sendDm(ann!, bob!, 'after')
  expect((await tryDm(cid!, bob!)).status).toBe(403)
  expect(await cid!.post('/api/v1/dms/groups', { participants: ['bob'] })).toMatchObject({ status: 403 })
  expect(await conversationsOf(cid!)).toEqual([])
  expect(await requestsOf(bob!)).toEqual([])
  // They may begin conversations themselves.
  await sendDm(bob!, cid!, 'I ask')
  await sendDm(cid!, bob!, 'I answer')
})

test('a request is answered by whom it is for', async () => {
  await using server = await startServer()
  const [ann, bob, cid] = await server.people('ann', 'bob', 'cid')
  await acceptFrom(bob!, 'contacts')
  const { conversation_id } = await sendDm(ann!, bob!, 'hello?')
  for (const person of [ann!, cid!]) {
    for (const answer of ['accept', 'decline']) {
      const path = `/api/v1/dms/requests/${conversation_id}/${answer}`
      expect(await person.post(path)).toMatchObject({ status: 404 })
    }
  }
  expect(await cid!.post('/api/v1/dms/requests/nothing/accept')).toMatchObject({ status: 404 })
  expect(await cid!.get(`/api/v1/dms/conversations/${conversation_id}`)).toMatchObject({ status: 404 })
})
