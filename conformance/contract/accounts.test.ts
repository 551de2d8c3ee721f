import { describe, expect, test } from 'vitest'
import { call, expectError, expectSuccess, placements, type Answer } from '../support/api.ts'
import { Person } from '../support/people.ts'

const ISO_WITH_OFFSET = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)$/

function expectSession({ body }: Answer, message: string): void {
  expect(body.message).toBe(message)
  expect(body.auth_token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
  expect(body.refresh_token.length).toBeGreaterThan(20)
  expect(body.token_type).toBe('Bearer')
  for (const name of ['auth_token_expire_time', 'refresh_token_expire_time'])
    expect(body[name]).toMatch(ISO_WITH_OFFSET)
}

describe('signing up and in', () => {
  test('POST users/signup opens an account and a session', async () => {
    const username = `johndoe-${crypto.randomUUID().slice(0, 8)}`
    const credentials = { username, password: 'mySecurePassword123!' }
    const answer = await call('POST', '/api/v1/users/signup', { json: credentials })
    expectSuccess(answer, 201)
    expectSession(answer, 'Account created successfully')
    expectError(await call('POST', '/api/v1/users/signup', { json: credentials }), 409)
  })

  test('GET users/signin with a query and POST with JSON open a session', async () => {
    const { username, password } = await Person.signUp()
    for (const answer of [
      await call('GET', '/api/v1/users/signin', { query: { username, password } }),
      await call('POST', '/api/v1/users/signin', { json: { username, password } }),
    ]) {
      expectSuccess(answer, 200)
      expectSession(answer, 'Signin successfully')
    }
    for (const wrong of [
      { username, password: 'not the password' },
      { username: `nobody-${crypto.randomUUID()}`, password },
    ])
      expectError(await call('POST', '/api/v1/users/signin', { json: wrong }), 401, 404)
  })

  test('tokens name the server that gave them', async () => {
    const { token } = await Person.signUp()
    const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString('utf8'))
    expect(claims).toMatchObject({ sub: expect.any(String), origin_server: expect.any(String) })
    expect(claims.exp).toBeGreaterThan(claims.iat)
  })
})

describe('sessions', () => {
  test('POST auth/refresh rotates the pair', async () => {
    const person = await Person.signUp()
    const answer = await call('POST', '/api/v1/auth/refresh', {
      json: { refresh_token: person.refreshToken },
    })
    expectSuccess(answer, 200)
    expectSession(answer, 'Token refreshed successfully')
    expect(answer.body.refresh_token).not.toBe(person.refreshToken)
    const profile = await call('POST', '/api/v1/users/profile', { token: answer.body.auth_token })
    expect(profile.body.user_data.user_id).toBe(person.id)
    expectError(await call('POST', '/api/v1/auth/refresh', { json: { refresh_token: 'nonsense' } }), 401)
  })

  test('POST auth/revoke ends the session, and an unknown token is no error', async () => {
    const { refreshToken } = await Person.signUp()
    const revoke = (token: string) => call('POST', '/api/v1/auth/revoke', { json: { refresh_token: token } })
    for (const token of [refreshToken, refreshToken, 'nonsense']) expectSuccess(await revoke(token), 200)
    expectError(await call('POST', '/api/v1/auth/refresh', { json: { refresh_token: refreshToken } }), 401)
  })

  test('POST users/profile/reset-auth-token needs the password', async () => {
    const person = await Person.signUp()
    const path = '/api/v1/users/profile/reset-auth-token'
    const wrong = await person.call('POST', path, { placement: 'body', json: { password: 'wrong password' } })
    expectError(wrong, 401, 404)
    const answer = await person.call('POST', path, { placement: 'body', json: { password: person.password } })
    expectSuccess(answer, 200)
    expectSession(answer, 'auth_token reset successfully')
    expectError(await person.call('POST', '/api/v1/users/profile'), 401)
  })
})

describe('profiles', () => {
  test('POST users/profile shows oneself and others, without secrets', async () => {
    const [ann, bob] = [await Person.signUp('ann'), await Person.signUp('bob')]
    for (const placement of placements) {
      const own = await ann.call('POST', '/api/v1/users/profile', { placement })
      expectSuccess(own, 200)
      expect(own.body.user_data).toMatchObject({
        user_id: ann.id,
        username: ann.username,
        status: expect.stringMatching(/^(online|idle|afk|dnd|offline)$/),
        origin_server: expect.any(String),
        roles_ids: ['user'],
        joined_servers_ids: [expect.any(String)],
        created_at: expect.stringMatching(ISO_WITH_OFFSET),
      })
    }
    const other = await ann.call('POST', '/api/v1/users/profile', { json: { user_id: bob.id } })
    expect(other.body.user_data.username).toBe(bob.username)
    for (const secret of ['password', 'auth_token', 'raw_auth_token'])
      expect(other.body.user_data).not.toHaveProperty(secret)
    const nobody = await ann.call('POST', '/api/v1/users/profile', { json: { user_id: crypto.randomUUID() } })
    expectError(nobody, 404)
  })

  test('PUT users/profile changes name, status, about and password, by query and by body', async () => {
    const person = await Person.signUp()
    const put = (fields: Record<string, string>, where: 'query' | 'json') =>
      person.call('PUT', '/api/v1/users/profile', { [where]: fields })
    const name = `renamed-${crypto.randomUUID().slice(0, 8)}`
    const renamed = await put({ new_username: name }, 'query')
    expectSuccess(renamed, 200)
    expect(renamed.body.message).toBe('username updated successfully')
    const status = await put({ status: 'away' }, 'json')
    expectSuccess(status, 200)
    expect(status.body).toMatchObject({ message: 'Status updated successfully', status: 'afk' })
    const about = await put({ about: 'Somebody who writes' }, 'query')
    expectSuccess(about, 200)
    expectError(await put({ new_password: 'a new password', old_password: 'a wrong one' }, 'json'), 401)
    const password = await put({ new_password: 'a new password', old_password: person.password }, 'query')
    expectSuccess(password, 200)
    expectError(await put({ status: 'sleeping' }, 'query'), 400, 404, 422)
    expectError(await put({}, 'query'), 400)
    const { body } = await person.call('POST', '/api/v1/users/profile')
    expect(body.user_data).toMatchObject({ username: name, about: 'Somebody who writes', status: 'afk' })
    await Person.signIn(name, 'a new password')
  })

  test('GET users/list lists everybody', async () => {
    const [ann, bob] = [await Person.signUp('ann'), await Person.signUp('bob')]
    const answer = await ann.call('GET', '/api/v1/users/list', { placement: 'query' })
    expectSuccess(answer, 200)
    const ids = answer.body.users.map(({ user_id: id }: { user_id: string }) => id)
    expect(ids).toEqual(expect.arrayContaining([ann.id, bob.id]))
  })
})

describe('pictures of people', () => {
  test.each(['avatar', 'banner'])('POST users/profile/%s takes an image', async (kind) => {
    const person = await Person.signUp()
    const answer = await person.call('POST', `/api/v1/users/profile/${kind}`, {
      placement: 'body',
      form: { file: new File([png], 'me.png', { type: 'image/png' }) },
    })
    expectSuccess(answer, 201)
    const url = answer.body[`${kind}_url`] as string
    const served = await call('GET', url)
    expect(served.status).toBe(200)
    expect(served.headers.get('content-type')).toMatch(/^image\//)
    const { body } = await person.call('POST', '/api/v1/users/profile')
    expect(body.user_data[`${kind}_url`]).toBe(url)
    const fake = new File(['<html></html>'], 'me.png', { type: 'image/png' })
    const refused = await person.call('POST', `/api/v1/users/profile/${kind}`, { form: { file: fake } })
    expectError(refused, 400)
  })
})

/** One pixel. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
