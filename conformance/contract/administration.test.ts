import { describe, expect, test } from 'vitest'
import { call, expectError, expectSuccess } from '../support/api.ts'
import { Person } from '../support/people.ts'

describe('blocked addresses', () => {
  test('are blocked, listed and unblocked by the owner', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const ip = `198.51.100.${Math.floor(Math.random() * 254) + 1}`
    const post = (person: Person, route: string, json: object) =>
      person.call('POST', `/api/v1/blocked-ips/${route}`, { placement: 'body', json })
    expectError(await post(member, 'block', { ip, reason: 'spam' }), 403)
    const blocked = await post(owner, 'block', { ip, reason: 'spam' })
    expectSuccess(blocked, 201)
    expect(blocked.body.message).toBe(`IP ${ip} has been blocked`)
    expectError(await post(owner, 'block', { ip, reason: 'again' }), 400)
    const listed = await post(owner, 'list', {})
    expectSuccess(listed, 200)
    expect(listed.body.blocked_ips).toContainEqual(
      expect.objectContaining({ ip, reason: 'spam', blocked_at: expect.any(String) }),
    )
    const unblocked = await post(owner, 'unblock', { ip })
    expectSuccess(unblocked, 200)
    expectError(await post(owner, 'unblock', { ip }), 400)
    expectError(await post(owner, 'block', { ip: 'not an address', reason: 'x' }), 400, 422)
  })
})

describe('the server', () => {
  test('tells about itself to anybody', async () => {
    const answer = await call('GET', '/api/v1/system/server-info')
    expectSuccess(answer, 200)
    expect(answer.body.server_info).toMatchObject({
      server_name: expect.any(String),
      version: expect.any(String),
      is_private: expect.any(Boolean),
      max_message_length: expect.any(Number),
      max_image_size: expect.any(Number),
      allowed_image_types: expect.arrayContaining(['png']),
    })
  })

  test('is changed by its owner', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const name = `Server ${crypto.randomUUID().slice(0, 8)}`
    const put = (person: Person) =>
      person.call('PUT', '/api/v1/system/server-info', { placement: 'body', json: { server_name: name } })
    expectError(await put(member), 403)
    const answer = await put(owner)
    expectSuccess(answer, 200)
    expect(answer.body.updated_fields).toEqual(['server_name'])
    expect((await call('GET', '/api/v1/system/server-info')).body.server_info.server_name).toBe(name)
  })

  test('shows its runtime configuration without secrets, and changes it as a whole', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const path = '/api/v1/system/runtime-config'
    const json = { include_secrets: true }
    expectError(await member.call('POST', path, { placement: 'body', json }), 403)
    const shown = await owner.call('POST', path, { placement: 'body', json })
    expectSuccess(shown, 200)
    expect(shown.body.runtime_config).toMatchObject({ MAX_RATE_LIMIT_WARNINGS: expect.any(Number) })
    expect(shown.body.include_secrets).toEqual(expect.any(Boolean))
    const put = (person: Person, settings: object) =>
      person.call('PUT', path, { placement: 'body', json: { settings } })
    const { MAX_RATE_LIMIT_WARNINGS: warnings } = shown.body.runtime_config
    expectError(await put(member, { MAX_RATE_LIMIT_WARNINGS: warnings + 1 }), 403)
    expectError(await put(owner, { NO_SUCH_KEY: 1 }), 400)
    const changed = await put(owner, { MAX_RATE_LIMIT_WARNINGS: warnings + 1, NO_SUCH_KEY: 1 })
    expectSuccess(changed, 200)
    expect(changed.body).toMatchObject({
      updated_keys: ['MAX_RATE_LIMIT_WARNINGS'],
      restart_required_keys: expect.any(Array),
    })
    expectSuccess(await put(owner, { MAX_RATE_LIMIT_WARNINGS: warnings }), 200)
  })

  test('lets its owner read the log', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const read = (person: Person, json: object) =>
      person.call('POST', '/api/v1/system/logs', { placement: 'body', json })
    expectError(await read(member, {}), 403)
    const answer = await read(owner, { lines: 5, level: 'info' })
    expectSuccess(answer, 200)
    expect(answer.body).toMatchObject({ logs: expect.any(Array), total_lines: expect.any(Number) })
    expect(answer.body.logs.length).toBeLessThanOrEqual(5)
    for (const line of answer.body.logs)
      expect(line).toMatchObject({ content: expect.any(String), raw: expect.any(String) })
    expectError(await read(owner, { lines: 0 }), 422)
  })

  test('tells how it is', async () => {
    for (const path of ['/healthz', '/readyz']) {
      const answer = await call('GET', path)
      expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({
        status: 'ok',
        api_loaded: true,
        server_initialized: true,
        components: expect.any(Object),
        media_sfu: { enabled: expect.any(Boolean), status: expect.any(String) },
      })
    }
  })

  test('tells its statistics and its use of the machine', async () => {
    const stats = await call('GET', '/api/v1/system/server-stats')
    expectSuccess(stats, 200)
    expect(stats.body.statistics).toMatchObject({
      users: { total: expect.any(Number), online: expect.any(Number) },
      channels: { total: expect.any(Number), public: expect.any(Number), private: expect.any(Number) },
      messages: { total: expect.any(Number), past_24h: expect.any(Number) },
    })
    const owner = await Person.owner()
    const usage = await owner.call('POST', '/api/v1/system/server-usage')
    expectSuccess(usage, 200)
    for (const key of [
      'cpu_percent',
      'ram_used_gb',
      'ram_total_gb',
      'storage_used_gb',
      'uptime_seconds',
      'timestamp',
    ])
      expect(usage.body.server_usage[key], key).toEqual(expect.any(Number))
    expect(usage.body.server_usage.ram_total_gb).toBeGreaterThan(0)
  })

  test.each(['avatar', 'banner'])('has an %s that its owner uploads', async (kind) => {
    const owner = await Person.owner()
    const answer = await owner.call('POST', `/api/v1/system/upload-${kind}`, {
      placement: 'body',
      form: { [kind]: new File([png], 'server.png', { type: 'image/png' }) },
    })
    expectSuccess(answer, 201)
    const url = answer.body[`${kind}_url`] as string
    expect((await call('GET', url)).status).toBe(200)
    expect((await call('GET', '/api/v1/system/server-info')).body.server_info[`${kind}_url`]).toBe(url)
  })

  test('tells the latest release, or that it knows none', async () => {
    const answer = await call('GET', '/api/v1/system/latest-release')
    expectSuccess(answer, 200)
    expect(answer.body).toHaveProperty('release')
  })
})

describe('analytics', () => {
  const charts = ['user-registrations', 'message-activity', 'online-users', 'channel-creation', 'user-status']

  test.each(charts)('charts/%s are for administrators', async (chart) => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const post = (person: Person, json: object = {}) =>
      person.call('POST', `/api/v1/system/charts/${chart}`, { placement: 'body', json })
    expectError(await post(member), 403)
    const answer = await post(owner)
    expectSuccess(answer, 200)
    expect(answer.body).toMatchObject({ chart_data: expect.anything(), raw_stats: expect.any(Object) })
    if (chart === 'user-status') return
    for (const period of ['1h', '24h', '7d', '30d', '90d', '1y', 'daily', 'weekly', 'monthly']) {
      const { status, text, body } = await post(owner, { period })
      expect(status, `${period}: ${text.slice(0, 200)}`).toBe(200)
      expect(body.chart_data.labels.length, period).toBe(body.chart_data.datasets[0].data.length)
    }
    expectError(await post(owner, { period: 'a while' }), 400, 422)
  })

  test('recent activity, metrics and the overview are for administrators', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const post = (person: Person, route: string) =>
      person.call('POST', `/api/v1/system/${route}`, { placement: 'body' })
    for (const route of ['recent-activity', 'activity-metrics', 'server-overview'])
      expectError(await post(member, route), 403)
    const recent = await post(owner, 'recent-activity')
    expectSuccess(recent, 200)
    expect(recent.body.activities[0]).toMatchObject({
      type: expect.any(String),
      title: expect.any(String),
      timestamp: expect.any(String),
    })
    const metrics = await post(owner, 'activity-metrics')
    expectSuccess(metrics, 200)
    expect(metrics.body.activity_metrics.total_users).toBeGreaterThan(0)
    const overview = await post(owner, 'server-overview')
    expectSuccess(overview, 200)
    expect(overview.body.server_overview.total_users).toBeGreaterThan(0)
  })
})

describe('background tasks', () => {
  test('show their state and run on demand, for the owner', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const post = (person: Person, route: string, json: object = {}) =>
      person.call('POST', `/api/v1/background-tasks/${route}`, { placement: 'body', json })
    expectError(await post(member, 'status'), 403)
    const status = await post(owner, 'status')
    expectSuccess(status, 200)
    const ids = Object.keys(status.body.tasks as object)
    expect(ids).toEqual(
      expect.arrayContaining([
        'storage_cleanup',
        'auth_token_cleanup',
        'server_stats_update',
        'chart_data_update',
      ]),
    )
    const run = await post(owner, 'run', { task_id: 'auth_token_cleanup' })
    expectSuccess(run, 200)
    expect(run.body.message).toBe("Background task 'auth_token_cleanup' executed successfully")
    const after = await post(owner, 'status')
    expect(after.body.tasks.auth_token_cleanup.runs).toBeGreaterThan(0)
    expectError(await post(owner, 'run', { task_id: 'no_such_task' }), 400, 404)
  })
})

/** One pixel. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
