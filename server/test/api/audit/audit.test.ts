import { expect, test } from 'vitest'
import { assignRole } from '#features/accounts/index.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'

const PATH = '/api/v1/system/audit-log'

// oxlint-disable-next-line typescript/no-explicit-any -- entries as they come over the wire
type Entry = any

async function entriesFor(person: Person, query: Record<string, string | number> = {}): Promise<Entry[]> {
  const { status, body } = await person.get(PATH, { query })
  expect(status, JSON.stringify(body)).toBe(200)
  return body.entries
}

/** A channel with a member who came and went: four entries. */
async function happenings(server: TestServer): Promise<{ owner: Person; ann: Person; channel: string }> {
  const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
  const channel = await owner.createChannel('secret', { private: true, members: [ann] })
  await owner.removeMember(channel, ann)
  await owner.delete(`/api/v1/channels/${channel}/delete`)
  return { owner, ann, channel }
}

test('the audit log says who did what to whom, newest first', async () => {
  await using server = await startServer()
  const { owner, ann, channel } = await happenings(server)
  const entries = await entriesFor(owner)
  expect(entries.map(({ action }) => action)).toEqual([
    'channel.deleted',
    'channel.member_removed',
    'channel.member_added',
    'channel.created',
  ])
  expect(entries[1]).toEqual({
    id: expect.any(String),
    at: expect.any(String),
    actor: { id: owner.id, username: 'owner' },
    action: 'channel.member_removed',
    target: { type: 'channel', id: channel },
    details: { user_id: ann.id },
  })
  expect(await owner.post(PATH)).toMatchObject({ status: 200, body: { entries, next_before: null } })
})

test('what the operator does by command line has no actor', async () => {
  await using server = await startServer()
  const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
  await assignRole(server.ctx, 'ann', 'moderator')
  expect(await entriesFor(owner)).toEqual([
    expect.objectContaining({
      actor: null,
      action: 'user.roles_changed',
      target: { type: 'user', id: ann.id },
      details: { before: ['user'], after: ['moderator'] },
    }),
  ])
})

test('entries can be picked by actor, action, target and time', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const { owner, ann, channel } = await happenings(server)
  const [{ at: last }] = await entriesFor(owner)
  clock.offset = 3_600_000
  const later = await (await owner.signIn()).createChannel('later')
  const signedIn = await owner.signIn()
  const actionsFor = async (query: Record<string, string>): Promise<string[]> =>
    (await entriesFor(signedIn, query)).map(({ action, target }) => `${action} ${target.id}`)
  expect(await actionsFor({ actor_id: ann.id })).toEqual([])
  expect(await actionsFor({ actor_id: owner.id, action: 'channel.created' })).toEqual([
    `channel.created ${later}`,
    `channel.created ${channel}`,
  ])
  expect(await actionsFor({ target_type: 'channel', target_id: later })).toEqual([`channel.created ${later}`])
  expect(await actionsFor({ target_type: 'user' })).toEqual([])
  const between = new Date(Date.parse(last) + 1).toISOString()
  expect(await actionsFor({ since: between })).toEqual([`channel.created ${later}`])
  expect(await actionsFor({ until: between })).toHaveLength(4)
  expect(await actionsFor({ until: between, target_id: later })).toEqual([])
})

test('pages follow each other without gap or double, also among entries of one moment', async () => {
  await using server = await startServer()
  const { owner } = await happenings(server)
  const all = await entriesFor(owner)
  const paged: Entry[] = []
  let before: string | undefined
  do {
    const { body } = await owner.get(PATH, { query: { limit: 1, before } })
    expect(body.entries).toHaveLength(1)
    paged.push(...body.entries)
    before = body.next_before ?? undefined
  } while (before !== undefined)
  expect(paged).toEqual(all)
})

test('only who may view the audit log reads it, and nonsense is refused', async () => {
  await using server = await startServer()
  const { owner, ann } = await happenings(server)
  expect(await ann.get(PATH)).toMatchObject({
    status: 403,
    body: { detail: "This needs the privilege 'view_audit_logs'" },
  })
  expect(await owner.get(PATH, { query: { before: 'nothing' } })).toMatchObject({ status: 404 })
  for (const query of [{ limit: 0 }, { limit: 201 }, { since: 'yesterday' }]) {
    expect(await owner.get(PATH, { query }), JSON.stringify(query)).toMatchObject({ status: 422 })
  }
})

test('an act that fails leaves no entry', async () => {
  await using server = await startServer()
  const { owner, ann, channel } = await happenings(server)
  const before = await entriesFor(owner)
  await owner.createChannel('taken')
  await owner.post('/api/v1/channels/create/', { channel_name: 'taken' })
  await owner.delete(`/api/v1/channels/${channel}/delete`)
  await ann.delete(`/api/v1/channels/${channel}/delete`)
  expect((await entriesFor(owner)).length).toBe(before.length + 1)
})

test('entries that are older than the operator keeps them are removed, the others stay', async () => {
  await using server = await startServer({ env: { AUDIT_RETENTION_DAYS: '30' } })
  const { owner } = await happenings(server)
  server.passTime(31 * 24 * 3_600_000)
  const signedIn = await owner.signIn()
  const channel = await signedIn.createChannel('new')
  await signedIn.runTask('audit_log_cleanup')
  const left = (await entriesFor(signedIn)).filter(({ target }) => target.type !== 'task')
  expect(left.map(({ target }) => target.id)).toEqual([channel])
})
