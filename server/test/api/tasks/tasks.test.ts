import { describe, expect, inject, test } from 'vitest'
import { assignRole } from '#features/accounts/index.ts'
import { newId } from '#lib/id.ts'
import { Errand } from '#test/errand.ts'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { newPlace, startServer } from '#test/server.ts'

const BASE = '/api/v1/background-tasks'
const DAY = 24 * 3_600_000

// oxlint-disable-next-line typescript/no-explicit-any -- tasks and runs as they come over the wire
type Wire = any

async function statusOf(person: Person, id = 'errand'): Promise<Wire> {
  const { status, body } = await person.post(`${BASE}/status`)
  expect(status, JSON.stringify(body)).toBe(200)
  return body.tasks[id]
}

async function historyOf(person: Person, input: object = { task_id: 'errand' }): Promise<Wire> {
  const { status, body } = await person.post(`${BASE}/history`, input)
  expect(status, JSON.stringify(body)).toBe(200)
  return body
}

/** Milliseconds from a server's now to its next noon, UTC. */
function untilNoon(now: number): number {
  const noon = new Date(now).setUTCHours(12, 0, 0, 0)
  return noon > now ? noon - now : noon + DAY - now
}

describe('the status of the tasks', () => {
  test('tells what there is, when it runs and how it went', async () => {
    const errand = new Errand()
    await using server = await startServer({ prepare: errand.register })
    const owner = await server.person('owner')
    expect(await statusOf(owner)).toEqual({
      registered: true,
      enabled: true,
      next_run: new Date(server.ctx.clock() + untilNoon(server.ctx.clock()))
        .toISOString()
        .replace('Z', '+00:00'),
      running: false,
      runs: 0,
      errors: 0,
      last_run: null,
      last_error: null,
      total_runtime: 0,
      name: 'Errand',
      description: 'What a test wants done.',
      schedule: '0 12 * * *',
      schedule_label: 'Every noon',
      progress: null,
    })
    const { body } = await owner.post(`${BASE}/status`)
    expect(Object.keys(body.tasks)).toEqual(
      expect.arrayContaining(['auth_token_cleanup', 'message_retention', 'database_upkeep', 'errand']),
    )
  })

  test('and all else about them is for those with the privilege', async () => {
    await using server = await startServer({ prepare: new Errand().register })
    const [owner, admin, moderator, user] = (await server.people('owner', 'admin', 'moderator', 'user')) as [
      Person,
      Person,
      Person,
      Person,
    ]
    await assignRole(server.ctx, 'admin', 'admin')
    await assignRole(server.ctx, 'moderator', 'moderator')
    const calls = {
      status: {},
      run: { task_id: 'none' },
      toggle: { task_id: 'none', enabled: true },
      history: {},
    }
    for (const [call, input] of Object.entries(calls)) {
      const path = `${BASE}/${call}`
      const found = call === 'status' || call === 'history' ? 200 : 404
      expect((await request(server, 'POST', path, { json: input })).status).toBe(401)
      expect((await user.post(path, input)).status).toBe(403)
      expect((await moderator.post(path, input)).status).toBe(403)
      expect((await admin.post(path, input)).status).toBe(found)
      expect((await owner.post(path, input)).status).toBe(found)
    }
    for (const bad of [{}, { task_id: '' }, { task_id: 7 }]) {
      expect((await owner.post(`${BASE}/run`, bad)).status).toBe(422)
    }
    expect((await owner.post(`${BASE}/history`, { before: 'nothing' })).status).toBe(404)
  })
})

describe('a run that was asked for', () => {
  test('is waited for, and stands in the history and in the audit log', async () => {
    const errand = new Errand()
    await using server = await startServer({ prepare: errand.register })
    const owner = await server.person('owner')
    const answer = owner.post(`${BASE}/run`, { task_id: 'errand' })
    const run = await errand.next()
    expect(await statusOf(owner)).toMatchObject({ running: true, runs: 0 })
    server.passTime(1500)
    run.succeed({ removed: 3 })
    expect(await answer).toMatchObject({
      status: 200,
      body: { status_code: 200, message: "Background task 'errand' executed successfully" },
    })
    const { runs, next_before } = await historyOf(owner)
    expect(next_before).toBeNull()
    expect(runs).toEqual([
      {
        run_id: expect.any(String),
        task_id: 'errand',
        state: 'done',
        requested_by: { id: owner.id, username: 'owner' },
        created_at: expect.any(String),
        started_at: expect.any(String),
        ended_at: expect.any(String),
        duration: expect.any(Number),
        progress: null,
        result: { removed: 3 },
        error: null,
      },
    ])
    expect(runs[0].duration).toBeGreaterThanOrEqual(1.5)
    const after = await statusOf(owner)
    expect(after).toMatchObject({ running: false, runs: 1, errors: 0, last_run: runs[0].started_at })
    expect(after.total_runtime).toBe(runs[0].duration)
    const audit = await owner.get('/api/v1/system/audit-log', { query: { action: 'task.requested' } })
    expect(audit.body.entries).toMatchObject([
      { actor: { id: owner.id }, target: { type: 'task', id: 'errand' } },
    ])
  })

  test('tells why it failed, until it goes well again', async () => {
    const errand = new Errand()
    await using server = await startServer({ prepare: errand.register })
    const owner = await server.person('owner')
    for (const failures of [1, 2]) {
      const answer = owner.post(`${BASE}/run`, { task_id: 'errand' })
      ;(await errand.next()).fail('the disk is full')
      expect(await answer).toMatchObject({
        status: 400,
        body: { detail: "Background task 'errand' failed: the disk is full" },
      })
      expect(await statusOf(owner)).toMatchObject({
        runs: failures,
        errors: failures,
        last_error: 'the disk is full',
      })
    }
    const answer = owner.post(`${BASE}/run`, { task_id: 'errand' })
    ;(await errand.next()).succeed()
    expect((await answer).status).toBe(200)
    expect(await statusOf(owner)).toMatchObject({ runs: 3, errors: 2, last_error: null })
    expect((await historyOf(owner)).runs.map(({ state }: Wire) => state)).toEqual([
      'done',
      'failed',
      'failed',
    ])
  })

  test('is one run, however many ask for it at once', async () => {
    const errand = new Errand()
    await using server = await startServer({ prepare: errand.register })
    const owner = await server.person('owner')
    const ask = () => owner.post(`${BASE}/run`, { task_id: 'errand' })
    const answers = Array.from({ length: 6 }, ask)
    const run = await errand.next()
    answers.push(ask())
    await statusOf(owner)
    expect(errand.begun).toHaveLength(1)
    run.succeed()
    // Whoever is heard only now, when it is over, gets a run of their own.
    void (async () => {
      for (;;) (await errand.next()).succeed()
    })()
    for (const { status } of await Promise.all(answers)) expect(status).toBe(200)
  })
})

describe('a task by itself', () => {
  test('runs when its time has come, once, and again the day after', async () => {
    const errand = new Errand()
    await using server = await startServer({ prepare: errand.register })
    const owner = await server.person('owner')
    const wait = untilNoon(server.ctx.clock())
    server.passTime(wait - 60_000)
    // The session may have expired meanwhile, and so might the task have run.
    const signedIn = await owner.signIn()
    expect(await statusOf(signedIn)).toMatchObject({ running: false, runs: 0 })
    server.passTime(60_000)
    ;(await errand.next()).succeed({ count: 1 })
    await expect.poll(() => statusOf(signedIn)).toMatchObject({ runs: 1 })
    const next = Date.parse((await statusOf(signedIn)).next_run) - server.ctx.clock()
    expect(next).toBeGreaterThan(DAY - 120_000)
    expect(next).toBeLessThanOrEqual(DAY)
    expect((await historyOf(signedIn)).runs).toMatchObject([{ requested_by: null, result: { count: 1 } }])
    server.passTime(next)
    ;(await errand.next()).succeed()
    expect(errand.begun).toHaveLength(2)
  })

  test('runs once at the start for all the times that it missed', async () => {
    await using place = await newPlace()
    const before = await startServer({ place, prepare: new Errand().register })
    await before.stop()
    const errand = new Errand()
    await using server = await startServer({ place, clock: { offset: 5 * DAY }, prepare: errand.register })
    ;(await errand.next()).succeed()
    const owner = await server.person('owner')
    await expect.poll(() => statusOf(owner)).toMatchObject({ runs: 1, running: false })
    expect(Date.parse((await statusOf(owner)).next_run)).toBeGreaterThan(server.ctx.clock())
    expect(errand.begun).toHaveLength(1)
  })

  test('follows the time zone of the server', async () => {
    const errand = new Errand()
    await using server = await startServer({
      prepare: errand.register,
      env: { TASKS_TIME_ZONE: 'Asia/Kolkata' },
    })
    const { next_run } = await statusOf(await server.person('owner'))
    expect(next_run).toMatch(/T06:30:00.000\+00:00$/)
  })

  test('does not run while it is disabled, unless somebody asks for it', async () => {
    const errand = new Errand()
    await using server = await startServer({ prepare: errand.register })
    const owner = await server.person('owner')
    const toggle = async (enabled: boolean) =>
      expect(await owner.post(`${BASE}/toggle`, { task_id: 'errand', enabled })).toMatchObject({
        status: 200,
        body: {
          task_id: 'errand',
          enabled,
          message: `Background task 'errand' ${enabled ? 'enabled' : 'disabled'}`,
        },
      })
    await toggle(false)
    await toggle(false)
    expect(await statusOf(owner)).toMatchObject({ enabled: false, next_run: null })
    server.passTime(3 * DAY)
    const signedIn = await owner.signIn()
    Object.assign(owner, { token: signedIn.token })
    const answer = owner.post(`${BASE}/run`, { task_id: 'errand' })
    ;(await errand.next()).succeed()
    expect((await answer).status).toBe(200)
    expect(await statusOf(owner)).toMatchObject({ enabled: false, next_run: null, runs: 1 })
    server.passTime(3 * DAY)
    Object.assign(owner, { token: (await owner.signIn()).token })
    await toggle(true)
    const now = server.ctx.clock()
    const { next_run } = await statusOf(owner)
    expect(Date.parse(next_run) - now).toBeLessThanOrEqual(untilNoon(now))
    expect(errand.begun).toHaveLength(1)
    const audit = await owner.get('/api/v1/system/audit-log', { query: { target_id: 'errand' } })
    expect(audit.body.entries.map(({ action }: Wire) => action)).toEqual([
      'task.enabled',
      'task.requested',
      'task.disabled',
    ])
    server.passTime(untilNoon(now))
    ;(await errand.next()).succeed()
  })
})

test('progress is told to those who look after tasks, on their sockets and in the status', async () => {
  const errand = new Errand()
  await using server = await startServer({ prepare: errand.register })
  const [owner, user] = (await server.people('owner', 'user')) as [Person, Person]
  const channel = await owner.createChannel('general')
  using socket = await owner.connect()
  using other = await user.connect()
  using narrow = await owner.connect({ channel })
  const answer = owner.post(`${BASE}/run`, { task_id: 'errand' })
  const run = await errand.next()
  expect(await socket.next('background_task')).toMatchObject({
    task_id: 'errand',
    state: 'running',
    progress: null,
  })
  run.progress(1, 3, 'first')
  const progress = { done: 1, total: 3, percent: 33, note: 'first' }
  expect(await socket.next('background_task')).toMatchObject({ state: 'running', progress })
  expect(await statusOf(owner)).toMatchObject({ running: true, progress })
  run.progress(2, 3)
  run.progress(3, 3)
  expect(await socket.next('background_task')).toMatchObject({
    progress: { done: 3, percent: 100, note: null },
  })
  run.succeed()
  await answer
  expect(await socket.next('background_task')).toMatchObject({
    state: 'done',
    error: null,
    timestamp: expect.any(String),
  })
  for (const deaf of [other, narrow]) {
    expect((await deaf.settled()).filter(({ type }) => type === 'background_task')).toEqual([])
  }
})

test('a run that the end of the server cut off is run again by the next one', async () => {
  await using place = await newPlace()
  const cutOff = new Errand()
  const before = await startServer({ place, prepare: cutOff.register })
  const owner = await before.person('owner')
  void owner.post(`${BASE}/run`, { task_id: 'errand' }).catch(() => {})
  await cutOff.next()
  await before.stop()
  const errand = new Errand()
  await using server = await startServer({ place, prepare: errand.register })
  ;(await errand.next()).succeed()
  const { body } = await request(server, 'POST', '/api/v1/users/signin', {
    json: { username: 'owner', password: owner.password },
  })
  server.secrets.add(body.auth_token)
  const history = () =>
    request(server, 'POST', `${BASE}/history`, { token: body.auth_token, json: { task_id: 'errand' } })
  await expect
    .poll(async () => (await history()).body.runs.map(({ state }: Wire) => state))
    .toEqual(['done', 'interrupted'])
  const { runs } = (await history()).body
  expect(runs.map((run: Wire) => run.requested_by.id)).toEqual([owner.id, owner.id])
})

test('the history has pages, of one task or of all, and keeps the last 200 runs of each', async () => {
  const errand = new Errand()
  await using server = await startServer({ prepare: errand.register })
  const owner = await server.person('owner')
  const old = Array.from({ length: 205 }, () => newId())
  await server.ctx.db.transact(async (tx) => {
    for (const id of old) {
      const row = { id, task_id: 'errand', state: 'done', created_at: 1, started_at: 1, ended_at: 2 } as const
      await tx
        .insertInto('task_run')
        .values({ ...row, requested_by: null })
        .execute()
    }
  })
  const answer = owner.post(`${BASE}/run`, { task_id: 'errand' })
  ;(await errand.next()).succeed()
  await answer
  await owner.runTask('key_rotation')
  const seen: string[] = []
  let before: string | null = null
  do {
    const page = await historyOf(owner, { task_id: 'errand', limit: 90, before })
    seen.push(...page.runs.map(({ run_id }: Wire) => run_id))
    before = page.next_before
  } while (before !== null)
  expect(seen).toHaveLength(200)
  expect(seen.slice(1)).toEqual(old.toReversed().slice(0, 199))
  expect((await historyOf(owner, { limit: 2 })).runs.map(({ task_id }: Wire) => task_id)).toEqual([
    'key_rotation',
    'errand',
  ])
})

test.runIf(inject('database') === 'postgres')('of several servers one runs a task', async () => {
  await using place = await newPlace()
  const errands = [new Errand(), new Errand()] as const
  const env = { PUBLIC_ORIGIN: 'https://chat.example' }
  await using one = await startServer({ place, env, prepare: errands[0].register })
  await using two = await startServer({ place, env, prepare: errands[1].register })
  const owner = await one.person('owner')
  const wait = untilNoon(one.ctx.clock())
  one.passTime(wait)
  two.passTime(wait)
  const run = await Promise.race(errands.map((errand) => errand.next()))
  // What one of them is told to run, the other may already do.
  const signedIn = await owner.signIn()
  const asked = request(two, 'POST', `${BASE}/run`, { token: signedIn.token, json: { task_id: 'errand' } })
  await statusOf(signedIn)
  run.succeed()
  expect((await asked).status).toBe(200)
  await expect.poll(() => statusOf(signedIn)).toMatchObject({ runs: 1, running: false })
  expect(errands[0].begun.length + errands[1].begun.length).toBe(1)
})
