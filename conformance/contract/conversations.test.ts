import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { call, expectError, expectSuccess } from '../support/api.ts'
import { Person } from '../support/people.ts'
import { Socket } from '../support/socket.ts'

describe('direct messages', () => {
  test('go to a person by id or name, are read by both, and by nobody else', async () => {
    const [ann, bob, eve] = [
      await Person.signUp('ann'),
      await Person.signUp('bob'),
      await Person.signUp('eve'),
    ]
    using socket = await Socket.open(`/ws?auth_token=${bob.token}`)
    const send = (peer: string, message: string) =>
      ann.call('POST', '/api/v1/dms/send', { placement: 'body', json: { peer, message } })
    const first = await send(bob.id, 'by id')
    expectSuccess(first, 201)
    expect(first.body.message).toBe('Direct message sent')
    const { conversation_id: conversation, delivered_local: local } = first.body.result
    expect([conversation, local]).toEqual([expect.stringMatching(/^dm-[0-9a-f]{32}$/), true])
    expectSuccess(await send(bob.username, 'by name'), 201)
    const frame = await socket.next(({ message }) => message === 'by id')
    expect(frame).toMatchObject({ type: 'message', conversation_id: conversation, sender_user_id: ann.id })
    const read = async (person: Person, peer: string): Promise<string[]> => {
      const answer = await person.call('GET', '/api/v1/dms/messages', { placement: 'query', query: { peer } })
      expectSuccess(answer, 200)
      return answer.body.messages.map(({ message }: { message: string }) => message)
    }
    expect(await read(bob, ann.id)).toEqual(['by id', 'by name'])
    expect(await read(ann, bob.id)).toEqual(['by id', 'by name'])
    expect(await read(eve, ann.id)).toEqual([])
    const { body } = await eve.call('POST', '/api/v1/channels/list/')
    expect(JSON.stringify(body)).not.toContain(conversation)
    expectError(await send('nobody-of-this-name', 'hello'), 400, 404)
    expectError(await send(bob.id, '   '), 400, 422)
  })
})

describe('federation', () => {
  test('people are found by WebFinger and read as actors', async () => {
    const ann = await Person.signUp('ann')
    const profile = await ann.call('POST', '/api/v1/users/profile')
    const host = (profile.body.user_data.origin_server as string).replace(/:\d+$/, '')
    const found = await Promise.all(
      [profile.body.user_data.origin_server as string, host].map((domain) =>
        call('GET', '/.well-known/webfinger', { query: { resource: `acct:${ann.username}@${domain}` } }),
      ),
    )
    const answer = found.find(({ status }) => status === 200)!
    expect(answer.headers.get('content-type')).toMatch(/^application\/jrd\+json/)
    const link = answer.body.links.find(({ rel }: { rel: string }) => rel === 'self')
    expect(link).toMatchObject({ type: 'application/activity+json', href: expect.stringContaining(ann.id) })
    const actor = await call('GET', `/ap/users/${ann.id}`)
    expect(actor.status).toBe(200)
    expect(actor.headers.get('content-type')).toMatch(/^application\/activity\+json/)
    expect(actor.body).toMatchObject({
      id: link.href,
      type: 'Person',
      preferredUsername: ann.username,
      inbox: expect.stringMatching(/\/inbox$/),
      outbox: expect.stringMatching(/\/outbox$/),
      publicKey: { owner: link.href, publicKeyPem: expect.stringContaining('PUBLIC KEY') },
      endpoints: { sharedInbox: expect.stringMatching(/\/ap\/inbox$/) },
    })
    const outbox = await call('GET', `/ap/users/${ann.id}/outbox`)
    expect([outbox.status, outbox.body.type]).toEqual([200, expect.stringMatching(/^OrderedCollection/)])
    const nobody = await call('GET', `/ap/users/${crypto.randomUUID()}`)
    expect(nobody.status).toBe(404)
  })

  test('inboxes want a signature', async () => {
    const ann = await Person.signUp('ann')
    for (const path of [`/ap/users/${ann.id}/inbox`, '/ap/inbox']) {
      const answer = await call('POST', path, {
        json: {
          '@context': 'https://www.w3.org/ns/activitystreams',
          type: 'Follow',
          id: 'https://a.example/1',
          actor: 'https://a.example/u',
          object: ann.id,
        },
        headers: { 'content-type': 'application/activity+json' },
      })
      expect([400, 401, 403, 421]).toContain(answer.status)
    }
  })

  test('following somebody who cannot be found is refused', async () => {
    const ann = await Person.signUp('ann')
    const json = { remote_handle: 'nobody@invalid.invalid' }
    expectError(await ann.call('POST', '/api/v1/federation/follow', { placement: 'body', json }), 400, 404)
  })
})

describe('node-bound sign-in', () => {
  test('a signed challenge opens a session that can be looked at and revoked', async () => {
    const ann = await Person.signUp('ann')
    const challenge = await ann.call('POST', '/api/v1/auth/decentralized/challenge', {
      placement: 'body',
      json: { node_id: 'node-1' },
    })
    expectSuccess(challenge, 200)
    const { challenge_id: id, challenge_nonce: nonce } = challenge.body
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const verify = (signature: string) =>
      call('POST', '/api/v1/auth/decentralized/verify', {
        token: ann.token,
        placement: 'body',
        json: {
          challenge_id: id,
          node_public_key: publicKey.export({ format: 'pem', type: 'spki' }),
          challenge_signature: signature,
          shared_secret: createHash('sha256').update(nonce).digest('hex'),
        },
      })
    const answer = await verify(sign(null, Buffer.from(nonce as string), privateKey).toString('base64'))
    expectSuccess(answer, 200)
    expect(answer.body).toMatchObject({
      node_id: 'node-1',
      session_id: expect.any(String),
      scopes: expect.any(Array),
    })
    const introspect = () =>
      call('POST', '/api/v1/auth/decentralized/introspect', {
        json: { session_token: answer.body.session_token },
      })
    const active = await introspect()
    expectSuccess(active, 200)
    expect(active.body).toMatchObject({ active: true, user_id: ann.id, node_id: 'node-1' })
    const revoked = await ann.call('POST', '/api/v1/auth/decentralized/revoke', {
      placement: 'body',
      json: { session_id: answer.body.session_id },
    })
    expectSuccess(revoked, 200)
    expectError(await introspect(), 401)
    expectError(await verify('00'), 401, 409)
  })
})

describe('voice', () => {
  test('a voice channel is joined and left', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const channel = await owner.createChannel({ type: 'voice' })
    const joined = await member.call('POST', `/api/v1/channels/${channel}/join-audio`, { placement: 'query' })
    expectSuccess(joined, 200)
    expect(joined.body).toMatchObject({
      channel_id: channel,
      user_id: member.id,
      webrtc_config: {
        session_id: expect.any(String),
        signaling_url: expect.stringMatching(/^wss?:/),
        join_token: expect.any(String),
        ice_servers: expect.any(Array),
        quality_profile: expect.stringMatching(/^(low|balanced|high)$/),
      },
    })
    const status = await owner.call('GET', `/api/v1/channels/${channel}/audio-status`, { placement: 'query' })
    expectSuccess(status, 200)
    expect(status.body).toMatchObject({
      participant_count: 1,
      participants: [{ user_id: member.id, is_connected: true }],
    })
    const left = await member.call('POST', `/api/v1/channels/${channel}/leave-audio`, { placement: 'query' })
    expectSuccess(left, 200)
    expect(left.body.participant_count).toBe(0)
    expectError(await member.call('POST', `/api/v1/channels/${channel}/leave-audio`), 400)
    const text = await owner.createChannel()
    expectError(await member.call('POST', `/api/v1/channels/${text}/join-audio`), 400)
  })
})
