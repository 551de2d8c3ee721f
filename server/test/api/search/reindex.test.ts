import { expect, inject, test } from 'vitest'
import { reindex, replaceSearchKey } from '#features/search/index.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'
import { find } from '#test/search.ts'
import { runSql } from '#test/sql.ts'

/** As if the messages were from a time before there was an index. */
async function forgetIndex(server: TestServer): Promise<void> {
  await server.ctx.search.store.settle()
  await runSql(server, 'delete from search_document')
  await runSql(server, 'delete from search_generation')
}

async function count(server: TestServer, table: string, where = 'true'): Promise<number> {
  const [row] = await runSql(server, `select count(*) as count from ${table} where ${where}`)
  return Number(row!['count'])
}

test('a history that is not indexed is indexed in the background, and said to be incomplete until then', async () => {
  await using place = await newPlace()
  let channel: string
  {
    await using server = await startServer({ place })
    const owner = await server.person('owner')
    channel = await owner.createChannel('general')
    await owner.send(channel, 'an old word')
    await forgetIndex(server)
  }
  await using server = await startServer({ place })
  const ann = await server.person('ann')
  await expect.poll(() => find(ann, 'word')).toEqual(['an old word'])
  await expect
    .poll(async () => (await ann.get('/api/v1/search', { query: { q: 'word' } })).body.complete)
    .toBe(true)

  await runSql(server, 'update search_generation set completed_at = null')
  await server.ctx.search.reload()
  const { body } = await ann.get(`/api/v1/channels/${channel}/search`, { query: { q: 'word' } })
  expect(body.truncated_scan).toBe(true)
})

test('what was stopped goes on where it was, and indexes nothing twice', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  await Promise.all(Array.from({ length: 230 }, (_, i) => owner.send(channel, `word ${i}`)))
  await server.ctx.jobs.stop(5000)
  await forgetIndex(server)
  const stop = new AbortController()
  const first = reindex(server.ctx, {
    signal: stop.signal,
    pauseMs: 0,
    onProgress: () => stop.abort(new Error('enough')),
  })
  await expect(first).rejects.toThrow('enough')
  await server.ctx.search.store.settle()
  expect(await count(server, 'search_document')).toBe(200)
  let indexed = 0
  await reindex(server.ctx, {
    signal: new AbortController().signal,
    pauseMs: 0,
    onProgress: (total) => {
      indexed = total
    },
  })
  expect(indexed).toBe(30)
  expect(await find(owner, '"word 229"')).toEqual(['word 229'])
  expect(await find(owner, 'word', { limit: 2 })).toHaveLength(2)
  expect(server.ctx.search.generation.completed_at).not.toBeNull()
})

test('with a new key everything can be found all the time, and the old key is destroyed in the end', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock })
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  await owner.send(channel, 'first word')
  await server.ctx.search.store.settle()
  await replaceSearchKey(server.ctx)
  expect(await find(owner, 'word')).toEqual(['first word'])
  await owner.send(channel, 'second word')
  expect(await find(owner, 'word')).toEqual(['second word', 'first word'])
  expect(await find(owner, '"first word" -second')).toEqual(['first word'])
  const current = server.ctx.search.generation.id
  await expect.poll(() => count(server, 'search_document', `generation = ${current}`)).toBe(2)
  await expect.poll(() => count(server, 'search_generation', 'completed_at is not null')).toBe(2)
  // A message may still come that was made ready with the old key.
  expect(await count(server, 'encryption_key', "purpose = 'search'")).toBe(2)
  clock.offset = 61_000
  server.ctx.jobs.wake()
  await expect.poll(() => count(server, 'encryption_key', "purpose = 'search'")).toBe(1)
  expect(await count(server, 'search_generation')).toBe(1)
  expect(await find(owner, 'word')).toEqual(['second word', 'first word'])
})

test('other languages index everything anew', async () => {
  await using place = await newPlace()
  {
    await using server = await startServer({ place })
    const owner = await server.person('owner')
    await owner.send(await owner.createChannel('general'), 'zwei Katzen')
    expect(await find(owner, 'katze')).toEqual([])
  }
  await using server = await startServer({ place, env: { SEARCH_LANGUAGES: 'german,english' } })
  const ann = await server.person('ann')
  await expect.poll(() => find(ann, 'katze')).toEqual(['zwei Katzen'])
})

test('messages that are sent and deleted meanwhile are in the index, or not, as they should be', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const ids = await Promise.all(Array.from({ length: 120 }, (_, i) => owner.send(channel, `word ${i}`)))
  await server.ctx.jobs.stop(5000)
  await forgetIndex(server)
  const sending = Array.from({ length: 20 }, (_, i) => owner.send(channel, `new word ${i}`))
  const deleting = ids
    .filter((_, i) => i % 3 === 0)
    .map((id) => owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: id } }))
  await Promise.all([
    reindex(server.ctx, { signal: new AbortController().signal, pauseMs: 0 }),
    ...sending,
    ...deleting,
  ])
  await server.ctx.search.store.settle()
  expect(await count(server, 'search_document')).toBe(100)
  if (inject('database') === 'sqlite') expect(await count(server, 'search_index')).toBe(100)
  expect(await find(owner, '"word 1"')).toHaveLength(2)
  expect(await find(owner, '"word 3"')).toEqual(['new word 3'])
})
