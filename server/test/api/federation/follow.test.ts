import { expect, test } from 'vitest'
import { federatedPerson, startFederated } from '#test/federated.ts'
import { keyPair } from '#test/key-pairs.ts'
import { FakePeer } from '#test/peer.ts'
import type { Person } from '#test/person.ts'
import { readClaim } from '#test/signed.ts'

function follow(person: Person, remote_handle: string) {
  return person.post('/api/v1/federation/follow', { remote_handle })
}

/** Asks until it is so: the other server needs a moment to answer. */
async function until<T>(ask: () => Promise<T>, condition: (value: T) => boolean): Promise<T> {
  for (let count = 0; ; count++) {
    const value = await ask()
    if (condition(value)) return value
    if (count > 200) throw new Error(`it did not come to that: ${JSON.stringify(value)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const followsOf = async (person: Person) => (await person.get('/api/v1/federation/follows')).body

test('a Follow from one server to another is accepted, and both know; an Undo ends it on both', async () => {
  await using a = await startFederated()
  await using b = await startFederated({ env: { HOST: '127.0.0.2' } })
  const [ann, bob] = [await federatedPerson(a, 'ann'), await federatedPerson(b, 'bob')]
  const handle = `bob@${new URL(b.url).host}`
  const actor = `${b.url}/ap/users/${bob.id}`
  const { status, body } = await follow(ann, handle)
  expect(status).toBe(200)
  expect(body).toEqual({
    status_code: 200,
    message: 'Follow activity delivered',
    result: {
      activity_id: expect.stringMatching(`^${a.url}/ap/activities/`),
      target_actor: actor,
      delivery_target: `${actor}/inbox`,
    },
  })
  const { following } = await until(
    () => followsOf(ann),
    (list) => list.following[0]?.state === 'accepted',
  )
  expect(following).toMatchObject([{ actor, handle, username: 'bob', state: 'accepted' }])
  expect((await followsOf(bob)).followers).toMatchObject([
    { actor: `${a.url}/ap/users/${ann.id}`, username: 'ann', state: 'accepted' },
  ])
  const count = async (url: string): Promise<number> =>
    ((await (await fetch(url)).json()) as { totalItems: number }).totalItems
  expect(await count(`${actor}/followers`)).toBe(1)
  expect(await count(`${a.url}/ap/users/${ann.id}/following`)).toBe(1)

  expect((await ann.post('/api/v1/federation/unfollow', { remote_handle: handle })).status).toBe(200)
  await until(
    () => followsOf(bob),
    (list) => list.followers.length === 0,
  )
  expect(await followsOf(ann)).toMatchObject({ following: [], followers: [] })
  expect((await ann.post('/api/v1/federation/unfollow', { remote_handle: handle })).status).toBe(404)
})

test('what goes out is signed by the person, and says no more than it must', async () => {
  await using server = await startFederated()
  await using peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const { id } = peer.person('bob')
  expect((await follow(ann, id)).status).toBe(200)
  const [request] = peer.requests.filter(({ method }) => method === 'POST')
  const actor = `${server.url}/ap/users/${ann.id}`
  expect(request!.path).toBe('/users/bob/inbox')
  expect(request!.headers).toMatchObject({ 'content-type': 'application/activity+json', host: peer.host })
  const claim = readClaim(request!, peer.origin)
  expect(claim.keyId).toBe(`${actor}#main-key`)
  expect(claim.covered).toEqual(['(request-target)', 'host', 'date', 'digest'])
  expect(claim.verify(keyPair('ours').publicKey)).toBe(true)
  const [activity] = peer.inbox('/users/bob/inbox')
  expect(activity).toEqual({
    '@context': 'https://www.w3.org/ns/activitystreams',
    id: expect.stringMatching(`^${server.url}/ap/activities/`),
    type: 'Follow',
    actor,
    object: id,
    to: [id],
  })
})

test('only the followed can answer, for the very Follow that was sent', async () => {
  await using server = await startFederated()
  await using peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const bob = peer.person('bob')
  const eve = peer.person('eve')
  const { body } = await follow(ann, bob.id)
  const followId: string = body.result.activity_id
  const state = async (): Promise<string> => (await followsOf(ann)).following[0]?.state
  const say = async (actor: string, type: string, object: unknown): Promise<string> => {
    const answer = await peer.deliver(server, '/ap/inbox', peer.activity(actor, { type, object }))
    expect(answer.status).toBe(202)
    return answer.body.result.action
  }
  const embedded = { id: followId, type: 'Follow', actor: `${server.url}/ap/users/${ann.id}`, object: bob.id }
  expect(await say(eve.id, 'Accept', followId)).toBe('ignored')
  expect(await say(eve.id, 'Accept', embedded)).toBe('ignored')
  expect(await say(bob.id, 'Accept', `${followId}x`)).toBe('ignored')
  expect(await say(bob.id, 'Accept', { type: 'Follow' })).toBe('ignored')
  expect(await state()).toBe('pending')
  expect(await say(bob.id, 'Accept', followId)).toBe('follow_marked_accepted')
  expect(await state()).toBe('accepted')
  expect(await say(eve.id, 'Reject', followId)).toBe('ignored')
  expect(await say(bob.id, 'Reject', embedded)).toBe('follow_marked_rejected')
  expect(await state()).toBe('rejected')
})

test('a Follow from elsewhere is answered to the personal inbox; only the follower can undo it', async () => {
  await using server = await startFederated()
  await using peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const bob = peer.person('bob')
  const eve = peer.person('eve')
  const actor = `${server.url}/ap/users/${ann.id}`
  const followActivity = peer.activity(bob.id, { type: 'Follow', object: actor, extra: '<script>' })
  const answer = await peer.deliver(server, `/ap/users/${ann.id}/inbox`, followActivity)
  expect(answer.status).toBe(202)
  expect(answer.body).toEqual({
    status_code: 202,
    message: 'Activity accepted',
    result: { processed: true, activity_type: 'Follow', action: 'accepted' },
  })
  await peer.until(() => peer.inbox('/users/bob/inbox').length === 1)
  expect(peer.inbox('/users/bob/inbox')[0]).toMatchObject({
    type: 'Accept',
    actor,
    object: { id: followActivity['id'], type: 'Follow', actor: bob.id, object: actor },
  })
  expect(JSON.stringify(peer.inbox('/users/bob/inbox'))).not.toContain('script')

  const undo = (by: string, object: unknown) =>
    peer.deliver(server, '/ap/inbox', peer.activity(by, { type: 'Undo', object }))
  expect((await undo(eve.id, followActivity)).body.result.action).toBe('ignored')
  expect((await undo(eve.id, followActivity['id'])).body.result.action).toBe('ignored')
  expect((await followsOf(ann)).followers).toHaveLength(1)
  expect((await undo(bob.id, followActivity['id'])).body.result.action).toBe('follow_undone')
  expect((await followsOf(ann)).followers).toHaveLength(0)
  // Software that sends the whole Follow, with another id.
  await peer.deliver(server, '/ap/inbox', peer.activity(bob.id, { type: 'Follow', object: actor }))
  const other = { type: 'Follow', id: `${peer.origin}/other`, actor: bob.id, object: actor }
  expect((await undo(bob.id, other)).body.result.action).toBe('follow_undone')
  expect((await followsOf(ann)).followers).toHaveLength(0)
})

test('whatever keeps a Follow from being delivered is 400, and leaves nothing behind', async () => {
  await using server = await startFederated()
  await using peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const bob = peer.person('bob')
  for (const handle of [
    'bob',
    `ann@${new URL(server.url).host}`,
    `nobody@${peer.host}`,
    `bob@169.254.169.254`,
  ]) {
    expect([handle, (await follow(ann, handle)).status]).toEqual([handle, 400])
  }
  peer.misbehave = ({ method }, response) => method === 'POST' && Boolean(response.writeHead(403).end())
  const { status, body } = await follow(ann, bob.id)
  expect([status, body.detail]).toEqual([400, 'The other server refused it: the peer answered 403'])
  await ann.put('/api/v1/federation/identity', { json: { enabled: false } })
  expect((await follow(ann, bob.id)).status).toBe(400)
  expect((await followsOf(ann)).following).toEqual([])
  expect((await ann.post('/api/v1/federation/follow', {})).status).toBe(422)
})

test('somebody elsewhere who blocks is not followed any more, until they undo it', async () => {
  await using server = await startFederated()
  await using peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const bob = peer.person('bob')
  const eve = peer.person('eve')
  const actor = `${server.url}/ap/users/${ann.id}`
  await follow(ann, bob.id)
  const block = peer.activity(bob.id, { type: 'Block', object: actor })
  expect((await peer.deliver(server, '/ap/inbox', block)).body.result.action).toBe('blocked')
  expect((await followsOf(ann)).following).toEqual([])
  expect((await follow(ann, bob.id)).status).toBe(400)
  const undo = (by: string) =>
    peer.deliver(server, '/ap/inbox', peer.activity(by, { type: 'Undo', object: block }))
  expect((await undo(eve.id)).body.result.action).toBe('ignored')
  expect((await follow(ann, bob.id)).status).toBe(400)
  expect((await undo(bob.id)).body.result.action).toBe('block_undone')
  expect((await follow(ann, bob.id)).status).toBe(200)
})

test('followers go with an account that moves, if the new one says it is the same person', async () => {
  await using server = await startFederated()
  await using peer = await FakePeer.start()
  await using other = await FakePeer.start('127.0.0.4')
  const ann = await federatedPerson(server, 'ann')
  const bob = peer.person('bob')
  const thief = other.person('thief')
  const moved = other.person('bob', { alsoKnownAs: [bob.id] })
  await follow(ann, bob.id)
  const move = (target: string) =>
    peer.deliver(server, '/ap/inbox', peer.activity(bob.id, { type: 'Move', object: bob.id, target }))
  expect((await move(thief.id)).body.result.action).toBe('move_noted')
  await other.until(() => other.log.includes('GET /users/thief'))
  expect((await followsOf(ann)).following).toMatchObject([{ actor: bob.id }])

  await move(moved.id)
  await other.until(() => other.inbox('/users/bob/inbox').length === 1)
  await peer.until(() => peer.inbox('/users/bob/inbox').length === 2)
  expect(other.inbox('/users/bob/inbox')[0]).toMatchObject({ type: 'Follow', object: moved.id })
  expect(peer.inbox('/users/bob/inbox')[1]).toMatchObject({ type: 'Undo', object: { object: bob.id } })
  expect((await followsOf(ann)).following).toMatchObject([{ actor: moved.id }])
  expect(other.inbox('/users/thief/inbox')).toEqual([])
})
