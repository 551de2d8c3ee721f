import { expect, test } from 'vitest'
import { request, type RequestOptions } from '#test/http.ts'
import { startServer, type TestServer } from '#test/server.ts'

const PROFILE = '/api/v1/users/profile'

/** Whose profile a request gets, or the status when it gets none. */
async function callerOf(server: TestServer, options: RequestOptions): Promise<string | number> {
  const { status, body } = await request(server, 'POST', PROFILE, options)
  return status === 200 ? body.user_data.username : status
}

test('a token may stand in the query, the header, a JSON body and both kinds of form', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  for (const options of [
    { query: { auth_token: token } },
    { token },
    { headers: { authorization: `bearer   ${token}  ` } },
    { json: { auth_token: token } },
    { urlencoded: { auth_token: token } },
    { form: { auth_token: token } },
    { json: { auth_token: `  ${token}\n` } },
  ] satisfies RequestOptions[]) {
    expect(await callerOf(server, options), Object.keys(options).join()).toBe('ann')
  }
  for (const [method, path] of [
    ['GET', '/api/v1/users/list'],
    ['GET', '/api/v1/auth/sessions'],
  ] as const) {
    expect((await request(server, method, path, { token })).status).toBe(200)
    expect((await request(server, method, path, { query: { auth_token: token } })).status).toBe(200)
  }
  for (const options of [
    { token },
    { query: { auth_token: token } },
    { json: { auth_token: token } },
    { urlencoded: { auth_token: token } },
    { form: { auth_token: token } },
  ] satisfies RequestOptions[]) {
    const gone = await request(server, 'DELETE', `/api/v1/auth/sessions/${crypto.randomUUID()}`, options)
    expect(gone.status).toBe(404)
    expect((await request(server, 'PUT', PROFILE, options)).status).toBe(400)
  }
})

test('of several tokens the body’s counts, then the query’s, then the header’s', async () => {
  await using server = await startServer()
  const [ann, bob, cid] = await server.people('ann', 'bob', 'cid')
  const [body, query, header] = [{ auth_token: ann!.token }, { auth_token: bob!.token }, cid!.token]
  expect(await callerOf(server, { json: body, query, token: header })).toBe('ann')
  expect(await callerOf(server, { urlencoded: body, query, token: header })).toBe('ann')
  expect(await callerOf(server, { form: body, query, token: header })).toBe('ann')
  expect(await callerOf(server, { json: body, token: header })).toBe('ann')
  expect(await callerOf(server, { json: {}, query, token: header })).toBe('bob')
  expect(await callerOf(server, { json: {}, token: header })).toBe('cid')
})

test('a bad token is refused even if a good one stands elsewhere', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  expect(await callerOf(server, { json: { auth_token: 'bad' }, query: { auth_token: token }, token })).toBe(
    401,
  )
  expect(await callerOf(server, { json: {}, query: { auth_token: 'bad' }, token })).toBe(401)
})

test('a field without a token is no token', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  for (const nothing of ['', '   ', null, 1, true, {}, [token]]) {
    expect(await callerOf(server, { json: { auth_token: nothing } }), JSON.stringify(nothing)).toBe(401)
    expect(await callerOf(server, { json: { auth_token: nothing }, token })).toBe('ann')
  }
  const twice = `auth_token=${token}&auth_token=${token}`
  const { status } = await request(server, 'POST', `${PROFILE}?${twice}`)
  expect(status).toBe(401)
})

test('a header that is no bearer token is no token', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  for (const authorization of [
    token,
    `Bearer${token}`,
    `Basic ${token}`,
    `Bearer ${token} x`,
    `Bearer "${token}"`,
    `Bearer ${token},${token}`,
    'Bearer',
    'Bearer ',
  ]) {
    expect(await callerOf(server, { headers: { authorization } }), authorization.slice(0, 12)).toBe(401)
  }
  for (const headers of [{ 'x-auth-token': token }, { cookie: `auth_token=${token}` }]) {
    expect(await callerOf(server, { headers })).toBe(401)
  }
})

test('without a token the answer says how to send one', async () => {
  await using server = await startServer()
  const { status, headers, body } = await request(server, 'POST', PROFILE, { json: {} })
  expect(status).toBe(401)
  expect(headers.get('www-authenticate')).toBe('Bearer')
  expect(body).toEqual({ detail: 'Authentication required' })
})
