import { Accept, Create, Delete, Follow, Note, Tombstone, Undo, Update } from '@fedify/vocab'
import { expect, test } from 'vitest'
import { sendDm } from '#test/direct.ts'
import { federatedPerson, startFederated } from '#test/federated.ts'
import { FedifyPeer } from '#test/fedify-peer.ts'

/*
 * The library Fedify at the other end. How it signs first decides how we sign in return: the usual way, unless the peer
 * has shown that it can do better.
 */
test.each([
  ['draft-cavage-http-signatures-12', 'draft-cavage', '127.0.0.11'],
  ['rfc9421', 'rfc9421', '127.0.0.12'],
] as const)(
  'people of a server on Fedify are found, followed and written to, and do the same: %s',
  async (knock, scheme, address) => {
    await using server = await startFederated()
    await using peer = await FedifyPeer.start(knock, address)
    const ann = await federatedPerson(server, 'ann')
    const me = `${server.url}/ap/users/${ann.id}`
    const bob = peer.actor('bob')
    using socket = await ann.connect()

    // WebFinger and actor, both ways.
    const { self, person } = await peer.look(me)
    expect([self, person.preferredUsername, person.inboxId?.href]).toEqual([me, 'ann', `${me}/inbox`])
    const { body } = await ann.get('/api/v1/federation/lookup', { query: { handle: `bob@${peer.host}` } })
    expect(body.person).toMatchObject({ actor: bob, display_name: 'bob of Fedify', origin_server: peer.host })

    // A message to us, with the signature under test; and one in return.
    const noteId = await peer.write('bob', me, '<p>Hello <b>Ann</b></p>')
    const frame = await socket.next('message')
    expect(frame).toMatchObject({ message: 'Hello Ann', username: `bob@${peer.host}`, federated: true })
    const sent = await sendDm(ann, bob, 'Hello Bob & all')
    const created = await peer.until(({ activity }) => activity instanceof Create)
    expect(created.signature).toBe(scheme)
    expect(created.activity.actorId?.href).toBe(me)
    expect(created.activity.toIds.map(({ href }) => href)).toEqual([bob])
    expect(created.object).toBeInstanceOf(Note)
    expect(created.object).toMatchObject({ id: new URL(`${server.url}/ap/objects/${sent.message_id}`) })
    expect(String(created.object?.content)).toContain('Hello Bob &amp; all')

    // In other words, both ways.
    await peer.edit('bob', me, noteId, '<p>Good morning</p>')
    expect(await socket.next('message_edited')).toMatchObject({
      message_id: frame.message_id,
      message: 'Good morning',
    })
    const place = `/api/v1/channels/${sent.conversation_id}/messages/${sent.message_id}`
    expect((await ann.put(place, { json: { message: 'Good morning, Bob' } })).status).toBe(200)
    const updated = await peer.until(({ activity }) => activity instanceof Update)
    expect([updated.signature, updated.object?.id]).toEqual([scheme, created.object?.id])
    expect(String(updated.object?.content)).toContain('Good morning, Bob')
    expect(updated.object?.updated).not.toBeNull()

    // Deleted there, deleted here; and the other way round.
    await peer.delete('bob', me, noteId)
    expect(await socket.next('message_deleted')).toMatchObject({ message_id: frame.message_id })
    await ann.delete(`/api/v1/channels/${sent.conversation_id}/delete_message`, {
      query: { message_id: sent.message_id },
    })
    const deleted = await peer.until(({ activity }) => activity instanceof Delete)
    expect(deleted.object).toBeInstanceOf(Tombstone)
    expect(deleted.object?.id).toEqual(created.object?.id)

    // Follow and Accept, both ways, and the end of it.
    const handle = { remote_handle: `bob@${peer.host}` }
    const followed = await ann.post('/api/v1/federation/follow', handle)
    expect(followed.status, JSON.stringify(followed.body)).toBe(200)
    await peer.until(({ activity }) => activity instanceof Follow)
    const followId = await peer.follow('bob', me)
    const accepted = await peer.until(({ activity }) => activity instanceof Accept)
    expect(accepted.activity.objectId?.href).toBe(followId)
    const followsNow = async () => (await ann.get('/api/v1/federation/follows')).body
    await expect.poll(followsNow).toMatchObject({
      following: [{ actor: bob, state: 'accepted' }],
      followers: [{ actor: bob }],
    })
    await peer.unfollow('bob', me, followId)
    expect((await followsNow()).followers).toEqual([])
    expect((await ann.post('/api/v1/federation/unfollow', handle)).status).toBe(200)
    const undone = await peer.until(({ activity }) => activity instanceof Undo)
    expect(undone.activity.actorId?.href).toBe(me)
  },
)
