import { expect, inject, test } from 'vitest'
import { request } from '#test/http.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

const DAY = 24 * 3_600_000

async function count(server: TestServer, table: string): Promise<number> {
  const [row] = await runSql(server, `select count(*) as count from ${table}`)
  return Number(row!['count'])
}

test('every task of the server can be run on an empty server, and tells what it did', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const { body } = await owner.post('/api/v1/background-tasks/status')
  for (const id of Object.keys(body.tasks)) {
    await owner.runTask(id)
    const { body: history } = await owner.post('/api/v1/background-tasks/history', { task_id: id })
    expect(history.runs[0], id).toMatchObject({ state: 'done', error: null, result: expect.any(Object) })
  }
})

test('sessions go a day after they ended, with their tokens; living ones stay', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const other = await owner.signIn()
  await request(server, 'POST', '/api/v1/auth/revoke', { json: { refresh_token: other.refreshToken } })
  await owner.runTask('auth_token_cleanup')
  expect(await count(server, 'session')).toBe(2)
  server.passTime(DAY + 60_000)
  const again = await owner.signIn()
  await again.runTask('auth_token_cleanup')
  expect([await count(server, 'session'), await count(server, 'refresh_token')]).toEqual([2, 2])
})

test('events go when they are too old to resume from', async () => {
  await using server = await startServer({ env: { GATEWAY_EVENT_RETENTION_HOURS: '1' } })
  const owner = await server.person('owner')
  await owner.createChannel('old')
  server.passTime(2 * 3_600_000)
  const signedIn = await owner.signIn()
  await signedIn.createChannel('new')
  await signedIn.runTask('event_log_cleanup')
  expect(await count(server, 'event')).toBe(1)
})

test('dead letters go after 30 days', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const letter = {
    type: 'test',
    payload: '{}',
    queue: null,
    key: null,
    failures: 1,
    reason: 'no',
    created_at: 1,
  }
  const now = server.ctx.clock()
  await server.ctx.db.transact((tx) =>
    tx
      .insertInto('dead_letter')
      .values([29, 31].map((days) => ({ ...letter, id: days, died_at: now - days * DAY })))
      .execute(),
  )
  await owner.runTask('dead_letter_cleanup')
  expect(await runSql(server, 'select reason from dead_letter')).toHaveLength(1)
})

test('a key for messages is replaced after 30 days, and old messages can still be read', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  await owner.send(channel, 'with the old key')
  const before = server.ctx.keyring.current('message').kid
  server.passTime(31 * DAY)
  const signedIn = await owner.signIn()
  await signedIn.runTask('key_rotation')
  expect(server.ctx.keyring.current('message').kid).not.toBe(before)
  await signedIn.send(channel, 'with the new key')
  expect(await signedIn.load(channel)).toEqual(['with the old key', 'with the new key'])
})

test.runIf(inject('database') === 'sqlite')(
  'space that is not used any more goes back to the disk',
  async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const value = JSON.stringify('x'.repeat(1_000_000))
    await server.ctx.db.transact(async (tx) => {
      for (const key of ['a', 'b', 'c', 'd'])
        await tx.insertInto('server_setting').values({ key, value, updated_at: 1 }).execute()
    })
    const pages = async () => Number((await runSql(server, 'pragma page_count'))[0]!['page_count'])
    const full = await pages()
    await server.ctx.db.transact((tx) =>
      tx.deleteFrom('server_setting').where('key', 'in', ['a', 'b', 'c', 'd']).execute(),
    )
    expect(await pages()).toBe(full)
    await owner.runTask('database_upkeep')
    expect(await pages()).toBeLessThan(full / 2)
    const { body } = await owner.post('/api/v1/background-tasks/history', { task_id: 'database_upkeep' })
    expect(body.runs[0].result.freed_pages).toBeGreaterThan(500)
  },
)
