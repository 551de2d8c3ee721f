import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { override } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'

const CATEGORIES = '/api/v1/channels/categories'
const UNKNOWN = '01890000-0000-7000-8000-000000000000'

let server: TestServer
let owner: Person
let ann: Person

beforeAll(async () => {
  server = await startServer()
  ;[owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
})
afterAll(() => server[Symbol.asyncDispose]())

async function createCategory(name: string): Promise<string> {
  const { status, body } = await owner.post(CATEGORIES, { category_name: name })
  expect(status, JSON.stringify(body)).toBe(201)
  return body.category.category_id as string
}

const names = async (person: Person): Promise<string[]> => {
  const { body } = await person.get(CATEGORIES)
  return body.categories.map(({ category_name }: { category_name: string }) => category_name)
}

// oxlint-disable-next-line typescript/no-explicit-any -- channels as they come over the wire
async function list(person: Person): Promise<any[]> {
  return (await person.post('/api/v1/channels/list/')).body.channels
}

const edit = (person: Person, channel: string, json: object) =>
  person.put(`/api/v1/channels/${channel}/update`, { json })

async function lastAct(): Promise<{ action: string; details: unknown }> {
  return (await owner.get('/api/v1/system/audit-log', { query: { limit: 1 } })).body.entries[0]
}

test('a topic is shown to everybody, told and audited, and may be taken away', async () => {
  const channel = await owner.createChannel('topical')
  using socket = await ann.connect({ resume: 'now' })
  await socket.next('ready')
  const { body } = await edit(owner, channel, { topic: '  What we plan\nfor 2027 ' })
  expect(body.channel_data.topic).toBe('What we plan\nfor 2027')
  expect(await socket.next('channel_updated')).toMatchObject({ channel: { topic: 'What we plan\nfor 2027' } })
  expect(await lastAct()).toMatchObject({
    action: 'channel.updated',
    details: { before: { topic: null }, after: { topic: 'What we plan\nfor 2027' } },
  })
  expect((await edit(owner, channel, { topic: '🐡'.repeat(1024) })).status).toBe(200)
  expect((await edit(owner, channel, { topic: 'x'.repeat(1025) })).status).toBe(422)
  expect((await edit(ann, channel, { topic: 'mine' })).status).toBe(403)
  expect((await list(ann)).find(({ channel_id }) => channel_id === channel).topic).toBe('🐡'.repeat(1024))
  expect((await edit(owner, channel, { topic: null })).body.channel_data.topic).toBeNull()
})

describe('categories', () => {
  test('are made, renamed and removed; their channels stay', async () => {
    using socket = await ann.connect()
    const category = await createCategory(' Games ')
    expect(await socket.next('channel_categories_changed')).toEqual({ type: 'channel_categories_changed' })
    expect((await owner.post(CATEGORIES, { category_name: 'GAMES' })).status).toBe(409)
    expect((await owner.post(CATEGORIES, { category_name: ' ' })).status).toBe(422)
    const channel = await owner.createChannel('chess')
    expect((await edit(owner, channel, { category_id: category })).body.channel_data.category_id).toBe(
      category,
    )
    const renamed = await owner.put(`${CATEGORIES}/${category}`, { json: { category_name: 'Play' } })
    expect(renamed.body.category).toEqual({ category_id: category, category_name: 'Play', position: null })
    expect(await lastAct()).toMatchObject({ action: 'category.updated' })
    expect(await names(ann)).toContain('Play')
    using second = await ann.connect({ resume: 'now' })
    await second.next('ready')
    expect((await owner.delete(`${CATEGORIES}/${category}`)).status).toBe(200)
    expect(await second.next('channel_updated')).toMatchObject({
      channel_id: channel,
      channel: { category_id: null },
    })
    expect((await owner.delete(`${CATEGORIES}/${category}`)).status).toBe(404)
    expect(await names(owner)).not.toContain('Play')
  })

  test('of hidden channels alone are not shown', async () => {
    const category = await createCategory('Mergers')
    const channel = await owner.createChannel('merger', { private: true })
    await edit(owner, channel, { category_id: category })
    expect(await names(owner)).toContain('Mergers')
    expect(await names(ann)).not.toContain('Mergers')
    await owner.addMember(channel, ann)
    expect(await names(ann)).toContain('Mergers')
  })

  test('that are removed while channels are moved into them keep none', async () => {
    const category = await createCategory('short-lived')
    const channels = await Promise.all(
      ['race 1', 'race 2', 'race 3'].map((name) => owner.createChannel(name)),
    )
    await Promise.all([
      ...channels.map((channel) => edit(owner, channel, { category_id: category })),
      owner.delete(`${CATEGORIES}/${category}`),
    ])
    expect((await list(owner)).filter(({ category_id }) => category_id === category)).toEqual([])
    expect((await edit(owner, channels[0]!, { category_id: category })).status).toBe(404)
  })
})

test('channels come in the order they were put in, all at once or none', async () => {
  const [one, two] = [await createCategory('one'), await createCategory('two')]
  const ids: string[] = []
  for (const name of ['a', 'b', 'c', 'd', 'e']) ids.push(await owner.createChannel(`order ${name}`))
  const [a, b, c, d, e] = ids as [string, string, string, string, string]
  const order = (person: Person, json: object) => person.put('/api/v1/channels/order', { json })
  const shown = async (): Promise<string[]> =>
    (await list(ann)).map(({ channel_id }) => channel_id).filter((id) => ids.includes(id))
  expect(await shown()).toEqual([a, b, c, d, e])
  const channels = [
    { channel_id: e, position: 0, category_id: null },
    { channel_id: a, position: 2, category_id: one },
    { channel_id: b, position: 1, category_id: one },
    { channel_id: c, position: 9, category_id: two },
  ]
  const categories = [
    { category_id: two, position: 0 },
    { category_id: one, position: 1 },
  ]
  expect((await order(owner, { channels, categories })).status).toBe(200)
  // Those without a category first, in it what was not placed last; then `two`, then `one`.
  expect(await shown()).toEqual([e, d, c, b, a])
  expect((await names(ann)).slice(0, 2)).toEqual(['two', 'one'])
  expect(await lastAct()).toMatchObject({ action: 'channels.arranged', details: { channels, categories } })

  const hidden = await owner.createChannel('order hidden', { private: true })
  for (const [json, status] of [
    [{}, 400],
    [{ channels: [channels[0], channels[0]] }, 400],
    [
      {
        channels: [
          { channel_id: a, position: 5 },
          { channel_id: UNKNOWN, position: 6 },
        ],
      },
      404,
    ],
    [{ channels: [{ channel_id: a, position: 5, category_id: UNKNOWN }] }, 404],
    [
      { channels: [{ channel_id: a, position: 5 }], categories: [{ category_id: UNKNOWN, position: 1 }] },
      404,
    ],
    [{ channels: [{ channel_id: a, position: -1 }] }, 422],
  ] as const)
    expect((await order(owner, json)).status, JSON.stringify(json)).toBe(status)
  expect((await order(ann, { channels: [{ channel_id: a, position: 0 }] })).status).toBe(403)
  expect((await order(ann, { channels: [{ channel_id: hidden, position: 0 }] })).status).toBe(403)
  expect(await shown()).toEqual([e, d, c, b, a])

  // One channel by itself, by whoever has the right in it alone.
  await override(owner, d, ann, { allow: ['edit_channels'] })
  expect((await edit(ann, d, { position: 1, category_id: two })).status).toBe(200)
  expect(await shown()).toEqual([e, d, c, b, a])
  expect((await list(ann)).find(({ channel_id }) => channel_id === d)).toMatchObject({
    position: 1,
    category_id: two,
  })
})
