import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { request, type Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'

const info = async (server: TestServer): Promise<Record<string, unknown>> => {
  const { status, body } = await request(server, 'GET', '/api/v1/system/server-info')
  expect(status).toBe(200)
  return body.server_info as Record<string, unknown>
}
const change = (person: Person, json: object): Promise<Answer> =>
  person.put('/api/v1/system/server-info', { json })
const signUp = (server: TestServer, username: string): Promise<Answer> =>
  request(server, 'POST', '/api/v1/users/signup', {
    json: { username, password: server.secrets.add(crypto.randomUUID()) },
  })

test('anybody reads what the server is and allows', async () => {
  await using server = await startServer()
  await server.people('owner', 'ann')
  const found = await info(server)
  expect(found).toMatchObject({
    server_id: server.ctx.instance.serverId,
    server_name: 'PufferBlow',
    server_description: null,
    is_private: false,
    avatar_url: null,
    banner_url: null,
    welcome_message: null,
    members_count: 2,
    max_users: null,
    max_message_length: 50_000,
    max_image_size: 5,
    max_video_size: 50,
    max_sticker_size: 5,
    max_gif_size: 10,
    allowed_image_types: ['png', 'jpg', 'jpeg', 'gif', 'webp'],
    allowed_gif_types: ['gif'],
    rtc_media_quality: null,
  })
  expect(Math.abs(Date.parse(found['creation_date'] as string) - Date.now())).toBeLessThan(60_000)
})

test('who has the right changes it, and it acts at once', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const changed = await change(owner!, {
    server_name: '  Chess\tclub ',
    server_description: 'We play.',
    welcome_message: 'Hello\nthere',
    max_message_length: 5,
    max_image_size: 7,
    allowed_image_types: ['.PNG', 'webp'],
  })
  expect(changed.status).toBe(200)
  expect(changed.body).toEqual({
    status_code: 200,
    message: 'Server settings updated successfully',
    updated_fields: [
      'server_name',
      'server_description',
      'welcome_message',
      'max_message_length',
      'max_image_size',
      'allowed_image_types',
    ],
  })
  expect(await info(server)).toMatchObject({
    server_name: 'Chess club',
    server_description: 'We play.',
    welcome_message: 'Hello\nthere',
    max_message_length: 5,
    max_image_size: 7,
    allowed_image_types: ['png', 'webp'],
  })
  const channel = await owner!.createChannel('general')
  expect((await ann!.post(`/api/v1/channels/${channel}/send_message`, { message: 'too long' })).status).toBe(
    400,
  )
  await change(owner!, { server_description: '' })
  expect(await info(server)).toMatchObject({ server_description: null, welcome_message: 'Hello\nthere' })
  const { body } = await owner!.get('/api/v1/system/audit-log', { query: { action: 'settings.changed' } })
  expect(body.entries).toHaveLength(2)
  expect(body.entries[0]).toMatchObject({
    actor: { id: owner!.id },
    details: { settings: { server_description: null } },
  })
})

test('what is not allowed changes nothing, and neither does somebody without the right', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const before = await info(server)
  for (const [json, status] of [
    [{}, 400],
    [{ no_such: 1 }, 400],
    [{ server_name: '' }, 422],
    [{ server_name: 'x'.repeat(101), max_image_size: 9 }, 422],
    [{ max_message_length: 0 }, 422],
    [{ max_message_length: 50_001 }, 422],
    [{ max_image_size: -1 }, 422],
    [{ max_users: 1.5 }, 422],
    [{ is_private: 'maybe' }, 422],
    [{ allowed_image_types: ['../x'] }, 422],
    [{ allowed_image_types: 'png' }, 422],
  ] as const) {
    expect((await change(owner!, json)).status, JSON.stringify(json).slice(0, 60)).toBe(status)
  }
  expect((await change(ann!, { server_name: 'Mine' })).status).toBe(403)
  expect(
    (await request(server, 'PUT', '/api/v1/system/server-info', { json: { server_name: 'x' } })).status,
  ).toBe(401)
  expect(await info(server)).toEqual(before)
})

test('a private server takes nobody without an invite; a full one none beyond its number', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  await change(owner, { is_private: true })
  const refused = await signUp(server, 'ann')
  expect(refused.status).toBe(403)
  expect(refused.body.detail).toContain('invite')
  expect((await request(server, 'GET', '/api/v1/info')).body.registration).toBe('invite')
  await change(owner, { is_private: false, max_users: 3 })
  const results = await Promise.all(['ann', 'bob', 'cid', 'dan'].map((name) => signUp(server, name)))
  expect(results.map(({ status }) => status).toSorted()).toEqual([201, 201, 403, 403])
  await change(owner, { max_users: 0 })
  expect((await signUp(server, 'eve')).status).toBe(201)
})

test('the machine is looked at once a second, whoever asks', async () => {
  await using server = await startServer()
  const ask = (): Promise<Answer> => request(server, 'POST', '/api/v1/system/server-usage', { json: {} })
  const answers = await Promise.all(Array.from({ length: 5 }, ask))
  const usage = answers[0]!.body.server_usage
  for (const { status, body } of answers) {
    expect(status).toBe(200)
    expect(body.server_usage.cpu_percent).toBe(usage.cpu_percent)
  }
  expect(usage.ram_total_gb).toBeGreaterThan(0)
  expect(usage.ram_used_gb).toBeGreaterThan(0)
  expect(usage.ram_used_gb).toBeLessThanOrEqual(usage.ram_total_gb)
  expect(usage.storage_used_gb).toBeGreaterThan(0)
  expect(usage.storage_used_gb).toBeLessThanOrEqual(usage.storage_total_gb)
  expect(usage.cpu_percent).toBeLessThanOrEqual(100)
  expect(usage.process.ram_mb).toBeGreaterThan(20)
  expect(usage.uptime_formatted).toMatch(/^\d+d \d+h \d+m$/)
  expect(Math.abs(usage.timestamp - Date.now() / 1000)).toBeLessThan(5)
})

test('how busy the machine is can be kept from the public', async () => {
  await using server = await startServer({ env: { STATS_PUBLIC: '0' } })
  const [owner, ann] = await server.people('owner', 'ann')
  expect((await request(server, 'POST', '/api/v1/system/server-usage')).status).toBe(401)
  expect((await ann!.post('/api/v1/system/server-usage')).status).toBe(403)
  expect((await owner!.post('/api/v1/system/server-usage')).status).toBe(200)
})

test('health tells how the parts are, in the shape that clients know', async () => {
  const media = { enabled: true, status: 'ok', url: null, healthz: null, error: null }
  const health = {
    status: 'ok',
    api_loaded: true,
    server_initialized: false,
    components: { api: true, database: true, storage: true, media: true },
    media_sfu: media,
  }
  await using server = await startServer()
  const { body } = await request(server, 'GET', '/api/v1/system/instance-health')
  expect(body.instance_health).toEqual(health)
  await server.person('owner')
  for (const path of ['/healthz', '/readyz']) {
    const answer = await request(server, 'GET', path)
    expect([answer.status, answer.body]).toEqual([200, { ...health, server_initialized: true }])
  }
  await using silent = await startServer({ env: { VOICE_ENABLED: '0' } })
  expect((await request(silent, 'GET', '/readyz')).body.media_sfu).toEqual({
    ...media,
    enabled: false,
    status: 'disabled',
  })
})

test('without a source there is no release, and nobody is asked', async () => {
  await using server = await startServer()
  const { body } = await request(server, 'GET', '/api/v1/system/latest-release')
  expect(body).toEqual({ status_code: 200, release: null, message: 'This server does not look for releases' })
})

test('the newest release is asked for once an hour, and an old answer is better than none', async () => {
  let asked = 0
  let works = true
  const source = createServer((_request, response) => {
    asked++
    if (!works) return void response.writeHead(500).end('broken')
    response.end(
      JSON.stringify({
        tag_name: `v${asked}`,
        html_url: 'https://example.org/releases/1',
        published_at: '2026-10-01T12:00:00Z',
        body: 'x'.repeat(1000),
      }),
    )
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void source.close())
  await new Promise((resolve) => source.once('listening', resolve))
  const { port } = source.address() as AddressInfo
  const clock = { offset: 0 }
  await using server = await startServer({
    clock,
    env: {
      RELEASES_URL: `http://127.0.0.1:${port}/latest`,
      FEDERATION_ALLOW_PRIVATE: '1',
      FEDERATION_PORTS: String(port),
    },
  })
  const ask = async (): Promise<Record<string, never>> =>
    (await request(server, 'GET', '/api/v1/system/latest-release')).body
  expect(await Promise.all([ask(), ask(), ask()])).toMatchObject(
    Array.from({ length: 3 }, () => ({
      release: {
        version: 'v1',
        tag_name: 'v1',
        name: 'v1',
        url: 'https://example.org/releases/1',
        published_at: '2026-10-01T12:00:00.000+00:00',
        body: 'x'.repeat(500),
      },
    })),
  )
  expect(asked).toBe(1)
  clock.offset += 3601_000
  works = false
  expect(await ask()).toMatchObject({
    release: { version: 'v1' },
    message: 'The newest release could not be found out',
  })
  expect(asked).toBe(2)
  await ask()
  expect(asked).toBe(2)
  works = true
  clock.offset += 601_000
  expect(await ask()).toMatchObject({ release: { version: 'v3' } })

  // The task asks as well, and tells the operator.
  const owner = await server.person('owner')
  await owner.runTask('github_releases_check')
  const { body } = await owner.post('/api/v1/background-tasks/history', { task_id: 'github_releases_check' })
  expect(body.runs[0].result).toEqual({ configured: true, release: 'v3', newer: true })
  expect(server.logLines.join()).toContain('there is a newer release')
  works = false
  clock.offset += 3601_000
  const again = await owner.signIn()
  const failed = await again.post('/api/v1/background-tasks/run', { task_id: 'github_releases_check' })
  expect(failed).toMatchObject({
    status: 400,
    body: { detail: expect.stringContaining('could not be found out') },
  })
})
