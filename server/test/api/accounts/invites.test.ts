import { expect, test } from 'vitest'
import { createInvite } from '#features/invites/index.ts'
import { request, type Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'

const signUp = (server: TestServer, username: string, invite_code?: string): Promise<Answer> =>
  request(server, 'POST', '/api/v1/users/signup', {
    json: { username, password: server.secrets.add(crypto.randomUUID()), invite_code },
  })
const invite = async (person: Person, options: object = {}): Promise<string> => {
  const { status, body } = await person.post('/api/v1/invites/create', options)
  expect(status).toBe(201)
  return body.invite.code as string
}
const statuses = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status).toSorted()

test('where registration is by invite, only who has a good one signs up', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const owner = await server.person('owner')
  await owner.put('/api/v1/system/server-info', { json: { registration: 'invite' } })
  expect((await request(server, 'GET', '/api/v1/info')).body.registration).toBe('invite')
  for (const code of [undefined, '', 'nonsense', "' or 1=1 --"]) {
    expect((await signUp(server, 'ann', code)).status).toBe(403)
  }
  const code = await invite(owner, { max_uses: 1, duration_minutes: 60 })
  expect((await signUp(server, 'ann', ` ${code.toUpperCase()} `)).status).toBe(201)
  expect((await signUp(server, 'bob', code)).status).toBe(403)
  const { body } = await owner.post('/api/v1/invites/list')
  expect(body.invites).toMatchObject([{ code, uses: 1, max_uses: 1, created_by: { username: 'owner' } }])
  const short = await invite(owner, { duration_minutes: 60 })
  clock.offset += 3601_000
  expect((await signUp(server, 'bob', short)).status).toBe(403)
})

test('of people who take the last use at the same moment one gets it, and a failed sign-up takes none', async () => {
  await using server = await startServer({ settings: { registration: 'invite' } })
  const { code } = await createInvite(server.ctx, null, { maxUses: 2 })
  expect((await signUp(server, 'owner', code)).status).toBe(201)
  expect((await signUp(server, 'owner', code)).status).toBe(409)
  const answers = await Promise.all(['ann', 'bob', 'cid', 'dan'].map((name) => signUp(server, name, code)))
  expect(statuses(answers)).toEqual([201, 403, 403, 403])
})

test('a revoked invite is worthless, and only who may create users invites', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const code = await invite(owner!)
  for (const path of ['create', 'list', 'revoke']) {
    expect((await ann!.post(`/api/v1/invites/${path}`, { code })).status).toBe(403)
  }
  await owner!.put('/api/v1/system/server-info', { json: { is_private: true } })
  expect((await owner!.post('/api/v1/invites/revoke', { code })).status).toBe(200)
  expect((await owner!.post('/api/v1/invites/revoke', { code })).status).toBe(404)
  expect((await signUp(server, 'bob', code)).status).toBe(403)
  const { body } = await owner!.get('/api/v1/system/audit-log', { query: { target_type: 'invite' } })
  expect(body.entries.map(({ action }: { action: string }) => action)).toEqual([
    'invite.revoked',
    'invite.created',
  ])
  expect(JSON.stringify(body)).not.toContain(code)
})

test('closed means closed, with an invite too; the setting of the server wins over the configuration', async () => {
  await using place = await newPlace()
  const first = await startServer({ place })
  const owner = await first.person('owner')
  const code = await invite(owner)
  await first.stop()
  await using server = await startServer({ place, env: { REGISTRATION: 'closed' } })
  expect((await signUp(server, 'ann', code)).status).toBe(403)
  const again = await request(server, 'POST', '/api/v1/users/signin', {
    json: { username: 'owner', password: owner.password },
  })
  const token = server.secrets.add(again.body.auth_token as string)
  server.secrets.add(again.body.refresh_token as string)
  await request(server, 'PUT', '/api/v1/system/server-info', { token, json: { registration: 'open' } })
  expect((await signUp(server, 'ann')).status).toBe(201)
})
