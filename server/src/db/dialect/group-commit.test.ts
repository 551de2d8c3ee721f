import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { DatabaseUnavailableError } from '../errors.ts'
import { GroupCommit, type SendStatement } from './group-commit.ts'
import { SqliteThread } from './sqlite-thread.ts'

interface Setup {
  readonly writer: SqliteThread
  readonly group: GroupCommit
  /** Another connection to the same file. */
  readonly other: DatabaseSync
  /** Runs a transaction and tells how it ended. */
  transact(run: (send: SendStatement) => Promise<void>): Promise<'committed' | Error>
  insert(value: string): Promise<void>
  values(): string[]
}

async function setUp(): Promise<Setup> {
  const folder = mkdtempSync(join(tmpdir(), 'pufferblow-group-'))
  const file = join(folder, 'test.sqlite')
  const writer = new SqliteThread({ file, cacheMb: 1, role: 'writer' }, () => {})
  await writer.run('create table note (value text primary key) strict')
  const other = new DatabaseSync(file, { timeout: 0 })
  onTestFinished(async () => {
    await writer[Symbol.asyncDispose]()
    other.close()
    rmSync(folder, { recursive: true })
  })
  const group = new GroupCommit(writer)
  return {
    writer,
    group,
    other,
    transact: (run) =>
      new Promise((resolve) =>
        group.add({
          run,
          committed: () => resolve('committed'),
          aborted: (error) => resolve(error as Error),
        }),
      ),
    insert: async (value) => {
      await writer.runInTransaction('insert into note values (?)', [value])
    },
    values: () =>
      other
        .prepare('select value from note order by value')
        .all()
        .map(({ value }) => String(value)),
  }
}

const insertSql = 'insert into note values (?)'

test('one of many transactions that fails undoes only itself', async () => {
  const { transact, insert, values } = await setUp()
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      transact(async () => {
        await insert(`${index} first`)
        if (index % 7 === 0) throw new Error(`refused ${index}`)
        await insert(`${index} second`)
      }),
    ),
  )
  for (const [index, outcome] of outcomes.entries()) {
    if (index % 7 === 0) expect(outcome).toMatchObject({ message: `refused ${index}` })
    else expect(outcome).toBe('committed')
  }
  const kept = [...outcomes.keys()].filter((index) => index % 7 !== 0)
  expect(values()).toEqual(kept.flatMap((index) => [`${index} first`, `${index} second`]).toSorted())
})

test('a transaction whose own statement fails is undone, the statement before it too', async () => {
  const { transact, insert, values } = await setUp()
  const outcomes = await Promise.all([
    transact(() => insert('a')),
    transact(async () => {
      await insert('b')
      await insert('a')
    }),
    transact(() => insert('c')),
  ])
  expect(outcomes).toEqual(['committed', expect.objectContaining({ errcode: 1555 }), 'committed'])
  expect(values()).toEqual(['a', 'c'])
})

test('when a transaction is told that it is committed, others can read it', async () => {
  const { group, insert, values } = await setUp()
  const seen: string[][] = []
  for (const value of ['a', 'b', 'c']) {
    group.add({
      run: () => insert(value),
      committed: () => void seen.push(values()),
      aborted: (error) => expect(error).toBeUndefined(),
    })
  }
  await group.idle()
  expect(seen.at(-1)).toEqual(['a', 'b', 'c'])
  expect(seen[0]).toContain('a')
})

test('a statement sent ahead that fails undoes everything it shares the commit with', async () => {
  const { transact, insert, values } = await setUp()
  const outcomes = await Promise.all([
    transact(() => insert('a')),
    transact(async (send) => {
      send(insertSql, ['b'])
      send(insertSql, ['b'])
    }),
  ])
  for (const outcome of outcomes) expect(outcome).toBeInstanceOf(DatabaseUnavailableError)
  expect(values()).toEqual([])
  expect(await transact(() => insert('a'))).toBe('committed')
})

test('what cannot begin writes nothing, though the lock is free by the time its statements run', async () => {
  const { writer, other, transact, values } = await setUp()
  await writer.run('pragma busy_timeout = 50')
  other.exec('begin immediate')
  let late = false
  const outcome = transact(async (send) => {
    send(insertSql, ['ahead'])
    // Answered after the attempt to begin was given up.
    await writer.run('select 1')
    other.exec('rollback')
    late = true
    send(insertSql, ['late'])
    await writer.runInTransaction(insertSql, ['later'])
  })
  expect(await outcome).toBeInstanceOf(DatabaseUnavailableError)
  expect(late).toBe(true)
  expect(values()).toEqual([])
  expect(await transact(async (send) => send(insertSql, ['next']))).toBe('committed')
  expect(values()).toEqual(['next'])
})

test('everybody who waits for a lock that does not come is told at once', async () => {
  const { writer, other, transact, insert } = await setUp()
  await writer.run('pragma busy_timeout = 300')
  other.exec('begin immediate')
  const began = performance.now()
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, index) => transact(() => insert(String(index)))),
  )
  for (const outcome of outcomes) expect(outcome).toBeInstanceOf(DatabaseUnavailableError)
  expect(performance.now() - began).toBeLessThan(40 * 300)
  other.exec('rollback')
  expect(await transact(() => insert('free'))).toBe('committed')
})

test('a full database undoes the whole group and nothing is written beside it', async () => {
  const { writer, transact, insert, values } = await setUp()
  await transact(() => insert('before'))
  await writer.run('pragma max_page_count = 1')
  const big = 'x'.repeat(100_000)
  const outcomes = await Promise.all([
    transact(() => insert('a')),
    transact(async (send) => {
      send(insertSql, [big])
      send(insertSql, ['after the failure'])
    }),
    transact(async () => {
      await insert(`${big} too`)
      await insert('unreached')
    }),
    transact(() => insert('b')),
  ])
  for (const outcome of outcomes.slice(0, 3)) expect(outcome).toBeInstanceOf(DatabaseUnavailableError)
  expect(values().filter((value) => value !== 'b')).toEqual(['before'])
  await writer.run('pragma max_page_count = 100000')
  expect(await transact(() => insert(big))).toBe('committed')
})

test('a statement of a transaction is refused when none is open', async () => {
  const { writer, values } = await setUp()
  await expect(writer.runInTransaction(insertSql, ['stray'])).rejects.toThrow('the transaction is over')
  expect(values()).toEqual([])
})

test('a value that cannot be handed to the thread fails the statement, and the thread goes on', async () => {
  const { writer, insert, transact, values } = await setUp()
  await expect(writer.run(insertSql, [() => {}])).rejects.toThrow('could not be cloned')
  expect(await transact(() => insert('a'))).toBe('committed')
  expect(values()).toEqual(['a'])
})
