import { expect, test } from 'vitest'
import { conversationsOf, createGroup, loadDms, sendDm, tryDm } from '#test/direct.ts'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'

const block = async (person: Person, peer: Person): Promise<void> => {
  expect(await person.post('/api/v1/dms/block', { peer: peer.name })).toMatchObject({ status: 200 })
}

test('a block stops messages both ways, by every route, and does not show', async () => {
  await using server = await startServer()
  const [ann, bob, cid, dan] = await server.people('ann', 'bob', 'cid', 'dan')
  const { conversation_id } = await sendDm(ann!, bob!, 'before')
  await dan!.put('/api/v1/dms/settings', { json: { accept_from: 'nobody' } })
  await block(bob!, ann!)
  await block(bob!, ann!)
  const refused = await tryDm(ann!, bob!)
  expect(refused.status).toBe(403)
  // The same as from somebody who takes no messages at all.
  expect(refused.body).toEqual((await tryDm(ann!, dan!)).body)
  expect((await tryDm(bob!, ann!)).status).toBe(403)
  for (const person of [ann!, bob!]) {
    const path = `/api/v1/channels/${conversation_id}/send_message`
    expect(await person.post(path, { message: 'x' })).toMatchObject({ status: 403 })
    // What was said stays.
    expect(await person.load(conversation_id)).toEqual(['before'])
  }
  expect(await ann!.post('/api/v1/dms/groups', { participants: ['bob', 'cid'] })).toMatchObject({
    status: 403,
  })
  const group = await createGroup(ann!, '', cid!)
  const path = `/api/v1/dms/groups/${group}/participants`
  expect(await ann!.post(path, { participants: ['bob'] })).toMatchObject({ status: 403 })
  expect(await ann!.get('/api/v1/dms/blocked')).toMatchObject({ body: { blocked: [] } })
  expect(await bob!.get('/api/v1/dms/blocked')).toMatchObject({
    body: { blocked: [{ user_id: ann!.id, username: 'ann' }] },
  })

  expect(await bob!.post('/api/v1/dms/unblock', { peer: ann!.id })).toMatchObject({ status: 200 })
  expect(await bob!.post('/api/v1/dms/unblock', { peer: ann!.id })).toMatchObject({ status: 404 })
  await sendDm(ann!, bob!, 'again')
  expect(await loadDms(bob!, ann!)).toEqual(['before', 'again'])
})

test('a block declines what the person asked, and holds when it is taken back', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  await bob!.put('/api/v1/dms/settings', { json: { accept_from: 'contacts' } })
  await sendDm(ann!, bob!, 'hello?')
  await block(bob!, ann!)
  expect((await bob!.get('/api/v1/dms/requests')).body.requests).toEqual([])
  await bob!.post('/api/v1/dms/unblock', { peer: 'ann' })
  await sendDm(ann!, bob!, 'hello??')
  expect((await bob!.get('/api/v1/dms/requests')).body.requests).toEqual([])
  await sendDm(bob!, ann!, 'all right')
  expect(await conversationsOf(bob!)).toMatchObject([{ last_message: { message: 'all right' } }])
})

test('nobody blocks themselves or nobody, and a third person is not concerned', async () => {
  await using server = await startServer()
  const [ann, bob, cid] = await server.people('ann', 'bob', 'cid')
  expect(await ann!.post('/api/v1/dms/block', { peer: 'ann' })).toMatchObject({ status: 400 })
  expect(await ann!.post('/api/v1/dms/block', { peer: 'nobody' })).toMatchObject({ status: 400 })
  expect(await ann!.post('/api/v1/dms/block', {})).toMatchObject({ status: 422 })
  await block(ann!, bob!)
  await sendDm(cid!, ann!, 'hi')
  await sendDm(cid!, bob!, 'hi')
})
