import fc from 'fast-check'
import { expect, inject, test } from 'vitest'
import { MediaClient } from '#test/media-client.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { joinAudio, SignallingClient } from '#test/voice-client.ts'

/** What is forwarded does not depend on the database; each of these tests takes a second. */
const onSqlite = inject('database') === 'sqlite'

async function lounge(
  server: TestServer,
  ...names: string[]
): Promise<{ channel: string; people: Person[] }> {
  const people = await server.people('owner', ...names)
  return { channel: await people[0]!.createChannel('lounge', { type: 'voice' }), people }
}

/** Nobody is heard any more: what was on its way has arrived once packets of somebody else have. */
async function expectSilence(listener: MediaClient, voice: number, other: number): Promise<void> {
  await listener.hears(other, 3)
  const before = listener.countOf(voice)
  await listener.hears(other, 10)
  expect(listener.countOf(voice)).toBe(before)
}

test.runIf(onSqlite)(
  'people in a channel hear each other, whoever comes first, until they leave',
  async () => {
    await using server = await startServer()
    const { channel, people } = await lounge(server, 'ann', 'bob')
    const [owner, ann, bob] = people
    await using first = await MediaClient.join(ann!, channel, { voice: 1 })
    first.talk()
    await using second = await MediaClient.join(bob!, channel, { voice: 2 })
    second.talk()
    await Promise.all([first.hears(2), second.hears(1)])
    // A track is named after who sends it.
    expect(second.descriptions.at(-1)).toContain(`a=msid:pufferblow ${ann!.id}-mic`)
    const arrived = await first.signalling.next('participant_joined')
    expect(arrived.payload).toMatchObject({ user_id: bob!.id, username: 'bob', participant_count: 2 })
    const speaks = await second.signalling.next(
      'speaker_levels',
      ({ payload }) => payload.user_id === ann!.id,
    )
    expect(speaks.payload).toMatchObject({ is_speaking: true, is_muted: false, is_deafened: false })

    await using third = await MediaClient.join(owner!, channel, { voice: 3 })
    third.talk()
    await Promise.all([third.hears(1), third.hears(2), first.hears(3), second.hears(3)])
    expect(new Set(third.heard.map(({ mid }) => mid)).size).toBe(2)
    expect(new Set(third.heard.map(({ ssrc }) => ssrc)).size).toBe(2)

    const left = await bob!.post(`/api/v1/channels/${channel}/leave-audio`)
    expect(left.status).toBe(200)
    expect(await second.signalling.closed()).toMatchObject({ code: 1000 })
    const gone = await first.signalling.next('participant_left')
    expect(gone.payload).toEqual({ user_id: bob!.id, participant_count: 2 })
    await expectSilence(first, 2, 3)
    expect(first.heard.every(({ voice }) => voice !== 1)).toBe(true)
  },
)

test('whoever is muted, by a moderator or by themselves, falls silent for everybody at once', async () => {
  await using server = await startServer()
  const { channel, people } = await lounge(server, 'ann', 'bob')
  const [owner, ann, bob] = people
  await using moderator = await MediaClient.join(owner!, channel, { voice: 3 })
  await using talker = await MediaClient.join(ann!, channel, { voice: 1 })
  await using listener = await MediaClient.join(bob!, channel, { voice: 2 })
  for (const one of [moderator, talker, listener]) one.talk()
  await Promise.all([listener.hears(1), moderator.hears(1), talker.hears(2)])
  const { session_id } = talker.signalling.frames.find(({ type }) => type === 'joined')
  const moderate = (by: Person, who: Person, action: string) =>
    by.post(`/api/v2/voice/sessions/${session_id}/moderate`, { user_id: who.id, action })

  expect(await moderate(bob!, ann!, 'mute')).toMatchObject({ status: 403 })
  expect(await moderate(owner!, ann!, 'mute')).toMatchObject({ status: 200, body: { is_server_muted: true } })
  const told = await listener.signalling.next('speaker_levels', ({ payload }) => payload.is_muted)
  expect(told.payload).toMatchObject({ user_id: ann!.id, is_speaking: false })
  await Promise.all([expectSilence(listener, 1, 3), expectSilence(moderator, 1, 2)])
  // They cannot unmute themselves, not even by joining again.
  talker.signalling.send({ type: 'audio_state', audio_state: { is_muted: false } })
  const { body } = await bob!.get(`/api/v1/channels/${channel}/audio-status`)
  expect(body.participants).toContainEqual(
    expect.objectContaining({ user_id: ann!.id, is_muted: true, is_server_muted: true }),
  )
  await expectSilence(listener, 1, 3)
  await moderate(owner!, ann!, 'unmute')
  await listener.hears(1)

  talker.signalling.send({ type: 'audio_state', audio_state: { is_muted: true } })
  await listener.signalling.next('speaker_levels', ({ payload }) => payload.is_muted)
  await expectSilence(listener, 1, 3)
  const unmuted = await ann!.post(`/api/v2/voice/sessions/${session_id}/actions`, {
    action: 'mute_self',
    payload: { value: false },
  })
  expect(unmuted.body).toMatchObject({ is_muted: false })
  await listener.hears(1)

  // Deaf is who hears nobody; others still hear them.
  await moderate(owner!, bob!, 'deafen')
  await moderator.hears(1, 3)
  const before = listener.heard.length
  await Promise.all([moderator.hears(1, 10), moderator.hears(2, 10)])
  expect(listener.heard.length - before).toBeLessThanOrEqual(1)
  await moderate(owner!, bob!, 'undeafen')
  await listener.hears(1)
  // Numbers went on without gaps or repeats in each stream, mutes or not.
  for (const ssrc of new Set(listener.heard.map((one) => one.ssrc))) {
    const numbers = listener.heard.filter((one) => one.ssrc === ssrc).map(({ sequence }) => sequence)
    expect(new Set(numbers).size).toBe(numbers.length)
    expect(((numbers.at(-1)! - numbers[0]!) & 0xffff) + 1).toBe(numbers.length)
  }
})

test('losing access ends media at once: removal, end of the session, loss of the channel, kick', async () => {
  await using server = await startServer()
  const people = await server.people('owner', 'ann', 'bob', 'cid', 'dan')
  const [owner, ann, bob, cid, dan] = people as [Person, Person, Person, Person, Person]
  const channel = await owner.createChannel('lounge', {
    type: 'voice',
    private: true,
    members: [ann, bob, cid, dan],
  })
  await using listener = await MediaClient.join(owner, channel, { voice: 9 })
  const talkers: MediaClient[] = []
  await using cleanup = new AsyncDisposableStack()
  for (const [index, person] of [ann, bob, cid].entries()) {
    const client = cleanup.use(await MediaClient.join(person, channel, { voice: index + 1 }))
    client.talk()
    talkers.push(client)
  }
  await using steady = await MediaClient.join(dan, channel, { voice: 4 })
  steady.talk()
  await Promise.all([1, 2, 3, 4].map((voice) => listener.hears(voice)))
  const { session_id } = listener.signalling.frames.find(({ type }) => type === 'joined')

  await owner.removeMember(channel, ann)
  expect(await talkers[0]!.signalling.next('error')).toEqual({ type: 'error', error: 'access was lost' })
  await expectSilence(listener, 1, 4)
  await bob.post('/api/v1/auth/revoke', { refresh_token: bob.refreshToken })
  expect(await talkers[1]!.signalling.next('error')).toEqual({
    type: 'error',
    error: 'the session has ended',
  })
  await expectSilence(listener, 2, 4)
  await owner.post(`/api/v2/voice/sessions/${session_id}/moderate`, { user_id: cid.id, action: 'kick' })
  expect(await talkers[2]!.signalling.next('error')).toEqual({
    type: 'error',
    error: 'removed by a moderator',
  })
  await expectSilence(listener, 3, 4)
  await owner.delete(`/api/v1/channels/${channel}/delete`)
  expect(await steady.signalling.next('error')).toEqual({ type: 'error', error: 'the channel was deleted' })
  await steady.signalling.closed()
  await listener.signalling.closed()
})

test('a moderator moves somebody to another channel, if they may enter it', async () => {
  await using server = await startServer()
  const { channel, people } = await lounge(server, 'ann', 'bob')
  const [owner, ann, bob] = people
  const other = await owner!.createChannel('other', { type: 'voice' })
  const hidden = await owner!.createChannel('hidden', { type: 'voice', private: true })
  await using talker = await MediaClient.join(ann!, channel, { voice: 1 })
  await using there = await MediaClient.join(bob!, other, { voice: 2 })
  const { session_id } = talker.signalling.frames.find(({ type }) => type === 'joined')
  const move = (to: string) =>
    owner!.post(`/api/v2/voice/sessions/${session_id}/moderate`, {
      user_id: ann!.id,
      action: 'move',
      to_channel_id: to,
    })
  expect(await move(hidden)).toMatchObject({ status: 403 })
  expect(await move(other)).toMatchObject({ status: 200 })
  const moved = await talker.signalling.next('moved')
  server.secrets.add(moved.payload.join_token)
  expect(moved.payload.channel_id).toBe(other)
  expect(await talker.signalling.closed()).toMatchObject({ code: 1000 })
  const signalling = new SignallingClient(moved.payload.signaling_url, {
    join_token: moved.payload.join_token,
  })
  await signalling.next('joined')
  await using again = await MediaClient.on(ann!, signalling, { voice: 1 })
  again.talk()
  await there.hears(1)
})

test.runIf(onSqlite)('after the media server died, people talk again on the sockets they have', async () => {
  await using server = await startServer()
  const { channel, people } = await lounge(server, 'ann')
  const [owner, ann] = people
  await using first = await MediaClient.join(owner!, channel, { voice: 1 })
  await using second = await MediaClient.join(ann!, channel, { voice: 2 })
  first.talk()
  second.talk()
  await Promise.all([first.hears(2), second.hears(1)])
  const started = performance.now()
  // A command of a form that it cannot have makes the thread fail.
  void server.ctx.sfu.offer(
    server.ctx.voice.connected(first.signalling.frames[0].session_id)[0]!.peer!,
    7 as never,
  )
  await Promise.all([first.signalling.next('reset'), second.signalling.next('reset')])
  await using again1 = await MediaClient.on(owner!, first.detach(), { voice: 3 })
  await using again2 = await MediaClient.on(ann!, second.detach(), { voice: 4 })
  again1.talk()
  again2.talk()
  await Promise.all([again1.hears(4), again2.hears(3)])
  expect(performance.now() - started).toBeLessThan(10_000)
})

test.runIf(onSqlite)('a lost socket is taken up again, and media does not stop meanwhile', async () => {
  await using server = await startServer()
  const { channel, people } = await lounge(server, 'ann', 'bob')
  const [owner, ann, bob] = people
  await using listener = await MediaClient.join(owner!, channel, { voice: 1 })
  await using talker = await MediaClient.join(ann!, channel, { voice: 2 })
  talker.talk()
  listener.talk()
  await Promise.all([listener.hears(2), talker.hears(1)])
  const { resume_token, session_id } = talker.signalling.frames.find(({ type }) => type === 'joined')
  const { url } = talker.signalling.socket
  talker.signalling.socket.terminate()
  await talker.signalling.closed()
  await Promise.all([listener.hears(2), talker.hears(1)])
  // What happens meanwhile is told afterwards: somebody new speaks.
  await using third = await MediaClient.join(bob!, channel, { voice: 3 })
  third.talk()
  await listener.hears(3)
  const signalling = new SignallingClient(url.split('?')[0]!, { resume_token })
  talker.switchTo(signalling)
  const joined = await signalling.next('joined')
  server.secrets.add(joined.resume_token)
  expect(joined).toMatchObject({ resumed: true, session_id })
  expect(joined.participants).toHaveLength(3)
  await talker.hears(3)
  const numbers = listener.heard.filter(({ voice }) => voice === 2).map(({ sequence }) => sequence)
  expect(((numbers.at(-1)! - numbers[0]!) & 0xffff) + 1, 'no packet was lost').toBe(numbers.length)
  using thief = new SignallingClient(url.split('?')[0]!, { resume_token })
  expect(await thief.next('error')).toEqual({ type: 'error', error: 'invalid resume token' })
})

test.runIf(onSqlite)('of many the loudest are heard, in as many places as the client asked for', async () => {
  await using server = await startServer({ env: { VOICE_AUDIBLE_PARTICIPANTS: '1' } })
  const { channel, people } = await lounge(server, 'ann', 'bob')
  const [owner, ann, bob] = people
  await using listener = await MediaClient.join(owner!, channel, { voice: 9, slots: 2 })
  await using loud = await MediaClient.join(ann!, channel, { voice: 1, loudness: 100 })
  await using quiet = await MediaClient.join(bob!, channel, { voice: 2, loudness: 75 })
  loud.talk()
  await listener.hears(1)
  quiet.talk()
  await expectSilence(listener, 2, 1)
  const descriptions = listener.descriptions.length
  loud.loudness = 20
  await listener.hears(2)
  await expectSilence(listener, 1, 2)
  loud.loudness = 120
  await listener.hears(1)
  // Whoever is heard, nothing had to be agreed on again, and each place counts on without a gap.
  expect(listener.descriptions.length).toBe(descriptions)
  for (const ssrc of new Set(listener.heard.map((one) => one.ssrc))) {
    const numbers = listener.heard.filter((one) => one.ssrc === ssrc).map(({ sequence }) => sequence)
    expect(((numbers.at(-1)! - numbers[0]!) & 0xffff) + 1).toBe(numbers.length)
  }
  const { payload } = listener.signalling.frames.findLast(({ type }) => type === 'slots')
  expect(payload.slots).toHaveLength(2)
  expect(payload.slots.map(({ user_id }: { user_id: string }) => user_id)).toContain(ann!.id)
})

test.runIf(onSqlite)('an offer in the request is answered in the answer, and is all it takes', async () => {
  await using server = await startServer()
  const { channel, people } = await lounge(server, 'ann')
  const [owner, ann] = people
  await using talker = await MediaClient.join(owner!, channel, { voice: 1 })
  talker.talk()
  const { default: ndc } = await import('node-datachannel')
  const connection = new ndc.PeerConnection('ann', {
    iceServers: [],
    bindAddress: '127.0.0.1',
    disableAutoNegotiation: true,
  })
  const audio = new ndc.Audio('0', 'SendRecv')
  audio.addOpusCodec(111)
  audio.addSSRC(7, 'cname', 'stream', 'mic')
  const track = connection.addTrack(audio)
  const heard = new Promise<Buffer>((resolve) => track.onMessage((packet) => resolve(packet)))
  const offer = new Promise<string>((resolve) => connection.onLocalDescription((sdp) => resolve(sdp)))
  connection.setLocalDescription('offer')
  const wrong = await ann!.post(`/api/v1/channels/${channel}/join-audio`, { sdp: 'nonsense' })
  expect(wrong).toMatchObject({ status: 400, body: { detail: expect.stringContaining('offer') } })
  const { body } = await ann!.post(`/api/v1/channels/${channel}/join-audio`, { sdp: await offer })
  server.secrets.add(body.webrtc_config.join_token)
  connection.setRemoteDescription(body.sdp_answer.sdp, 'answer')
  expect((await heard)[12]).toBe(1)
  connection.close()
})

test('frames that make no sense are answered with an error, and the socket goes on', async () => {
  await using server = await startServer()
  const { channel, people } = await lounge(server)
  using client = await SignallingClient.join(people[0]!, channel)
  const wrong = [
    ['nonsense', 'a frame must be a JSON object'],
    [{ type: 'dance' }, 'unsupported message type: dance'],
    [{ type: 'offer', offer: 5 }, 'offer must be {type, sdp}'],
    [{ type: 'offer', offer: { type: 'offer', sdp: 'v=1' } }, 'this is not a session description'],
    [{ type: 'answer', answer: { type: 'answer', sdp: 'v=0' } }, 'there is no offer to answer'],
    [{ type: 'audio_state', audio_state: null }, 'audio_state must be an object'],
  ] as const
  for (const [frame, error] of wrong) {
    client.send(frame)
    expect(await client.next('error')).toEqual({ type: 'error', error })
  }
  client.send({ type: 'candidate', candidate: { candidate: '', sdpMid: '0' } })
  client.send({ type: 'ping' })
  expect(await client.next('pong')).toHaveProperty('session_id')
  client.send({ type: 'join' })
  expect(await client.next('joined')).toMatchObject({ user_id: people[0]!.id })
  const { signaling_url, join_token } = await joinAudio(people[0]!, channel)
  using second = new SignallingClient(signaling_url, { join_token })
  expect(await second.next('error')).toEqual({ type: 'error', error: 'already connected in this session' })
})

test('a right that is denied, a timeout and a ban act on running media', async () => {
  await using server = await startServer()
  const { channel, people } = await lounge(server, 'ann', 'bob', 'cid')
  const [owner, ann, bob, cid] = people as [Person, Person, Person, Person]
  await using listener = await MediaClient.join(owner, channel, { voice: 9 })
  await using first = await MediaClient.join(ann, channel, { voice: 1 })
  await using second = await MediaClient.join(bob, channel, { voice: 2 })
  await using steady = await MediaClient.join(cid, channel, { voice: 3 })
  for (const one of [first, second, steady]) one.talk()
  await Promise.all([1, 2, 3].map((voice) => listener.hears(voice)))

  const override = `/api/v1/channels/${channel}/overrides/member/${ann.id}`
  await owner.put(override, { json: { deny: ['speak'] } })
  const muted = await listener.signalling.next('speaker_levels', ({ payload }) => payload.is_muted)
  expect(muted.payload.user_id).toBe(ann.id)
  await expectSilence(listener, 1, 3)
  first.signalling.send({ type: 'audio_state', audio_state: { is_muted: false } })
  await expectSilence(listener, 1, 3)
  await owner.delete(override)
  await listener.hears(1)

  await owner.post(`/api/v1/moderation/users/${ann.id}/timeout`, { duration_minutes: 5 })
  expect(await first.signalling.next('error')).toEqual({ type: 'error', error: 'access was lost' })
  await expectSilence(listener, 1, 3)
  const again = await ann.post(`/api/v1/channels/${channel}/join-audio`)
  expect(again).toMatchObject({ status: 403, body: { detail: expect.stringContaining('timed out until') } })

  await owner.post(`/api/v1/moderation/users/${bob.id}/ban`, { reason: 'noise' })
  await second.signalling.next('error')
  await second.signalling.closed()
  await expectSilence(listener, 2, 3)
})

test.runIf(onSqlite)('no frame of a client makes anything fail', async () => {
  await using server = await startServer()
  const { channel, people } = await lounge(server)
  using client = await SignallingClient.join(people[0]!, channel)
  const type = fc.constantFrom('join', 'offer', 'answer', 'candidate', 'audio_state', 'ping', 'x', 5, null)
  const sdp = fc.record({
    type: fc.constant('offer'),
    sdp: fc.oneof(fc.string(), fc.constant('v=0\r\nm=audio 9 x 1'), fc.jsonValue()),
  })
  const frame = fc.record({
    type,
    offer: fc.oneof(sdp, fc.jsonValue()),
    answer: fc.oneof(sdp, fc.jsonValue()),
    audio_state: fc.oneof(fc.record({ is_muted: fc.jsonValue(), is_speaking: fc.boolean() }), fc.jsonValue()),
    candidate: fc.jsonValue(),
  })
  for (const one of fc.sample(fc.oneof(frame, fc.jsonValue()), 150))
    client.send(JSON.stringify(one) ?? 'null')
  client.send({ type: 'leave' })
  expect(await client.closed()).toMatchObject({ code: 1000 })
  expect(server.logLines.filter((line) => /"level":(50|60)/.test(line))).toEqual([])
})
