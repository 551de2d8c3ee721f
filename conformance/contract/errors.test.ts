import { describe, expect, test } from 'vitest'
import { call, expectError, expectSuccess } from '../support/api.ts'
import { Person } from '../support/people.ts'

describe('every answer', () => {
  test('of an error is {"detail": "…"}, with a request id and for any origin', async () => {
    const person = await Person.signUp()
    const answers = [
      await call('POST', '/api/v1/users/profile'),
      await call('POST', '/api/v1/users/profile', { token: 'nonsense' }),
      await call('GET', '/api/v1/nothing-here'),
      await call('DELETE', '/api/v1/users/signup'),
      await call('POST', '/api/v1/users/signup', { json: {} }),
      await call('POST', '/api/v1/users/signup', {
        raw: '{',
        headers: { 'content-type': 'application/json' },
      }),
      await person.call('POST', '/api/v1/channels/create/', { json: { channel_name: 'x' } }),
    ]
    for (const answer of answers) {
      expectError(answer, 400, 401, 403, 404, 405, 422)
      expect(answer.headers.get('x-request-id')).toBeTruthy()
      expect(answer.headers.get('access-control-allow-origin')).toBeTruthy()
    }
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 404, 405, 422, 400, 403])
  })

  test('tells how much of the rate limit is left', async () => {
    const { headers } = await call('GET', '/api/v1/info')
    for (const name of ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'])
      expect(headers.get(name), name).toMatch(/^\d+$/)
    expect(Number(headers.get('x-ratelimit-remaining'))).toBeLessThan(
      Number(headers.get('x-ratelimit-limit')),
    )
  })

  test('?debug=1 adds to errors only', async () => {
    const wrong = await call('GET', '/api/v1/nothing-here', { query: { debug: 1 } })
    expectError(wrong, 404)
    expect(Object.keys(wrong.body).length).toBeGreaterThan(1)
    expectSuccess(await call('GET', '/api/v1/info', { query: { debug: 1 } }), 200)
  })

  test('the documentation is at /docs and /openapi.json', async () => {
    expect((await call('GET', '/docs')).status).toBeLessThan(400)
    const { status, body } = await call('GET', '/openapi.json')
    expect([status, body.openapi]).toEqual([200, expect.stringMatching(/^3\./)])
  })

  test('/ and /api/v1 lead to info', async () => {
    for (const path of ['/', '/api/v1']) {
      const { status, headers } = await call('GET', path)
      expect([status, headers.get('location')]).toEqual([307, '/api/v1/info'])
    }
    expectSuccess(await call('GET', '/api/v1/info'), 200)
  })
})

/** Every operation of the reference, to be found in the description of the API. */
const reference = `
POST /api/v1/auth/refresh
POST /api/v1/auth/revoke
POST /api/v1/auth/decentralized/challenge
POST /api/v1/auth/decentralized/verify
POST /api/v1/auth/decentralized/introspect
POST /api/v1/auth/decentralized/revoke
GET /api/v1/users/signin
POST /api/v1/users/signin
POST /api/v1/users/signup
POST /api/v1/users/profile
PUT /api/v1/users/profile
POST /api/v1/users/profile/reset-auth-token
POST /api/v1/users/profile/avatar
POST /api/v1/users/profile/banner
GET /api/v1/channels
POST /api/v1/channels/list
POST /api/v1/channels/create
DELETE /api/v1/channels/{}/delete
PUT /api/v1/channels/{}/add_user
DELETE /api/v1/channels/{}/remove_user
GET /api/v1/channels/{}/load_messages
POST /api/v1/channels/{}/send_message
PUT /api/v1/channels/{}/mark_message_as_read
DELETE /api/v1/channels/{}/delete_message
POST /api/v1/channels/{}/join-audio
POST /api/v1/channels/{}/leave-audio
GET /api/v1/channels/{}/audio-status
GET /.well-known/webfinger
GET /ap/users/{}
GET /ap/users/{}/outbox
POST /ap/users/{}/inbox
POST /ap/inbox
POST /api/v1/federation/follow
POST /api/v1/dms/send
GET /api/v1/dms/messages
POST /api/v1/storage/upload
POST /api/v1/storage/files
POST /api/v1/storage/file-info
POST /api/v1/storage/delete-file
GET /api/v1/cdn/file/{}
GET /api/v1/storage/file/{}
POST /api/v1/storage/cleanup-orphaned
POST /api/v1/blocked-ips/list
POST /api/v1/blocked-ips/block
POST /api/v1/blocked-ips/unblock
GET /api/v1/system/server-info
GET /api/v1/system/server-stats
POST /api/v1/system/server-usage
PUT /api/v1/system/server-info
POST /api/v1/system/upload-avatar
POST /api/v1/system/upload-banner
POST /api/v1/system/charts/user-registrations
POST /api/v1/system/charts/message-activity
POST /api/v1/system/charts/online-users
POST /api/v1/system/charts/channel-creation
POST /api/v1/system/charts/user-status
POST /api/v1/system/recent-activity
POST /api/v1/system/activity-metrics
POST /api/v1/system/server-overview
POST /api/v1/background-tasks/status
POST /api/v1/background-tasks/run
GET /api/v1/info
GET /api/v1/system/latest-release
`
  .trim()
  .split('\n')

test.each(reference)('%s is described', async (operation) => {
  const { body } = await call('GET', '/openapi.json')
  const described = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map(
      (method) => `${method.toUpperCase()} ${path.replace(/\{[^}]+\}/g, '{}').replace(/\/$/, '')}`,
    ),
  )
  expect(described).toContain(operation)
})
