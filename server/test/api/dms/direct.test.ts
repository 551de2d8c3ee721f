import { describe, expect, test } from 'vitest'
import { conversationsOf, expectedId, loadDms, sendDm, tryDm } from '#test/direct.ts'
import { request } from '#test/http.ts'
import { startServer } from '#test/server.ts'
import { dumpTables, runSql } from '#test/sql.ts'

test('a message to a person arrives, live and on the page of both', async () => {
  await using server = await startServer()
  const [ann, bob, cid] = await server.people('ann', 'bob', 'cid')
  using his = await bob!.connect()
  using hers = await ann!.connect()
  using other = await cid!.connect()
  const { status, body } = await ann!.post('/api/v1/dms/send', { peer: 'bob', message: 'hi bob' })
  expect({ status, body }).toEqual({
    status: 201,
    body: {
      status_code: 201,
      message: 'Direct message sent',
      result: {
        conversation_id: expectedId(server.url, ann!, bob!),
        message_id: expect.any(String),
        delivered_local: true,
        delivered_remote: false,
      },
    },
  })
  const { conversation_id, message_id } = body.result
  const expected = {
    message_id,
    conversation_id,
    sender_user_id: ann!.id,
    username: 'ann',
    message: 'hi bob',
    attachments: [],
    federated: false,
  }
  for (const socket of [his, hers]) {
    const frame = await socket.next('message')
    expect(frame).toMatchObject(expected)
    expect(frame).not.toHaveProperty('channel_id')
  }
  expect(await sendDm(bob!, ann!, 'hi ann')).toMatchObject({ conversation_id })
  for (const [person, peer] of [
    [ann!, bob!],
    [bob!, ann!],
  ] as const) {
    const page = await person.get('/api/v1/dms/messages', { query: { peer: peer.name } })
    expect(page).toMatchObject({
      status: 200,
      body: {
        conversation_id,
        peer_actor_uri: `${server.url}/ap/users/${peer.id}`,
        messages: [expected, { message: 'hi ann', sender_user_id: bob!.id }],
      },
    })
    expect(page.body.messages[0]).not.toHaveProperty('channel_id')
  }
  expect((await other.settled()).filter(({ type }) => type !== 'user_status_changed')).toEqual([])
})

test('pages are those of channels: the newest first, the oldest message first inside', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  for (const text of ['1', '2', '3', '4', '5']) await sendDm(ann!, bob!, text)
  expect(await loadDms(bob!, ann!, { messages_per_page: 2 })).toEqual(['4', '5'])
  expect(await loadDms(bob!, ann!, { messages_per_page: 2, page: 3 })).toEqual(['1'])
  expect(await loadDms(bob!, ann!, { page: 9 })).toEqual([])
  for (const query of [{ page: 0 }, { messages_per_page: 0 }, { messages_per_page: 51 }]) {
    expect(await bob!.get('/api/v1/dms/messages', { query: { peer: ann!.id, ...query } })).toMatchObject({
      status: 422,
    })
  }
})

test('a conversation that nobody began is empty, and has its id already', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  const { body } = await ann!.get('/api/v1/dms/messages', { query: { peer: bob!.id } })
  expect(body).toMatchObject({ conversation_id: expectedId(server.url, ann!, bob!), messages: [] })
  expect(await conversationsOf(ann!)).toEqual([])
})

test('a person is named by id, name, handle or actor', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'Bob')
  const host = new URL(server.url).host
  const names = [bob!.id, 'Bob', 'bOB', `bob@${host}`, `@bob@${host}`, `acct:bob@${host}`]
  for (const name of [...names, `${server.url}/ap/users/${bob!.id}`]) await sendDm(ann!, name, name)
  expect(await loadDms(ann!, bob!)).toHaveLength(7)
  expect(await conversationsOf(bob!)).toHaveLength(1)
})

test('what cannot be sent is refused, and begins no conversation', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  const wrong: [object, number][] = [
    [{ peer: 'nobody' }, 400],
    [{ peer: crypto.randomUUID() }, 400],
    [{ peer: `${server.url}/ap/users/nobody` }, 400],
    [{ peer: 'bob@chat.example' }, 400],
    [{ peer: 'https://chat.example/ap/users/1' }, 400],
    [{ message: ' \n ' }, 400],
    [{ message: 'x'.repeat(50_001) }, 400],
    [{ message: undefined }, 422],
    [{ peer: '' }, 422],
    [{ sent_at: 'yesterday' }, 422],
  ]
  for (const [change, status] of wrong) {
    const answer = await ann!.post('/api/v1/dms/send', { peer: bob!.id, message: 'hi', ...change })
    expect(answer).toMatchObject({ status, body: { detail: expect.any(String) } })
  }
  const json = { peer: bob!.id, message: 'hi' }
  expect(await request(server, 'POST', '/api/v1/dms/send', { json })).toMatchObject({ status: 401 })
  const query = { peer: bob!.id }
  expect(await request(server, 'GET', '/api/v1/dms/messages', { query })).toMatchObject({ status: 401 })
  expect(await conversationsOf(ann!)).toEqual([])
  expect(await conversationsOf(bob!)).toEqual([])
  expect(await runSql(server, 'select channel_id from conversation')).toEqual([])
})

test('two people who write to each other at the same moment have one conversation', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  const sent = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      index % 2 === 0 ? sendDm(ann!, bob!, `a${index}`) : sendDm(bob!, ann!, `b${index}`),
    ),
  )
  expect(new Set(sent.map(({ conversation_id }) => conversation_id)).size).toBe(1)
  expect((await loadDms(ann!, bob!)).toSorted()).toEqual('a0 a2 a4 a6 a8 b1 b3 b5 b7 b9'.split(' '))
  expect(await loadDms(bob!, ann!)).toEqual(await loadDms(ann!, bob!))
})

test('one may write to oneself', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  await sendDm(ann, ann, 'note')
  expect(await loadDms(ann, ann)).toEqual(['note'])
  expect(await conversationsOf(ann)).toMatchObject([{ kind: 'direct', participants: [{ user_id: ann.id }] }])
})

test('conversations are listed with what is unread and what was said last, the last active first', async () => {
  await using server = await startServer()
  const [ann, bob, cid] = await server.people('ann', 'bob', 'cid')
  await sendDm(bob!, ann!, 'from bob')
  await sendDm(cid!, ann!, 'from cid')
  await sendDm(cid!, ann!, 'again')
  expect(await conversationsOf(ann!)).toMatchObject([
    {
      kind: 'direct',
      unread_count: 2,
      last_message: { message: 'again', username: 'cid' },
      participants: expect.arrayContaining([
        expect.objectContaining({ user_id: ann!.id, username: 'ann' }),
        expect.objectContaining({ user_id: cid!.id, username: 'cid' }),
      ]),
    },
    { unread_count: 1, last_message: { message: 'from bob' } },
  ])
  const { conversation_id } = await sendDm(ann!, bob!, 'back')
  const { body: first } = await ann!.get('/api/v1/dms/conversations', { query: { limit: 1 } })
  expect(first.conversations).toMatchObject([{ conversation_id, unread_count: 0 }])
  const { body: second } = await ann!.get('/api/v1/dms/conversations', { query: { before: first.next } })
  expect(second).toMatchObject({ conversations: [{ unread_count: 2 }], next: null })
  expect(await ann!.get('/api/v1/dms/conversations', { query: { before: 'x' } })).toMatchObject({
    status: 400,
  })
})

test('the message routes of channels take a conversation by either id', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  const { message_id, conversation_id } = await sendDm(ann!, bob!, 'one')
  const [{ channel_id }] = (await conversationsOf(ann!)) as [{ channel_id: string }]
  expect(conversation_id).toBe(`dm-${channel_id.replaceAll('-', '')}`)
  using socket = await bob!.connect()
  for (const id of [channel_id, conversation_id]) {
    await bob!.send(id, `to ${id}`)
    expect(await ann!.load(id)).toContain(`to ${id}`)
  }
  const marked = await bob!.put(`/api/v1/channels/${conversation_id}/mark_message_as_read`, {
    query: { message_id },
  })
  expect(marked.status).toBe(201)
  const path = `/api/v1/channels/${conversation_id}/delete_message`
  // Who owns the server presides over no conversation, not even their own.
  const foreign = (await bob!.load(channel_id))[1]!
  const { body } = await ann!.get(`/api/v1/channels/${channel_id}/load_messages`)
  const his = body.messages.find(({ message }: { message: string }) => message === foreign).message_id
  expect(await ann!.delete(path, { query: { message_id: his } })).toMatchObject({ status: 403 })
  expect(await ann!.delete(path, { query: { message_id } })).toMatchObject({ status: 204 })
  expect(await socket.next('message_deleted')).toMatchObject({ message_id, channel_id })
  expect(await bob!.load(conversation_id)).not.toContain('one')
  using own = await bob!.connect({ channel: conversation_id })
  await sendDm(ann!, bob!, 'on its own socket')
  expect(await own.next('message')).toMatchObject({ message: 'on its own socket' })
})

test('a socket that was away is sent what it missed, conversations that began meanwhile included', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  using before = await bob!.connect({ resume: 'now' })
  await before.next('ready')
  const { cursor } = before
  before.socket.terminate()
  const { conversation_id } = await sendDm(ann!, bob!, 'while you were away')
  using after = await bob!.connect({ resume: cursor })
  const ready = await after.next('ready')
  expect(ready).toBeDefined()
  expect(after.frames.filter(({ type }) => type === 'message')).toMatchObject([
    { conversation_id, message: 'while you were away' },
  ])
  expect(after.frames.some(({ type }) => type === 'channel_created')).toBe(false)
})

describe('nobody else knows of a conversation', () => {
  test('not even who owns the server, by any route or socket', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
    using watching = await owner!.connect({ resume: 'now' })
    await watching.next('ready')
    const { conversation_id, message_id } = await sendDm(ann!, bob!, 'psst')
    const [{ channel_id }] = (await conversationsOf(ann!)) as [{ channel_id: string }]
    await ann!.delete(`/api/v1/channels/${channel_id}/delete_message`, { query: { message_id } })
    expect(
      (await watching.settled()).filter(({ type }) => /message|channel|conversation/.test(type)),
    ).toEqual([])

    const { body: list } = await owner!.post('/api/v1/channels/list/')
    expect(list.channels).toEqual([])
    const { body: own } = await ann!.post('/api/v1/channels/list/')
    expect(own.channels).toEqual([])
    expect((await ann!.get('/api/v1/channels/read-history')).body.unread_counts).toEqual({})
    for (const id of [channel_id, conversation_id]) {
      const path = `/api/v1/channels/${id}`
      const user = { query: { to_add_user_id: owner!.id, to_remove_user_id: ann!.id, message_id } }
      for (const answer of [
        await owner!.get(`${path}/load_messages`),
        await owner!.post(`${path}/send_message`, { message: 'hi' }),
        await owner!.put(`${path}/mark_message_as_read`, user),
        await owner!.delete(`${path}/delete_message`, user),
        await owner!.delete(`${path}/delete`),
        await owner!.put(`${path}/add_user`, user),
        await owner!.delete(`${path}/remove_user`, user),
        await owner!.put(`${path}/update`, { json: { is_private: false } }),
        await owner!.get(`/api/v1/dms/conversations/${id}`),
      ]) {
        expect(answer).toMatchObject({ status: 404 })
      }
      await expect(owner!.connect({ channel: id })).rejects.toMatchObject({ status: 404 })
    }
    expect(await loadDms(owner!, ann!)).toEqual([])
  })

  test('and whoever takes part cannot make it something else', async () => {
    await using server = await startServer()
    const [owner, bob, cid] = await server.people('owner', 'bob', 'cid')
    const { conversation_id } = await sendDm(owner!, bob!, 'psst')
    const path = `/api/v1/channels/${conversation_id}`
    for (const answer of [
      await owner!.delete(`${path}/delete`),
      await owner!.put(`${path}/add_user`, { query: { to_add_user_id: cid!.id } }),
      await owner!.delete(`${path}/remove_user`, { query: { to_remove_user_id: bob!.id } }),
      await owner!.put(`${path}/update`, { json: { is_private: false } }),
    ]) {
      expect(answer).toMatchObject({ status: 403 })
    }
    expect(await loadDms(bob!, owner!)).toEqual(['psst'])
  })

  test('and what is said is not in the database for all to read', async () => {
    await using server = await startServer()
    const [ann, bob] = await server.people('ann', 'bob')
    await sendDm(ann!, bob!, 'extraordinarily secret')
    expect(await dumpTables(server)).not.toContain('extraordinarily')
  })
})

test('whoever may not send messages may not send these either', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'bob')
  const { conversation_id } = await sendDm(bob!, owner!, 'hi')
  await runSql(server, `delete from user_role where user_id = '${bob!.id}'`)
  const again = await bob!.signIn()
  expect((await tryDm(again, owner!)).status).toBe(403)
  expect(
    await again.post(`/api/v1/channels/${conversation_id}/send_message`, { message: 'x' }),
  ).toMatchObject({
    status: 403,
  })
  expect(await again.post('/api/v1/dms/groups', { participants: ['owner'] })).toMatchObject({ status: 403 })
})
