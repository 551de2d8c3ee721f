import { expect, test, vi } from 'vitest'
import { setRoles } from '#test/roles.ts'
import { startServer } from '#test/server.ts'
import { joinAudio, SignallingClient } from '#test/voice-client.ts'

test('somebody who joins counts at once and gets what it takes to connect', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('lounge', { type: 'voice' })
  const { status, body } = await ann!.post(`/api/v1/channels/${channel}/join-audio`, undefined)
  expect(status).toBe(200)
  server.secrets.add(body.webrtc_config.join_token)
  expect(body).toMatchObject({ channel_id: channel, user_id: ann!.id, participants: 1, participant_count: 1 })
  expect(body).toMatchObject({ token: null, room_name: null, proxy: null, error: null })
  expect(body.webrtc_config).toMatchObject({
    backend: 'sfu_v2',
    signaling_url: `${server.url.replace('http', 'ws')}/rtc/v1/ws`,
    ice_servers: [],
    ice_servers_raw: [],
    quality_profile: 'balanced',
  })
  const claims = JSON.parse(Buffer.from(body.webrtc_config.join_token.split('.')[1], 'base64url').toString())
  expect(claims).toMatchObject({
    sub: ann!.id,
    username: 'ann',
    channel_id: channel,
    session_id: body.webrtc_config.session_id,
    scope: 'recv send_audio',
  })
  expect(claims.exp - claims.iat).toBe(60)

  const seen = await owner!.get(`/api/v1/channels/${channel}/audio-status`)
  expect(seen.body).toMatchObject({
    room_name: body.webrtc_config.session_id,
    participant_count: 1,
    error: null,
  })
  expect(seen.body.participants).toEqual([
    expect.objectContaining({ user_id: ann!.id, username: 'ann', is_connected: true, disconnected_at: null }),
  ])
})

test('the last one who leaves ends the session; who has left is still listed before that', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
  const channel = await owner!.createChannel('lounge', { type: 'mixed' })
  const { session_id } = await joinAudio(ann!, channel)
  expect((await joinAudio(bob!, channel)).session_id).toBe(session_id)
  const first = await ann!.post(`/api/v1/channels/${channel}/leave-audio`)
  expect(first.body).toMatchObject({
    message: 'Successfully left voice channel',
    session_id,
    participant_count: 1,
    session_ended: false,
  })
  const between = await owner!.get(`/api/v1/channels/${channel}/audio-status`)
  expect(between.body.participant_count).toBe(1)
  expect(between.body.participants).toEqual([
    expect.objectContaining({ user_id: ann!.id, is_connected: false, disconnected_at: expect.any(String) }),
    expect.objectContaining({ user_id: bob!.id, is_connected: true }),
  ])
  const last = await bob!.post(`/api/v1/channels/${channel}/leave-audio`)
  expect(last.body).toMatchObject({ participant_count: 0, session_ended: true })
  const after = await owner!.get(`/api/v1/channels/${channel}/audio-status`)
  expect(after.body).toMatchObject({ room_name: null, participants: [], participant_count: 0 })
  expect(await bob!.post(`/api/v1/channels/${channel}/leave-audio`)).toMatchObject({ status: 400 })
  expect((await joinAudio(bob!, channel)).session_id).not.toBe(session_id)
})

test('a timeout takes somebody out of voice at once, and keeps them out', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('lounge', { type: 'voice' })
  using socket = await owner!.connect()
  await joinAudio(ann!, channel)
  expect(await socket.next('voice_session_event')).toMatchObject({ event_type: 'participant_joined' })
  const path = `/api/v1/moderation/users/${ann!.id}/timeout`
  await owner!.post(path, { duration_minutes: 5 })
  expect(await socket.next('voice_session_event')).toMatchObject({
    event_type: 'participant_left',
    user_id: ann!.id,
  })
  const again = await ann!.post(`/api/v1/channels/${channel}/join-audio`)
  expect(again).toMatchObject({ status: 403, body: { detail: expect.stringMatching(/^You are timed out/) } })
  await owner!.delete(path)
  await joinAudio(ann!, channel)
})

test('text channels have no voice, and a hidden channel is one that does not exist', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const text = await owner!.createChannel('general')
  const hidden = await owner!.createChannel('secret', { type: 'voice', private: true })
  expect(await ann!.post(`/api/v1/channels/${text}/join-audio`)).toMatchObject({ status: 400 })
  const missing = '01890000-0000-7000-8000-000000000000'
  for (const id of [hidden, missing]) {
    const answers = [
      await ann!.post(`/api/v1/channels/${id}/join-audio`),
      await ann!.post(`/api/v1/channels/${id}/leave-audio`),
      await ann!.get(`/api/v1/channels/${id}/audio-status`),
      await ann!.post(`/api/v2/voice/channels/${id}/sessions`),
      await ann!.get(`/api/v2/voice/channels/${id}/participants`),
    ]
    for (const { status, body } of answers) {
      expect(status).toBe(404)
      expect(body.detail).toBe(`Channel not found: '${id}'`)
    }
  }
  const { session_id } = await joinAudio(owner!, hidden)
  const unknown = await ann!.get(`/api/v2/voice/sessions/${missing}`)
  const invisible = await ann!.get(`/api/v2/voice/sessions/${session_id}`)
  expect([unknown.status, invisible.status]).toEqual([404, 404])
  expect(invisible.body.detail.replace(session_id, missing)).toBe(unknown.body.detail)
  for (const action of ['leave', 'actions', 'moderate']) {
    const body = { action: action === 'actions' ? 'mute_self' : 'kick', user_id: owner!.id }
    const status = (id: string) => ann!.post(`/api/v2/voice/sessions/${id}/${action}`, body)
    expect((await status(session_id)).status).toBe((await status(missing)).status)
  }
})

test('joining another channel leaves the first, also when both happen at once', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const [one, two] = [
    await owner!.createChannel('one', { type: 'voice' }),
    await owner!.createChannel('two', { type: 'voice' }),
  ]
  await joinAudio(ann!, one)
  await joinAudio(ann!, two)
  const count = async (channel: string): Promise<number> =>
    (await owner!.get(`/api/v1/channels/${channel}/audio-status`)).body.participant_count
  expect([await count(one), await count(two)]).toEqual([0, 1])
  const both = await Promise.all(
    [one, two, one, two].map((id) => ann!.post(`/api/v1/channels/${id}/join-audio`)),
  )
  expect(both.filter(({ status }) => status === 200).length).toBeGreaterThan(0)
  expect((await count(one)) + (await count(two))).toBe(1)
})

test('of many who join at once a full channel takes as many as it may, and says why not more', async () => {
  await using server = await startServer({ env: { VOICE_MAX_PARTICIPANTS: '4' } })
  const [owner, ...people] = await server.people('owner', 'a1', 'a2', 'a3', 'a4', 'a5')
  const channel = await owner!.createChannel('lounge', { type: 'voice' })
  const limits = await owner!.put(`/api/v2/voice/channels/${channel}/limits`, {
    json: { max_participants: 3 },
  })
  expect(limits.body).toMatchObject({ max_participants: 3, bitrate_kbps: null })
  expect(await people[0]!.put(`/api/v2/voice/channels/${channel}/limits`, { json: {} })).toMatchObject({
    status: 403,
  })
  const answers = await Promise.all(people.map((one) => one.post(`/api/v1/channels/${channel}/join-audio`)))
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 409, 409])
  const refused = answers.find(({ status }) => status === 409)!
  expect(refused.body.detail).toBe('The voice channel is full: 3 people are in it')
  const other = await owner!.createChannel('other', { type: 'voice' })
  await joinAudio(owner!, other)
  const late = people[answers.findIndex(({ status }) => status === 409)]!
  const full = await late.post(`/api/v1/channels/${other}/join-audio`)
  expect(full).toMatchObject({ status: 503, body: { detail: expect.stringContaining('4 people') } })
})

test('a join token lets in once, within a minute, and is no access token', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('lounge', { type: 'voice' })
  const { signaling_url, join_token } = await joinAudio(ann!, channel)
  expect(await ann!.get('/api/v1/auth/sessions', { token: join_token })).toMatchObject({ status: 401 })
  const refused = async (token: string): Promise<void> => {
    using client = new SignallingClient(signaling_url, { join_token: token })
    expect(await client.next('error')).toEqual({ type: 'error', error: 'invalid join token' })
    await client.closed()
  }
  await refused(ann!.token)
  await refused('nonsense')
  const [head, payload, signature] = join_token.split('.')
  await refused(`${head}.${payload}.${signature.split('').toReversed().join('')}`)
  using client = new SignallingClient(signaling_url, { join_token })
  expect(await client.next('joined')).toMatchObject({ user_id: ann!.id })
  await refused(join_token)
  const again = await joinAudio(ann!, channel)
  clock.offset += 61_000
  await refused(again.join_token)
})

test('TURN passwords are made for each client and for a limited time', async () => {
  const secret = 'a secret of coturn'
  const clock = { offset: 0 }
  await using server = await startServer({
    clock,
    env: {
      VOICE_TURN_URLS: 'turn:turn.example.org:3478?transport=udp,turns:turn.example.org:5349?transport=tcp',
      VOICE_STUN_URLS: 'stun:stun.example.org',
      VOICE_TURN_SECRET: secret,
      VOICE_TURN_MINUTES: '10',
    },
  })
  server.secrets.add(secret)
  const [owner] = await server.people('owner')
  const channel = await owner!.createChannel('lounge', { type: 'voice' })
  const { ice_servers, ice_servers_raw } = await joinAudio(owner!, channel)
  expect(ice_servers).toHaveLength(3)
  const [stun, turn] = ice_servers_raw
  expect(stun).toEqual({ urls: 'stun:stun.example.org' })
  const [expiry, name] = turn.username.split(':')
  expect(name).toBe(owner!.id)
  expect(Math.abs(Number(expiry) * 1000 - Date.now() - 600_000)).toBeLessThan(30_000)
  const key = await crypto.subtle.importKey(
    'raw',
    Buffer.from(secret),
    { name: 'HMAC', hash: 'SHA-1' },
    false,
    ['sign'],
  )
  const expected = Buffer.from(await crypto.subtle.sign('HMAC', key, Buffer.from(turn.username))).toString(
    'base64',
  )
  expect(turn.credential).toBe(expected)
})

test('a taken port makes voice unavailable, and nothing else', async () => {
  await using first = await startServer()
  const [owner] = await first.people('owner')
  await joinAudio(owner!, await owner!.createChannel('lounge', { type: 'voice' }))
  const port = String(first.ctx.sfu.port)
  await using second = await startServer({ env: { VOICE_PORT: port } })
  const [other] = await second.people('other')
  const channel = await other!.createChannel('lounge', { type: 'mixed' })
  const { status, body } = await other!.post(`/api/v1/channels/${channel}/join-audio`)
  expect(status).toBe(503)
  expect(body.detail).toBe(
    `Voice is not available: port ${port} (UDP and TCP) on 127.0.0.1 is taken by another program`,
  )
  expect((await other!.get(`/api/v1/channels/${channel}/audio-status`)).body.participant_count).toBe(0)
  await other!.send(channel, 'chat goes on')
})

test('after a crash nobody is left in a voice channel', async () => {
  await using first = await startServer()
  const [owner] = await first.people('owner')
  const channel = await owner!.createChannel('lounge', { type: 'voice' })
  const { session_id } = await joinAudio(owner!, channel)
  await first.ctx.voice.start()
  const { body } = await owner!.get(`/api/v1/channels/${channel}/audio-status`)
  expect(body).toMatchObject({ room_name: null, participant_count: 0 })
  const ended = await owner!.get(`/api/v2/voice/sessions/${session_id}`)
  expect(ended.body).toMatchObject({ is_active: false, participants: [{ is_connected: false }] })
})

test('what a moderator imposed is lifted by those who rank above, not by oneself', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  await setRoles(server, ann!, 'user', 'moderator')
  const channel = await owner!.createChannel('lounge', { type: 'voice' })
  const { session_id } = await joinAudio(ann!, channel)
  await joinAudio(owner!, channel)
  const moderate = (by: typeof ann, who: typeof ann, action: string) =>
    by!.post(`/api/v2/voice/sessions/${session_id}/moderate`, { user_id: who!.id, action })
  const flags = (muted: boolean, deafened: boolean) => ({
    status: 200,
    body: { is_server_muted: muted, is_server_deafened: deafened },
  })
  expect(await moderate(owner, ann, 'mute')).toMatchObject(flags(true, false))
  expect(await moderate(owner, ann, 'deafen')).toMatchObject(flags(true, true))
  for (const action of ['unmute', 'undeafen'])
    expect(await moderate(ann, ann, action)).toMatchObject({ status: 403 })
  expect(await moderate(owner, ann, 'unmute')).toMatchObject(flags(false, true))
  // Nobody ranks above the owner, who could not get rid of it otherwise.
  expect(await moderate(owner, owner, 'mute')).toMatchObject(flags(true, false))
  expect(await moderate(owner, owner, 'unmute')).toMatchObject(flags(false, false))
})

test('a mute and a deafening at the same moment both count', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('lounge', { type: 'voice' })
  const { session_id } = await joinAudio(ann!, channel)
  const moderate = (...actions: string[]) =>
    Promise.all(
      actions.map((action) =>
        owner!.post(`/api/v2/voice/sessions/${session_id}/moderate`, { user_id: ann!.id, action }),
      ),
    )
  for (let round = 0; round < 8; round++) {
    await moderate('mute', 'deafen')
    const { body } = await owner!.get(`/api/v1/channels/${channel}/audio-status`)
    expect(body.participants).toEqual([
      expect.objectContaining({ is_server_muted: true, is_server_deafened: true }),
    ])
    const [, last] = await moderate('unmute', 'undeafen')
    expect(last!.status).toBe(200)
  }
})

test('while the database cannot tell what somebody may do they neither speak nor hear', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('lounge', { type: 'voice', private: true, members: [ann!] })
  using watcher = await SignallingClient.join(owner!, channel)
  using client = await SignallingClient.join(ann!, channel)
  const levels = (muted: boolean) =>
    watcher.next('speaker_levels', ({ payload }) => payload.user_id === ann!.id && payload.is_muted === muted)
  const { ctx } = server
  const failing = vi.spyOn(ctx.authenticator, 'check').mockRejectedValue(new Error('the database is away'))
  const event = { type: 'user.restricted' as const, userId: ann!.id }
  ctx.bus.publish({ event: event as never })
  expect((await levels(true)).payload).toMatchObject({ is_deafened: true })
  failing.mockRestore()
  expect((await levels(false)).payload).toMatchObject({ is_deafened: false })

  // What was lost meanwhile is lost as soon as it can be told.
  const again = vi.spyOn(ctx.authenticator, 'check').mockRejectedValue(new Error('the database is away'))
  ctx.bus.publish({ event: event as never })
  await levels(true)
  await ctx.db.transact((tx) => tx.deleteFrom('channel_member').where('user_id', '=', ann!.id).execute())
  again.mockRestore()
  expect(await client.next('error')).toEqual({ type: 'error', error: 'access was lost' })
})

test('a media server that starts again keeps no seat for those who have no socket', async () => {
  await using server = await startServer({ env: { VOICE_RESUME_SECONDS: '5' } })
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('lounge', { type: 'voice' })
  using watcher = await SignallingClient.join(owner!, channel)
  using client = await SignallingClient.join(ann!, channel)
  const { session_id, resume_token } = client.frames[0]
  const url = client.socket.url.split('?')[0]!
  const { sfu, voice } = server.ctx
  client.socket.terminate()
  await vi.waitUntil(() => voice.participant(session_id, ann!.id)!.socket === undefined)
  // A command of a form that it cannot have makes the thread fail.
  void sfu.offer(voice.participant(session_id, owner!.id)!.peer!, 7 as never)
  await watcher.next('reset')
  using back = new SignallingClient(url, { resume_token })
  expect(await back.next('error')).toEqual({ type: 'error', error: 'the connection was lost' })
  expect((await watcher.next('participant_left')).payload).toEqual({ user_id: ann!.id, participant_count: 1 })
  using again = await SignallingClient.join(ann!, channel)
  expect(again.frames[0]).toMatchObject({ session_id, user_id: ann!.id })
})
