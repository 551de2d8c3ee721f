import { expect, test } from 'vitest'
import { newId } from '#lib/id.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

const CROWD = 10_000

/** Accounts that nobody signs in to. @returns their ids */
async function populate({ ctx }: TestServer, count: number): Promise<string[]> {
  const now = ctx.clock() - 1000
  const people = Array.from({ length: count }, (_, index) => ({ id: newId(now), name: `crowd${index}` }))
  for (let from = 0; from < count; from += 500) {
    const some = people.slice(from, from + 500)
    await ctx.db.transact(async (tx) => {
      await tx
        .insertInto('user')
        .values(
          some.map(({ id, name }) => ({
            id,
            username: name,
            username_key: name,
            username_skeleton: name,
            password_hash: '',
            about: null,
            status: 'offline',
            chosen_status: 'online',
            avatar: null,
            banner: null,
            created_at: now,
            updated_at: now,
            last_seen_at: null,
            origin_server: null,
          })),
        )
        .execute()
      await tx
        .insertInto('user_role')
        .values(some.map(({ id }) => ({ user_id: id, role_id: 'user', granted_at: now })))
        .execute()
      await tx
        .insertInto('presence')
        .values(some.map(({ id }) => ({ user_id: id, stream: ctx.eventLog.stream })))
        .execute()
    })
  }
  return people.map(({ id }) => id)
}

test('a message to ten thousand is one row, and one to those of them who are here keeps nobody waiting', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  await populate(server, CROWD)
  const count = async (): Promise<number> =>
    Number((await runSql(server, 'select count(*) as count from notification'))[0]!['count'])

  await owner!.send(channel, '@channel')
  expect(await count()).toBe(1)
  expect(await ann!.get('/api/v1/notifications/unread_count')).toMatchObject({ body: { unread_count: 1 } })

  await owner!.send(channel, '@here')
  // Others get their turn all the while.
  let turns = 0
  while ((await count()) < CROWD + 1) {
    await ann!.send(channel, `turn ${++turns}`)
  }
  expect(turns).toBeGreaterThan(3)
}, 60_000)
