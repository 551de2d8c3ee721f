import { expect, test } from 'vitest'
import { request, type Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { setRoles } from '#test/roles.ts'
import { startServer } from '#test/server.ts'

const path = '/api/v1/system/runtime-config'
const change = (person: Person, settings: object): Promise<Answer> => person.put(path, { json: { settings } })

test('who may change the server sees all that is set, and no secret', async () => {
  const secret = 'swordfish-of-the-metrics'
  await using server = await startServer({ env: { METRICS_TOKEN: secret } })
  server.secrets.add(secret)
  const [owner, admin, ann] = await server.people('owner', 'admin', 'ann')
  await setRoles(server, admin!, 'admin')
  for (const answer of [
    await owner!.get(path),
    await owner!.post(path, { include_secrets: true }),
    await admin!.post(path, { include_secrets: false }),
  ]) {
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({
      include_secrets: false,
      runtime_config: {
        API_HOST: '127.0.0.1',
        RATE_LIMIT_DURATION: 5,
        MAX_RATE_LIMIT_REQUESTS: 6000,
        MAX_RATE_LIMIT_WARNINGS: 15,
        JWT_ACCESS_TTL_MINUTES: 15,
        STORAGE_ALLOCATED_GB: 10,
        SERVER_NAME: 'PufferBlow',
        METRICS_TOKEN: '***',
        TURN_PASSWORD: '',
      },
    })
    const keys = Object.keys(answer.body.runtime_config)
    expect(keys.filter((key) => /DATA_DIR|MASTER_KEY|SERVER_AVATAR/.test(key))).toEqual([])
    expect(JSON.stringify(answer.body)).not.toContain(secret)
    expect(JSON.stringify(answer.body)).not.toMatch(/postgres:\/\//)
  }
  expect((await ann!.post(path)).status).toBe(403)
  expect((await change(ann!, { SERVER_NAME: 'mine' })).status).toBe(403)
})

test('what is changed is in force at once, stands in the audit log, and is written once', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  const changed = await change(owner!, {
    MAX_MESSAGE_LENGTH: 5,
    SERVER_NAME: '  Chess\tclub ',
    RATE_LIMIT_FRAMES: '300',
    ALLOWED_GIF_EXTENSIONS: ['gif'],
    NO_SUCH_KEY: 1,
  })
  expect(changed.status, JSON.stringify(changed.body)).toBe(200)
  expect(changed.body).toMatchObject({
    updated_keys: ['MAX_MESSAGE_LENGTH', 'RATE_LIMIT_FRAMES', 'SERVER_NAME'],
    restart_required_keys: [],
  })
  const { status } = await ann!.post(`/api/v1/channels/${channel}/send_message`, { message: 'too long' })
  expect(status).toBe(400)
  const limited = await change(owner!, { MAX_RATE_LIMIT_REQUESTS: 5000 })
  expect(limited.status).toBe(200)
  expect((await owner!.get(path)).headers.get('x-ratelimit-limit')).toBe('5000')

  const { body } = await owner!.get('/api/v1/system/audit-log', { query: { action: 'settings.changed' } })
  expect(body.entries.map(({ details }: { details: object }) => details)).toEqual([
    { settings: { max_rate_limit_requests: 5000 } },
    { settings: { max_message_length: 5, server_name: 'Chess club', rate_limit_frames: 300 } },
  ])
  expect(body.entries[0].actor.id).toBe(owner!.id)

  // A control panel sends back all that it was shown.
  const shown = (await owner!.get(path)).body.runtime_config
  const again = await change(owner!, { ...shown, MAX_USERS: 50 })
  expect(again.body.updated_keys).toEqual(['MAX_USERS'])
  expect((await request(server, 'GET', '/api/v1/system/server-info')).body.server_info.max_users).toBe(50)
})

test('what is wrong is refused as a whole, and says why', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const before = (await owner.get(path)).body
  for (const [settings, status, detail] of [
    [{}, 400, 'None of the settings is known'],
    [{ NOTHING: 1, server_name: 'x', __proto__x: 1 }, 400, 'None of the settings is known'],
    [
      { API_PORT: 1, SERVER_NAME: 'x' },
      400,
      'Set on the machine, in pufferblow.toml or the environment: API_PORT',
    ],
    [{ MASTER_KEY: 'x', SERVER_AVATAR: 'x' }, 400, 'None of the settings is known'],
    [{ SERVER_NAME: ' ', MAX_USERS: 3 }, 422, 'SERVER_NAME'],
    [{ MAX_MESSAGE_LENGTH: 0 }, 422, 'MAX_MESSAGE_LENGTH'],
    [{ MAX_MESSAGE_LENGTH: 'many' }, 422, 'MAX_MESSAGE_LENGTH'],
    [{ RATE_LIMIT_DURATION: 1e9, REGISTRATION: 'perhaps' }, 422, 'REGISTRATION'],
  ] as const) {
    const answer = await change(owner, settings)
    expect(answer.status, JSON.stringify(settings)).toBe(status)
    expect(answer.body.detail).toContain(detail)
  }
  expect((await owner.put(path, { json: { settings: 'x' } })).status).toBe(422)
  expect((await owner.get(path)).body).toEqual(before)
})

test('owners read the newest lines of the log, which is noted once an hour and has no secrets', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock, env: { ACCOUNTS_ACCESS_TOKEN_MINUTES: '1440' } })
  const [owner, admin] = await server.people('owner', 'admin')
  await setRoles(server, admin!, 'admin')
  const logs = '/api/v1/system/logs'
  expect((await admin!.post(logs)).status).toBe(403)
  server.ctx.log.warn({ body: { password: 'swordfish' } }, 'something odd')
  server.ctx.log.info('all is well')
  const all = await owner!.post(logs, { lines: 1000 })
  expect(all.status).toBe(200)
  expect(all.body).toMatchObject({ filtered: false, log_file: null })
  expect(all.body.total_lines).toBe(all.body.logs.length)
  expect(JSON.stringify(all.body)).not.toContain('swordfish')
  expect(server.secrets.foundIn(JSON.stringify(all.body))).toEqual([])

  const found = (await owner!.post(logs, { search: 'SOMETHING odd', level: 'WARNING', lines: 5 })).body
  expect(found).toMatchObject({ filtered: true })
  expect(found.logs).toHaveLength(1)
  expect(found.logs[0].content).toMatch(/^\d{4}-\S+Z WARN something odd body=/)
  expect(JSON.parse(found.logs[0].raw)).toMatchObject({ level: 'warn', msg: 'something odd' })
  for (const wrong of [{ lines: 0 }, { lines: 1001 }, { level: 'loud' }])
    expect((await owner!.post(logs, wrong)).status).toBe(422)

  const noted = async () => {
    const { body } = await owner!.get('/api/v1/system/audit-log', { query: { action: 'logs.viewed' } })
    const recent = (await owner!.post('/api/v1/system/recent-activity', { limit: 100 })).body.activities
    const viewed = recent.filter(({ type }: { type: string }) => type === 'logs_viewed')
    return [body.entries.length, viewed.length, viewed[0]?.description]
  }
  expect(await noted()).toEqual([1, 1, 'owner read the logs of the server'])
  server.passTime(3600_000 + 1000)
  await owner!.post(logs)
  expect(await noted()).toEqual([2, 2, 'owner read the logs of the server'])
})
