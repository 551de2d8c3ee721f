import { expect, test } from 'vitest'
import { request, type RequestOptions } from '#test/http.ts'
import { sendRaw } from '#test/raw.ts'
import { startServer, type TestServer } from '#test/server.ts'

interface Described {
  readonly method: string
  readonly path: string
  readonly needsToken: boolean
}

/** Every route that the OpenAPI document describes, with ids of nothing in its path. */
function describedRoutes(server: TestServer): Described[] {
  const { paths } = server.running.openApi() as {
    paths: Record<string, Record<string, { security: unknown[] }>>
  }
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { security }]) => ({
      method: method.toUpperCase(),
      path: path.replace(/\{\w+\}/g, '01890a5d-ac96-774b-bcce-b302099a8057'),
      needsToken: security.length > 0,
    })),
  )
}

test('every answer has an id of its own, whatever the client sends', async () => {
  await using server = await startServer()
  const headers = { 'x-request-id': '11111111-1111-4111-8111-111111111111', 'request-id': 'x' }
  const ids = new Set<string>()
  const ways: [string, string, RequestOptions][] = [
    ['GET', '/api/v1/info', {}],
    ['GET', '/api/v1/nothing', {}],
    ['DELETE', '/api/v1/info', {}],
    ['POST', '/api/v1/users/profile', {}],
    ['POST', '/api/v1/users/signup', { raw: '{', headers: { 'content-type': 'application/json' } }],
    ['GET', '/', { undescribed: true }],
    ['GET', '/docs', { undescribed: true }],
    ['GET', '/metrics', { undescribed: true }],
    ['OPTIONS', '/api/v1/info', { undescribed: true }],
    ['GET', '/%ff', { undescribed: true }],
  ]
  for (const [method, path, options] of ways) {
    const answer = await request(server, method, path, {
      ...options,
      headers: { ...headers, ...options.headers },
    })
    const id = answer.headers.get('x-request-id')
    expect(id, `${method} ${path}`).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    ids.add(id!)
  }
  expect(ids.size).toBe(ways.length)
  expect(ids).not.toContain(headers['x-request-id'])
})

test('every route that needs a token says so when there is none', async () => {
  await using server = await startServer()
  const routes = describedRoutes(server).filter(({ needsToken }) => needsToken)
  expect(routes.length).toBeGreaterThan(10)
  for (const { method, path } of routes) {
    const { status, body } = await request(server, method, path)
    expect(status, `${method} ${path}`).toBe(401)
    expect(body).toEqual({ detail: 'Authentication required' })
    expect((await request(server, method, path, { token: 'x.y.z' })).status).toBe(401)
  }
})

test('every route answers with and without a slash at its end, without a redirect', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  for (const { method, path } of describedRoutes(server)) {
    if (path.includes('/auth/sessions')) continue
    const [without, slashed] = [path.replace(/\/$/, ''), `${path.replace(/\/$/, '')}/`]
    const [one, other] = [
      await request(server, method, without, { token }),
      await request(server, method, slashed, { token }),
    ]
    expect(other.status, `${method} ${slashed}`).toBe(one.status)
    expect(one.status).not.toBe(405)
    expect([301, 302, 307, 308]).not.toContain(one.status)
    expect(one.body.detail).not.toBe('Not Found')
    expect(other.body.detail).toBe(one.body.detail)
  }
  for (const path of ['/api/v1/info//', '//api/v1/info', '/api//v1/info', '/api/v1/info/x', '/API/V1/INFO']) {
    expect((await request(server, 'GET', path)).status, path).toBe(404)
  }
})

test('an unknown address is not found, with any method', async () => {
  await using server = await startServer()
  for (const path of [
    '/nothing',
    '/api',
    '/api/v2/info',
    '/api/v1/users/signin/x',
    '/.env',
    '/..%2f..%2fetc/passwd',
  ]) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      const { status, body } = await request(server, method, path)
      expect(status, `${method} ${path}`).toBe(404)
      expect(body).toEqual({ detail: 'Not Found' })
    }
  }
})

test('a method that an address does not have is refused, with those that it has', async () => {
  await using server = await startServer()
  for (const [path, allowed, refused] of [
    ['/api/v1/info', ['GET', 'HEAD'], ['POST', 'PUT', 'DELETE', 'PATCH', 'PROPFIND']],
    ['/api/v1/info/', ['GET', 'HEAD'], ['POST']],
    ['/api/v1/users/signin', ['GET', 'HEAD', 'POST'], ['PUT', 'DELETE', 'PATCH']],
    ['/api/v1/users/profile', ['POST', 'PUT'], ['GET', 'HEAD', 'DELETE']],
    ['/api/v1/channels/list', ['POST'], ['GET', 'DELETE']],
    ['/api/v1/channels/create/', ['POST'], ['GET', 'PUT']],
    ['/api/v1/channels/x/load_messages', ['GET', 'HEAD'], ['POST']],
    ['/api/v1/channels/x/delete_message', ['DELETE'], ['GET', 'POST']],
    ['/', ['GET', 'HEAD'], ['POST']],
  ] as const) {
    for (const method of refused) {
      const { status, headers, body } = await request(server, method, path, { undescribed: true })
      expect(status, `${method} ${path}`).toBe(405)
      expect(headers.get('allow')!.split(', ').toSorted()).toEqual([...allowed])
      expect(headers.get('access-control-allow-origin')).toBe('*')
      if (method !== 'HEAD') expect(body).toEqual({ detail: 'Method Not Allowed' })
    }
  }
})

test('a header does not turn one method into another', async () => {
  await using server = await startServer()
  const { status } = await request(server, 'GET', '/api/v1/info', {
    headers: { 'x-http-method-override': 'DELETE', 'x-http-method': 'DELETE', 'x-method-override': 'DELETE' },
    query: { _method: 'DELETE' },
  })
  expect(status).toBe(200)
})

test('HEAD answers like GET, without the body', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  for (const path of [
    '/api/v1/info',
    '/healthz',
    '/api/v1/users/list',
    '/openapi.json',
    '/api/v1/channels',
  ]) {
    const [get, head] = [
      await request(server, 'GET', path, { token, undescribed: true }),
      await request(server, 'HEAD', path, { token, undescribed: true }),
    ]
    expect(head.status, path).toBe(200)
    expect(head.text).toBe('')
    for (const name of ['content-type', 'content-length', 'cache-control']) {
      expect(head.headers.get(name), `${path} ${name}`).toBe(get.headers.get(name))
    }
  }
  expect((await request(server, 'HEAD', '/api/v1/users/list', { undescribed: true })).status).toBe(401)
})

test('a page of any origin may call every route, and read the headers it needs', async () => {
  await using server = await startServer()
  for (const path of ['/api/v1/users/signup', '/api/v1/channels/x/delete_message', '/nothing']) {
    const { status, headers, text } = await request(server, 'OPTIONS', path, {
      undescribed: true,
      headers: {
        origin: 'https://chat.example',
        'access-control-request-method': 'DELETE',
        'access-control-request-headers': 'authorization,content-type,x-pufferblow-node-session',
      },
    })
    expect(status, path).toBe(204)
    expect(text).toBe('')
    expect(headers.get('access-control-allow-origin')).toBe('*')
    expect(headers.get('access-control-allow-credentials')).toBeNull()
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      expect(headers.get('access-control-allow-methods')).toContain(method)
    }
    for (const name of ['Authorization', 'Content-Type', 'X-Pufferblow-Node-Session']) {
      expect(headers.get('access-control-allow-headers')).toContain(name)
    }
    expect(headers.get('x-request-id')).not.toBeNull()
  }
  const errors: [string, string, RequestOptions][] = [
    ['GET', '/api/v1/users/list', {}],
    ['GET', '/nothing', {}],
    ['DELETE', '/api/v1/info', {}],
    ['POST', '/api/v1/users/signup', { raw: '{', headers: { 'content-type': 'application/json' } }],
    ['POST', '/api/v1/users/signup', { raw: 'x', headers: { 'content-type': 'text/xml' } }],
    [
      'POST',
      '/api/v1/users/signup',
      { raw: 'x'.repeat(2_000_000), headers: { 'content-type': 'text/plain' } },
    ],
    ['POST', '/api/v1/users/signup', { json: {} }],
  ]
  for (const [method, path, options] of errors) {
    const { status, headers } = await request(server, method, path, {
      ...options,
      headers: { ...options.headers, origin: 'https://chat.example' },
    })
    expect(status).toBeGreaterThanOrEqual(400)
    expect(headers.get('access-control-allow-origin')).toBe('*')
    const exposed = headers.get('access-control-expose-headers')
    for (const name of ['X-Request-ID', 'Retry-After', 'X-RateLimit-Remaining'])
      expect(exposed).toContain(name)
  }
})

test('only pages of the configured origins may call', async () => {
  const [own, app] = ['https://chat.example', 'http://localhost:5173']
  await using server = await startServer({ env: { CORS_ORIGINS: `${own}, ${app}` } })
  const allowed = async (method: string, path: string, origin?: string) => {
    const { headers } = await request(server, method, path, {
      undescribed: true,
      headers: { ...(origin && { origin }), 'access-control-request-method': 'GET' },
    })
    expect(headers.get('vary')).toContain('Origin')
    return headers.get('access-control-allow-origin')
  }
  for (const [method, path] of [
    ['GET', '/api/v1/info'],
    ['GET', '/api/v1/users/list'],
    ['GET', '/nothing'],
    ['DELETE', '/api/v1/info'],
    ['OPTIONS', '/api/v1/info'],
  ] as const) {
    expect(await allowed(method, path, own)).toBe(own)
    expect(await allowed(method, path, app)).toBe(app)
    for (const foreign of [
      'https://evil.example',
      'https://chat.example.evil.example',
      'http://chat.example',
      'null',
    ]) {
      expect(await allowed(method, path, foreign), foreign).toBeNull()
    }
    expect(await allowed(method, path)).toBeNull()
  }
  const [malformed] = await sendRaw(server, 'nonsense\r\n\r\n')
  expect(malformed).toMatchObject({ status: 400 })
  expect(malformed!.headers['access-control-allow-origin']).toBeUndefined()
})

test('what is not HTTP is answered like any other error, and the connection is closed', async () => {
  await using server = await startServer()
  const get = (headers: string): string => `GET /api/v1/info HTTP/1.1\r\nHost: x\r\n${headers}\r\n`
  for (const [request, status] of [
    ['nonsense\r\n\r\n', 400],
    ['GET /api/v1/info HTTP/9.9\r\nHost: x\r\n\r\n', 400],
    ['GET  HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    [get('Bad Header: x\r\n'), 400],
    [get('Content-Length: -1\r\n'), 400],
    [get('Content-Length: 1\r\nContent-Length: 2\r\n'), 400],
    [get(`X-Flood: ${'x'.repeat(20_000)}\r\n`), 431],
    [get('X-Flood: x\r\n'.repeat(3_000)), 431],
    [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ] as const) {
    const answers = await sendRaw(server, request)
    expect(answers, request.slice(0, 60)).toHaveLength(1)
    const [{ status: actual, headers, body }] = answers as [(typeof answers)[0]]
    expect(actual, request.slice(0, 60)).toBe(status)
    expect(headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'access-control-allow-origin': '*',
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'cache-control': 'no-store',
      connection: 'close',
    })
    expect(JSON.parse(body)).toEqual({
      detail: expect.stringMatching(/^The request (is malformed|headers are too large)$/),
    })
  }
  expect((await request(server, 'GET', '/healthz')).status).toBe(200)
})

test('a second request cannot be smuggled in the body of the first', async () => {
  await using server = await startServer()
  const smuggled = 'GET /api/v1/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  for (const headers of [
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    'Transfer-Encoding: xchunked\r\n',
    'Transfer-Encoding : chunked\r\n',
    ' Transfer-Encoding: chunked\r\n',
  ]) {
    const answers = await sendRaw(
      server,
      `POST /api/v1/users/signin HTTP/1.1\r\nHost: x\r\n${headers}\r\n0\r\n\r\n${smuggled}`,
    )
    expect(
      answers.map(({ status }) => status),
      headers,
    ).toEqual([400])
  }
})

test('an address that cannot be decoded, or is too long to be one, gets the usual kind of answer', async () => {
  await using server = await startServer()
  const { token } = await server.person('ann')
  for (const [path, status, detail] of [
    ['/%ff', 400, 'The address is malformed'],
    ['/%', 400, 'The address is malformed'],
    ['/%zz', 400, 'The address is malformed'],
    ['/api/v1/channels/%ff/load_messages', 400, 'The address is malformed'],
    ['/api/v1/channels/%C0%AF/load_messages?auth_token=x', 400, 'The address is malformed'],
    [`/api/v1/channels/${'x'.repeat(501)}/load_messages`, 404, 'Not Found'],
  ] as const) {
    const answer = await request(server, 'GET', path, { token, undescribed: true })
    expect(answer.status, path.slice(0, 60)).toBe(status)
    expect(answer.body).toEqual({ detail })
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
  }
  expect((await request(server, 'GET', '/api/v1/info?x=%ff%zz&%=%')).status).toBe(200)
})

test('what is private is kept out of caches, also when a page was loaded before', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const answer = await ann.get('/api/v1/users/list', {
    headers: { 'if-none-match': '*', 'if-modified-since': new Date().toUTCString() },
  })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(answer.headers.get('etag')).toBeNull()
  expect(answer.headers.get('server')).toBeNull()
  expect(answer.headers.get('x-powered-by')).toBeNull()
})

test('the page for people has all that it needs from this server, and no inline script', async () => {
  await using server = await startServer()
  const get = (path: string) => request(server, 'GET', path, { undescribed: true })
  const page = await get('/docs')
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self';")
  const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path!)
  expect(files).toHaveLength(5)
  for (const file of files) expect((await get(file)).status, file).toBe(200)
  expect((await get('/docs/static/..%2fpackage.json')).status).toBe(404)
  expect((await get('/docs/static/nothing.js')).status).toBe(404)
})
