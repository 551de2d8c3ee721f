import { afterEach, describe, expect, inject, test, vi } from 'vitest'
import type { Database, Tx } from '#db/database.ts'
import { isUniqueViolation } from '#db/errors.ts'
import { pruneEvents } from '#db/prune-events.ts'
import type { Published } from '#events/bus.ts'
import type { ChannelFacts, DomainEvent } from '#events/events.ts'
import { newId } from '#lib/id.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'

afterEach(() => void vi.useRealTimers())

function note(tx: Tx, key: string, value = 'x'): Promise<unknown> {
  return tx.insertInto('server_setting').values({ key, value, updated_at: 1 }).execute()
}

async function notes(db: Pick<Database, 'read'>): Promise<string[]> {
  const rows = await db.read
    .selectFrom('server_setting')
    .select('key')
    .where('key', 'like', 'note %')
    .execute()
  return rows.map(({ key }) => key).toSorted()
}

/** A logged event; nothing else of it need exist. */
function logged(name: string): DomainEvent {
  const channel: ChannelFacts = {
    id: newId(),
    name,
    type: 'text',
    isPrivate: true,
    slowModeSeconds: 0,
    topic: null,
    categoryId: null,
    position: null,
    createdAt: 1,
  }
  return { type: 'channel.created', channel }
}

function nameOf({ event }: Published): string {
  return event.type === 'channel.created' ? event.channel.name : event.type
}

/** Everything that was published from here on. */
function listen({ ctx }: TestServer): Published[] {
  const published: Published[] = []
  ctx.bus.subscribe((one) => void published.push(one))
  return published
}

/** Lets `count` callers go on once all of them have come. */
function barrier(count: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let waiting = 0
  return async () => {
    if (++waiting >= count) resolve()
    await promise
  }
}

test('of many transactions at once, those that fail undo themselves and nothing else', async () => {
  await using server = await startServer()
  const { db } = server.ctx
  const outcomes = await Promise.allSettled(
    Array.from({ length: 150 }, (_, index) =>
      db.transact(async (tx) => {
        await note(tx, `note ${index} a`)
        if (index % 5 === 0) throw new Error(`refused ${index}`)
        if (index % 7 === 0) await note(tx, `note ${index} a`)
        await note(tx, `note ${index} b`)
        return index
      }),
    ),
  )
  const kept: string[] = []
  for (const [index, outcome] of outcomes.entries()) {
    if (index % 5 === 0) expect(outcome).toMatchObject({ reason: { message: `refused ${index}` } })
    else if (index % 7 === 0) expect(outcome).toMatchObject({ status: 'rejected' })
    else {
      expect(outcome).toEqual({ status: 'fulfilled', value: index })
      kept.push(`note ${index} a`, `note ${index} b`)
    }
  }
  expect(await notes(db)).toEqual(kept.toSorted())
})

test('an event leaves after the commit, when everybody can read what it tells of, and never without one', async () => {
  await using server = await startServer()
  const { db, bus } = server.ctx
  const seen: Promise<string[]>[] = []
  bus.subscribe(() => void seen.push(notes(db)))
  let within = 0
  await db.transact(async (tx) => {
    tx.publish(logged('kept'))
    await note(tx, 'note kept')
    within = seen.length
  })
  expect(within).toBe(0)
  expect(await Promise.all(seen)).toEqual([['note kept']])
  const failed = db.transact(async (tx) => {
    tx.publish(logged('lost'))
    tx.publish({ type: 'user.changed', userId: newId() })
    await note(tx, 'note lost')
    throw new Error('no')
  })
  await expect(failed).rejects.toThrow('no')
  const violated = db.transact(async (tx) => {
    tx.publish(logged('violated'))
    await note(tx, 'note kept')
  })
  await expect(violated).rejects.toThrow()
  expect(seen).toHaveLength(1)
  const rows = await db.read.selectFrom('event').selectAll().execute()
  expect(rows).toHaveLength(1)
})

test('events are published in the order of their positions, each committed one once', async () => {
  await using server = await startServer()
  const { db, eventLog } = server.ctx
  const published = listen(server)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 120 }, (_, index) =>
      db.transact(async (tx) => {
        for (let count = 0; count <= index % 3; count++) await note(tx, `note ${index} ${count}`)
        for (let count = 0; count <= index % 2; count++) tx.publish(logged(`${index} ${count}`))
        if (index % 6 === 5) throw new Error('undone')
        // Fails on the way to the commit, with its position taken already.
        if (index % 6 === 4)
          tx.later(tx.insertInto('server_setting').values({ key: null as never, value: '', updated_at: 1 }))
      }),
    ),
  )
  const positions = published.map(({ position }) => position!.pos)
  expect(positions).toEqual(positions.toSorted((a, b) => a - b))
  expect(new Set(positions).size).toBe(positions.length)
  const expected = outcomes.flatMap((outcome, index) =>
    outcome.status === 'fulfilled'
      ? Array.from({ length: (index % 2) + 1 }, (_, count) => `${index} ${count}`)
      : [],
  )
  expect(published.map(nameOf).toSorted()).toEqual(expected.toSorted())
  const rows = await db.read.selectFrom('event').select('pos').orderBy('pos').execute()
  expect(rows.map(({ pos }) => pos)).toEqual(positions)
  // What comes next is not held up by what failed.
  await db.transact(async (tx) => tx.publish(logged('next')))
  expect(nameOf(published.at(-1)!)).toBe('next')
  expect(eventLog.head).toBe(published.at(-1)!.position!.pos)
})

test('a transaction that gets in the way of another is run again, and both are done', async () => {
  await using server = await startServer()
  const { db } = server.ctx
  await db.transact(async (tx) => {
    await note(tx, 'note a', '0')
    await note(tx, 'note b', '0')
  })
  const published = listen(server)
  const meet = barrier(inject('database') === 'postgres' ? 2 : 1)
  let runs = 0
  const addOne = async (tx: Tx, key: string): Promise<void> => {
    const { value } = await tx
      .selectFrom('server_setting')
      .select('value')
      .where('key', '=', key)
      .executeTakeFirstOrThrow()
    await tx
      .updateTable('server_setting')
      .set({ value: String(Number(value) + 1) })
      .where('key', '=', key)
      .execute()
  }
  const inOrder = (name: string, first: string, second: string): Promise<void> =>
    db.transact(async (tx) => {
      runs++
      tx.publish(logged(name))
      await addOne(tx, first)
      // Each holds what the other one wants.
      await meet()
      await addOne(tx, second)
    })
  await Promise.all([inOrder('ab', 'note a', 'note b'), inOrder('ba', 'note b', 'note a')])
  if (inject('database') === 'postgres') expect(runs).toBe(3)
  const rows = await db.read.selectFrom('server_setting').selectAll().where('key', 'like', 'note %').execute()
  expect(rows.map(({ value }) => value)).toEqual(['2', '2'])
  expect(published.map(nameOf).toSorted()).toEqual(['ab', 'ba'])
})

describe('a transaction writes nothing more', () => {
  test('once its work has returned', async () => {
    await using server = await startServer()
    const { db } = server.ctx
    let kept: Tx | undefined
    await db.transact(async (tx) => {
      kept = tx
      await note(tx, 'note in time')
    })
    expect(() => note(kept!, 'note late')).toThrow('this transaction is over')
    expect(() => kept!.publish(logged('late'))).toThrow('this transaction is over')
    expect(await notes(db)).toEqual(['note in time'])
  })

  test('once its time is over, and others are not kept waiting', async () => {
    await using server = await startServer()
    const { db } = server.ctx
    const published = listen(server)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { promise: stuck, resolve: goOn } = Promise.withResolvers<void>()
    const { promise: began, resolve: begin } = Promise.withResolvers<void>()
    let late: unknown
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const slow = db.transact(async (tx) => {
      await note(tx, 'note slow')
      tx.publish(logged('slow'))
      begin()
      await stuck
      try {
        await note(tx, 'note late')
      } catch (error) {
        late = error
      }
      end()
    })
    await began
    vi.advanceTimersByTime(60_000)
    vi.useRealTimers()
    await expect(slow).rejects.toThrow('took too long')
    await db.transact((tx) => note(tx, 'note next'))
    goOn()
    await ended
    expect(late).toMatchObject({ message: 'this transaction is over' })
    expect(await notes(db)).toEqual(['note next'])
    expect(published).toEqual([])
  })
})

test('a violated unique index is told by its column', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  await owner.createChannel('general')
  const { db } = server.ctx
  const general = await db.read.selectFrom('channel').selectAll().executeTakeFirstOrThrow()
  const violate = (change: object): Promise<unknown> =>
    db
      .transact((tx) =>
        tx
          .insertInto('channel')
          .values({ ...general, ...change })
          .execute(),
      )
      .then(
        () => undefined,
        (error: unknown) => error,
      )
  const sameName = await violate({ id: newId() })
  expect(isUniqueViolation(sameName)).toBe(true)
  expect(isUniqueViolation(sameName, 'name_key')).toBe(true)
  expect(isUniqueViolation(sameName, 'username_key')).toBe(false)
  const sameId = await violate({ name_key: 'another' })
  expect(isUniqueViolation(sameId)).toBe(true)
  expect(isUniqueViolation(sameId, 'name_key')).toBe(false)
  expect(isUniqueViolation(await violate({ id: newId(), name_key: 'third', type: null }))).toBe(false)
})

test('old events are removed in batches, young ones stay, and positions go on after a restart', async () => {
  await using place = await newPlace()
  const clock = { offset: 0 }
  const first = await startServer({ place, clock })
  const { db } = first.ctx
  for (let count = 0; count < 5; count++) {
    await db.transact(async (tx) => {
      for (let index = 0; index < 500; index++) tx.publish(logged(`old ${count} ${index}`))
    })
  }
  const border = Date.now() + 1000
  clock.offset = 5000
  await db.transact(async (tx) => tx.publish(logged('young')))
  await pruneEvents(db, border, AbortSignal.timeout(10_000))
  expect(await db.read.selectFrom('event').select('pos').execute()).toEqual([{ pos: 2501 }])
  expect(await db.read.selectFrom('event_stream').select(['stream', 'pruned_pos']).execute()).toEqual([
    { stream: 1, pruned_pos: 2500 },
  ])
  await pruneEvents(db, border + 10_000, AbortSignal.timeout(10_000))
  expect(await db.read.selectFrom('event').select('pos').execute()).toEqual([])
  await first.stop()

  await using second = await startServer({ place })
  expect(second.ctx.eventLog.head).toBe(2501)
  const published = listen(second)
  await second.ctx.db.transact(async (tx) => tx.publish(logged('next')))
  expect(published).toMatchObject([{ position: { stream: 1, pos: 2502 } }])
})
