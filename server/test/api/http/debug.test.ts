import { expect, test } from 'vitest'
import { request } from '#test/http.ts'
import { startServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

const TIMES = { request_id: expect.stringMatching(/^[0-9a-f-]{36}$/), elapsed_ms: expect.any(Number) }

test('with ?debug=1 an error tells its id and its time, and nothing else', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'bob')
  const errors = [
    ['GET', '/api/v1/users/list', {}],
    ['GET', '/nothing', {}],
    ['DELETE', '/api/v1/info', {}],
    ['POST', '/api/v1/users/signup', { json: {} }],
    ['POST', '/api/v1/users/signup', { raw: '{', headers: { 'content-type': 'application/json' } }],
    ['POST', '/api/v1/channels/create/', { token: bob!.token, json: {} }],
    ['POST', '/api/v1/users/profile', { token: owner!.token, json: { user_id: 'x' } }],
  ] as const
  for (const [method, path, options] of errors) {
    for (const debug of ['1', 'true']) {
      const { body, headers } = await request(server, method, path, { ...options, query: { debug } })
      expect(body.debug, path).toEqual(TIMES)
      expect(body.debug.request_id).toBe(headers.get('x-request-id'))
    }
    for (const debug of ['0', '', 'yes', '11']) {
      expect(
        (await request(server, method, path, { ...options, query: { debug } })).body.debug,
      ).toBeUndefined()
    }
    expect((await request(server, method, path, options)).body.debug).toBeUndefined()
  }
  expect((await request(server, 'GET', '/api/v1/info', { query: { debug: 1 } })).body.debug).toBeUndefined()
})

test('why the server failed is told to its owner only, and only on request', async () => {
  await using server = await startServer()
  const [owner, bob] = await server.people('owner', 'bob')
  await runSql(server, 'alter table channel rename to mislaid')
  try {
    const list = (token: string, query: Record<string, string> = {}) =>
      request(server, 'POST', '/api/v1/channels/list/', { query: { auth_token: token, ...query } })
    const told = await list(owner!.token, { debug: '1' })
    expect(told.status).toBe(500)
    expect(told.body).toEqual({
      detail: 'Internal server error',
      debug: { ...TIMES, cause: expect.stringMatching(/channel/) },
    })
    expect(server.secrets.foundIn(told.text)).toEqual([])
    for (const answer of [await list(owner!.token), await list(bob!.token)]) {
      expect(answer.status).toBe(500)
      expect(answer.body).toEqual({ detail: 'Internal server error' })
    }
    const others = await list(bob!.token, { debug: '1' })
    expect(others.body).toEqual({ detail: 'Internal server error', debug: TIMES })
    // The operator finds the same id in the log.
    const line = server.logLines
      .map((text) => JSON.parse(text))
      .find(({ request_id }) => request_id === others.body.debug.request_id)
    expect(line).toMatchObject({ msg: 'request failed', route: '/api/v1/channels/list/' })
  } finally {
    await runSql(server, 'alter table mislaid rename to channel')
  }
  expect((await bob!.post('/api/v1/channels/list/')).status).toBe(200)
})

test('somebody without an account learns nothing from a failure', async () => {
  await using server = await startServer()
  await server.person('owner')
  await runSql(server, 'alter table server_setting rename to mislaid')
  try {
    const { status, body } = await request(server, 'GET', '/api/v1/info', { query: { debug: 1 } })
    expect(status).toBe(500)
    expect(body).toEqual({ detail: 'Internal server error', debug: TIMES })
  } finally {
    await runSql(server, 'alter table mislaid rename to server_setting')
  }
})
