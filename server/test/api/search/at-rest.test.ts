import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { find } from '#test/search.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { dumpTables, runSql } from '#test/sql.ts'

/** Everything there is on disk: the files of SQLite byte by byte, the tables of PostgreSQL row by row. */
async function everythingOf(server: TestServer): Promise<string> {
  if (inject('database') === 'postgres') return dumpTables(server)
  const folder = join(server.ctx.config.data_dir, 'db')
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'latin1'))
    .join('\n')
}

test('no word of what was said is on disk, in no form in which it is looked for', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  await owner.send(channel, 'Xylophones playing Zürcher Quodlibets')
  expect(await find(owner, 'xylophone')).toHaveLength(1)
  const everything = (await everythingOf(server)).toLowerCase()
  // It does find what is there in clear.
  expect(everything).toContain('general')
  for (const word of [
    'xylophone',
    'playing',
    'zurcher',
    Buffer.from('zürcher').toString('latin1'),
    'quodlibet',
  ])
    expect(everything).not.toContain(word)
})

test('whoever deletes a message, even beside the server, leaves nothing of it in the index', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const count = async (): Promise<number> => {
    await server.ctx.search.store.settle()
    const [row] = await runSql(server, 'select count(*) as count from search_document')
    return Number(row!['count'])
  }
  const [first] = [await owner.send(channel, 'one word'), await owner.send(channel, 'another word')]
  expect(await count()).toBe(2)
  await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: first } })
  expect(await count()).toBe(1)
  await runSql(server, `delete from message where channel_id = '${channel}'`)
  expect(await count()).toBe(0)
  if (inject('database') === 'sqlite') {
    expect(await runSql(server, 'select count(*) as count from search_index')).toEqual([{ count: 0 }])
  }
  expect(await find(owner, 'word')).toEqual([])
})

test('what was written just before the server stopped is found by the next one', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  await Promise.all(Array.from({ length: 20 }, (_, i) => owner.send(channel, `word ${i}`)))
  await server.stop()
  const env =
    server.ctx.config.database.url === '' ? {} : { PUFFERBLOW_DATABASE_URL: server.ctx.config.database.url }
  const place = { dataDir: server.ctx.config.data_dir, env, [Symbol.asyncDispose]: async () => {} }
  await using next = await startServer({ place })
  const back = await next.ctx.search.find(
    'nobody',
    (blinder) => ({ all: [[[blinder.word('word').exact]]], none: [] }),
    {
      channelIds: [channel],
      since: -Infinity,
      until: Infinity,
      after: undefined,
      limit: 50,
    },
  )
  expect(back).toHaveLength(20)
})
