import sharp from 'sharp'
import { expect, test } from 'vitest'
import { assignRole } from '#features/accounts/index.ts'
import { formOf, textFile } from '#test/files.ts'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'

const SYSTEM = '/api/v1/system'
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const env = { ACCOUNTS_ACCESS_TOKEN_MINUTES: '1440' }

test('figures about the server are for those with the privilege', async () => {
  await using server = await startServer()
  const [owner, admin, moderator, user] = (await server.people('owner', 'admin', 'moderator', 'user')) as [
    Person,
    Person,
    Person,
    Person,
  ]
  await assignRole(server.ctx, 'admin', 'admin')
  await assignRole(server.ctx, 'moderator', 'moderator')
  const paths = [
    ...['user-registrations', 'message-activity', 'online-users', 'channel-creation', 'user-status'].map(
      (name) => `/charts/${name}`,
    ),
    '/activity-metrics',
    '/server-overview',
    '/recent-activity',
  ]
  for (const path of paths) {
    expect((await request(server, 'POST', SYSTEM + path, { json: {} })).status, path).toBe(401)
    expect((await user.post(SYSTEM + path)).status, path).toBe(403)
    expect((await moderator.post(SYSTEM + path)).status, path).toBe(403)
    expect((await admin.post(SYSTEM + path)).status, path).toBe(200)
    expect((await owner.post(SYSTEM + path)).status, path).toBe(200)
  }
})

test('anybody may read the public counts, unless the operator says otherwise', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  await owner.createChannel('open')
  await owner.createChannel('closed', { private: true })
  const { status, body } = await request(server, 'GET', `${SYSTEM}/server-stats`)
  expect(status).toBe(200)
  expect(body).toEqual({
    status_code: 200,
    statistics: {
      timestamp: expect.any(String),
      users: { total: 1, online: 1, recently_active: 1, new_this_week: 1, new_this_month: 1 },
      channels: { total: 2, public: 1, private: 1, new_this_week: 2, new_this_month: 2 },
      messages: { total: 0, past_24h: 0, past_week: 0, past_month: 0, past_quarter: 0, past_year: 0 },
      system: { uptime: null, last_updated: expect.any(String) },
    },
    stats: body.statistics,
  })
  // It is remembered for a moment, and no longer.
  await owner.createChannel('another')
  const total = async () => (await request(server, 'GET', `${SYSTEM}/server-stats`)).body.stats.channels.total
  expect(await total()).toBe(2)
  server.passTime(10_000)
  expect(await total()).toBe(3)

  await using guarded = await startServer({ env: { STATS_PUBLIC: 'false' } })
  const [other, user] = (await guarded.people('owner', 'user')) as [Person, Person]
  expect((await request(guarded, 'GET', `${SYSTEM}/server-stats`)).status).toBe(401)
  expect((await user.get(`${SYSTEM}/server-stats`)).status).toBe(403)
  expect((await other.get(`${SYSTEM}/server-stats`)).status).toBe(200)
})

test('metrics and overview tell how lively the server is', async () => {
  await using server = await startServer({ env, clock: { offset: -8 * DAY } })
  const [owner, ann] = (await server.people('owner', 'ann', 'bob', 'eve')) as [Person, Person]
  const [busy] = [await owner.createChannel('busy'), await owner.createChannel('still')]
  await ann.send(busy, 'long ago')
  await owner.runTask('server_stats_update')
  await server.ctx.db.transact((tx) => tx.updateTable('user').set({ status: 'offline' }).execute())
  server.passTime(8 * DAY)
  Object.assign(owner, { token: (await owner.signIn()).token })
  for (let n = 0; n < 6; n++) await owner.send(busy, 'now')
  await owner.runTask('server_stats_update')
  expect((await owner.post(`${SYSTEM}/activity-metrics`)).body).toEqual({
    status_code: 200,
    activity_metrics: {
      total_users: 4,
      total_channels: 2,
      messages_per_hour: 0.25,
      active_users_24h: 1,
      active_users_7d: 1,
      active_users_30d: 4,
      current_online: 0,
      engagement_rate: 25,
      messages_per_active_user: 6,
      channel_utilization: 50,
      last_updated: expect.any(String),
    },
  })
  expect((await owner.post(`${SYSTEM}/server-overview`)).body).toEqual({
    status_code: 200,
    server_overview: {
      total_users: 4,
      total_channels: 2,
      messages_last_hour: 6,
      active_users: 0,
      messages_this_period: 6,
    },
  })
  server.passTime(2 * 60 * MINUTE)
  const { body } = await owner.post(`${SYSTEM}/server-overview`)
  expect(body.server_overview).toMatchObject({ messages_last_hour: 0, messages_this_period: 6 })
})

test('the activity of the server is told, newest first', async () => {
  await using server = await startServer()
  const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
  const channel = await owner.createChannel('general')
  await ann.signIn()
  await owner.put(`${SYSTEM}/message-retention`, { json: { days: 7 } })
  const { status, body } = await owner.post(`${SYSTEM}/recent-activity`, { limit: 4 })
  expect(status).toBe(200)
  expect(body.activities).toEqual([
    {
      id: expect.any(String),
      type: 'server_settings_updated',
      title: 'Settings changed',
      description: 'owner changed message_retention_days',
      timestamp: expect.any(String),
      user: { id: owner.id, username: 'owner', avatar_url: null },
      metadata: { field: 'message_retention_days', new_value: 7, setting_type: 'number' },
    },
    {
      id: expect.any(String),
      type: 'user_signed_in',
      title: 'Sign-in',
      description: 'ann signed in',
      timestamp: expect.any(String),
      user: { id: ann.id, username: 'ann', avatar_url: null },
      metadata: { username: 'ann', user_id: ann.id },
    },
    {
      id: expect.any(String),
      type: 'channel_created',
      title: 'New channel',
      description: 'owner created the channel general',
      timestamp: expect.any(String),
      user: { id: owner.id, username: 'owner', avatar_url: null },
      metadata: { channel_name: 'general', channel_id: channel, is_private: false, created_by: owner.id },
    },
    {
      id: expect.any(String),
      type: 'user_joined',
      title: 'New user',
      description: 'ann joined the server',
      timestamp: expect.any(String),
      user: { id: ann.id, username: 'ann', avatar_url: null },
      metadata: { username: 'ann', user_id: ann.id, joined_at: expect.any(String) },
    },
  ])
  expect((await owner.post(`${SYSTEM}/recent-activity`)).body.activities).toHaveLength(5)
  for (const limit of [0, 101, 'x']) {
    expect((await owner.post(`${SYSTEM}/recent-activity`, { limit })).status).toBe(422)
  }
})

test('pictures of the server and uploads are part of the activity', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'teal' } })
    .png()
    .toBuffer()
  const picture = formOf(['avatar', new File([png], 'a.png')])
  const send = (path: string, form: FormData) => request(server, 'POST', path, { token: owner.token, form })
  expect((await send(`${SYSTEM}/upload-avatar`, picture)).status).toBe(201)
  const upload = formOf(['directory', 'documents'], ['file', textFile('a.txt', 'content')])
  expect((await send('/api/v1/storage/upload', upload)).status).toBe(201)
  const { body } = await owner.post(`${SYSTEM}/recent-activity`, { limit: 2 })
  expect(body.activities).toMatchObject([
    { type: 'file_upload', metadata: { file_id: expect.any(String), type: 'text/plain', size: 7 } },
    { type: 'server_avatar_updated', metadata: { field: 'server_avatar' }, user: { id: owner.id } },
  ])
})

test('what does not happen is not told, and neither are channels that one may not see', async () => {
  await using server = await startServer()
  const [owner, auditor] = (await server.people('owner', 'auditor')) as [Person, Person]
  await owner.createChannel('open')
  await owner.createChannel('secret', { private: true })
  await owner.createChannel('shared', { private: true, members: [auditor] })
  expect((await owner.post('/api/v1/channels/create/', { channel_name: 'open' })).status).toBe(409)
  const role = await owner.post(`${SYSTEM}/roles`, {
    role_name: 'Auditor',
    privileges_ids: ['view_audit_logs'],
  })
  expect(role.status, JSON.stringify(role.body)).toBe(201)
  const roles_ids = ['user', role.body.role.role_id]
  expect((await owner.put(`${SYSTEM}/users/${auditor.id}/roles`, { json: { roles_ids } })).status).toBe(200)
  const seenBy = async (person: Person) => {
    const { body } = await person.post(`${SYSTEM}/recent-activity`, { limit: 100 })
    return body.activities.flatMap(
      ({ metadata }: { metadata: { channel_name?: string } }) => metadata.channel_name ?? [],
    )
  }
  expect(await seenBy(owner)).toEqual(['shared', 'secret', 'open'])
  expect(await seenBy(auditor)).toEqual(['shared', 'open'])
})

test('activity is forgotten after its time', async () => {
  await using server = await startServer({ env: { STATS_ACTIVITY_RETENTION_DAYS: '30' } })
  const owner = await server.person('owner')
  await owner.createChannel('old')
  server.passTime(31 * DAY)
  const signedIn = await owner.signIn()
  await signedIn.runTask('activity_metrics_update')
  const { body } = await signedIn.post(`${SYSTEM}/recent-activity`, { limit: 100 })
  expect(body.activities.map(({ type }: { type: string }) => type)).toEqual(['user_signed_in'])
  // Charts do not forget.
  const { body: chart } = await signedIn.post(`${SYSTEM}/charts/channel-creation`, { period: '90d' })
  expect(chart.chart_data.datasets[0].data.reduce((a: number, b: number) => a + b)).toBe(1)
})
