import { expect, test } from 'vitest'
import type { Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { createRole, setRoles } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'

const REPORTS = '/api/v1/moderation/reports'
const UNKNOWN = '01890000-0000-7000-8000-000000000000'

async function four(server: TestServer): Promise<[Person, Person, Person, Person]> {
  const people = (await server.people('owner', 'mod', 'ann', 'bob')) as [Person, Person, Person, Person]
  await setRoles(server, people[1], 'moderator')
  return people
}

function reportMessages(by: Person, ids: string[], complaint: object = {}): Promise<Answer> {
  return by.post(`${REPORTS}/messages`, { message_ids: ids, category: 'spam', ...complaint })
}

function reportUser(by: Person, id: string, complaint: object = {}): Promise<Answer> {
  return by.post(`${REPORTS}/users`, { target_user_id: id, category: 'rude', ...complaint })
}

async function queueOf(person: Person, options: object = {}): Promise<Answer['body']> {
  const { status, body } = await person.post(REPORTS, options)
  expect(status, JSON.stringify(body)).toBe(200)
  return body
}

test('messages and people are reported, wait in the queue, and are resolved once', async () => {
  await using server = await startServer()
  const [owner, mod, ann, bob] = await four(server)
  const channel = await owner.createChannel('general')
  using mods = await mod.connect()
  using bobs = await bob.connect()
  const ids = [await bob.send(channel, 'buy now'), await bob.send(channel, 'buy more')]
  const description = 'again and again'
  expect(await reportMessages(ann, [...ids, ids[0]!], { description })).toMatchObject({
    status: 201,
    body: { status_code: 201, message: 'Messages reported successfully', reported_count: 2 },
  })
  expect(await reportUser(ann, bob.id)).toMatchObject({
    status: 201,
    body: { target_user_id: bob.id },
  })
  expect(await mods.next('report_created')).toEqual({
    type: 'report_created',
    report_id: expect.any(String),
    report_type: 'message_report',
  })
  expect(await mods.next('report_created')).toMatchObject({ report_type: 'user_report' })
  const { reports, total } = await queueOf(mod)
  expect(total).toBe(2)
  const open = { status: 'pending', reporter: { id: ann.id, username: 'ann' }, resolved_by: null }
  expect(reports).toMatchObject([
    { type: 'user_report', category: 'rude', target_user: { id: bob.id, username: 'bob' }, ...open },
    {
      type: 'message_report',
      category: 'spam',
      description,
      message_ids: ids,
      channel_ids: [channel],
      sender: { id: bob.id, username: 'bob' },
      messages: [{ message: 'buy now' }, { message: 'buy more' }],
      ...open,
    },
  ])
  const path = `${REPORTS}/${reports[1].id}/resolve`
  const done = await Promise.all([
    mod.post(path, { action: 'warned' }),
    owner.post(path, { action: 'warned' }),
  ])
  expect(done.map(({ status }) => status).toSorted()).toEqual([200, 409])
  expect(await mods.next('report_resolved')).toMatchObject({ report_id: reports[1].id })
  const pending = await queueOf(mod, { status: 'pending' })
  expect(pending).toMatchObject({ total: 1, reports: [{ type: 'user_report' }] })
  expect(await queueOf(mod, { status: 'resolved' })).toMatchObject({
    total: 1,
    reports: [{ status: 'resolved', action: 'warned', reason: null }],
  })
  const { body } = await owner.get('/api/v1/system/audit-log', { query: { action: 'report.resolved' } })
  expect(body.entries).toHaveLength(1)
  const told = (await bobs.settled()).map(({ type }) => type)
  expect(told).not.toContain('report_created')
})

test('messages of several people make a report for each', async () => {
  await using server = await startServer()
  const [owner, mod, ann, bob] = await four(server)
  const channel = await owner.createChannel('general')
  const ids = [await bob.send(channel, 'one'), await owner.send(channel, 'two')]
  expect((await reportMessages(ann, ids)).body.reported_count).toBe(2)
  const { reports } = await queueOf(mod)
  expect(reports.map(({ sender }: Answer['body']) => sender.username).toSorted()).toEqual(['bob', 'owner'])
})

test('only what one sees can be reported, and nothing is noted if one message is not there', async () => {
  await using server = await startServer()
  const [owner, mod, ann, bob] = await four(server)
  const secret = await owner.createChannel('secret', { private: true, members: [bob] })
  const general = await owner.createChannel('general')
  const [hidden, open] = [await bob.send(secret, 'plan'), await bob.send(general, 'hello')]
  const answers = [await reportMessages(ann, [open, hidden]), await reportMessages(ann, [open, UNKNOWN])]
  for (const { status } of answers) expect(status).toBe(404)
  expect(answers[0]!.text.replace(hidden, UNKNOWN)).toBe(answers[1]!.text)
  expect((await reportUser(ann, UNKNOWN)).status).toBe(404)
  expect((await reportUser(ann, ann.id)).status).toBe(400)
  expect((await reportMessages(ann, [])).status).toBe(422)
  expect((await reportMessages(ann, [open], { category: ' ' })).status).toBe(422)
  expect((await reportMessages(ann, [open], { category: 'x'.repeat(101) })).status).toBe(422)
  expect((await reportUser(ann, bob.id, { description: 'x'.repeat(501) })).status).toBe(422)
  expect(await queueOf(mod)).toEqual({ status_code: 200, reports: [], total: 0 })
})

test('reports on what one may not see are not there for one', async () => {
  await using server = await startServer()
  const [owner, mod, ann, bob] = await four(server)
  const reader = await createRole(owner, 'reader', ['moderate_content', 'view_messages'])
  await setRoles(server, bob, reader, 'user')
  const secret = await owner.createChannel('secret', { private: true, members: [ann] })
  using bobs = await bob.connect()
  const id = await owner.send(secret, 'plan')
  await reportMessages(ann, [id])
  expect((await queueOf(mod)).total).toBe(1)
  expect(await queueOf(bob)).toEqual({ status_code: 200, reports: [], total: 0 })
  const report: string = (await queueOf(mod)).reports[0].id
  const resolve = (by: Person, which: string): Promise<Answer> =>
    by.post(`${REPORTS}/${which}/resolve`, { action: 'none' })
  const [hidden, missing] = [await resolve(bob, report), await resolve(bob, UNKNOWN)]
  expect(hidden.status).toBe(404)
  expect(hidden.text.replace(report, UNKNOWN)).toBe(missing.text)
  expect((await bob.post(REPORTS, { before: report })).status).toBe(404)
  expect((await bobs.settled()).map(({ type }) => type)).not.toContain('report_created')
  await owner.addMember(secret, bob)
  expect(await queueOf(bob)).toMatchObject({ total: 1, reports: [{ messages: [{ message: 'plan' }] }] })
  // What was deleted is not shown again by the report on it.
  await owner.delete(`/api/v1/channels/${secret}/delete_message`, { query: { message_id: id } })
  expect(await queueOf(bob)).toMatchObject({ reports: [{ message_ids: [id], messages: [] }] })
  expect((await resolve(bob, report)).status).toBe(200)
})

test('the queue is for those who moderate, in pages, and nobody fills it alone', async () => {
  await using server = await startServer()
  const [owner, mod, ann, bob] = await four(server)
  expect((await ann.post(REPORTS)).status).toBe(403)
  expect((await ann.post(`${REPORTS}/${UNKNOWN}/resolve`, { action: 'none' })).status).toBe(403)
  expect((await mod.post(`${REPORTS}/${UNKNOWN}/resolve`, { action: '' })).status).toBe(422)
  for (let index = 0; index < 5; index++) await reportUser(ann, bob.id, { category: `c${index}` })
  const seen: string[] = []
  let before: string | undefined
  for (;;) {
    const { reports, total } = await queueOf(owner, { limit: 2, ...(before && { before }) })
    expect(total).toBe(5)
    if (reports.length === 0) break
    seen.push(...reports.map(({ category }: { category: string }) => category))
    before = reports.at(-1).id
  }
  expect(seen).toEqual(['c4', 'c3', 'c2', 'c1', 'c0'])
  const rest = await Promise.all(Array.from({ length: 97 }, () => reportUser(ann, bob.id)))
  expect(rest.filter(({ status }) => status === 201)).toHaveLength(95)
  expect(rest.filter(({ status }) => status === 429)).toHaveLength(2)
  expect((await reportUser(bob, ann.id)).status).toBe(201)
})
