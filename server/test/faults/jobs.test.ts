import { describe, expect, inject, test } from 'vitest'
import type { NewJob } from '#db/job-queue.ts'
import { GiveUp, TryLater } from '#jobs/errors.ts'
import { request } from '#test/http.ts'
import { Person } from '#test/person.ts'
import { Program } from '#test/program.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'
import { Worksite } from '#test/work.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

type Details = Pick<NewJob, 'key' | 'queue' | 'runAt'>

function work(name: string, details: Details = {}): NewJob {
  return { type: 'test.work', payload: { name }, ...details }
}

async function enqueue({ ctx }: TestServer, ...jobs: NewJob[]): Promise<void> {
  await ctx.db.transact(async (tx) => jobs.forEach((job) => tx.enqueue(job)))
}

/** The jobs of the test; the server has jobs of its own, for its tasks. */
function rows({ ctx }: TestServer) {
  return ctx.db.read.selectFrom('job').selectAll().where('type', 'not like', 'task.%').orderBy('id').execute()
}

function deadLetters({ ctx }: TestServer) {
  return ctx.db.read.selectFrom('dead_letter').selectAll().orderBy('id').execute()
}

/** Waits until so many jobs are left of which none runs. */
async function settled(server: TestServer, left = 0): Promise<void> {
  await expect
    .poll(async () => (await rows(server)).map(({ state }) => state), { interval: 5, timeout: 15_000 })
    .toEqual(Array.from({ length: left }, () => expect.not.stringContaining('running')))
}

describe('a job', () => {
  test('is done after the commit, once, and leaves nothing behind', async () => {
    await using server = await startServer()
    const site = new Worksite(server)
    let begun = -1
    await server.ctx.db.transact(async (tx) => {
      tx.enqueue(work('a'))
      await tx.selectFrom('user').selectAll().execute()
      begun = site.begun.length
    })
    expect(begun).toBe(0)
    const first = await site.next()
    expect(first).toMatchObject({ name: 'a', info: { attempt: 1 } })
    expect(await rows(server)).toMatchObject([{ type: 'test.work', state: 'running' }])
    first.succeed()
    await settled(server)
    expect(site.names).toEqual(['a'])
  })

  test('of a transaction that fails does not exist', async () => {
    await using server = await startServer()
    const site = new Worksite(server)
    const failing = server.ctx.db.transact(async (tx) => {
      tx.enqueue(work('never'))
      throw new Error('undone')
    })
    await expect(failing).rejects.toThrow('undone')
    await enqueue(server, work('after'))
    ;(await site.next()).succeed()
    await settled(server)
    expect(site.names).toEqual(['after'])
  })

  test('does not run before its time', async () => {
    await using server = await startServer()
    const site = new Worksite(server)
    await enqueue(server, work('later', { runAt: server.ctx.clock() + HOUR }), work('now'))
    ;(await site.next()).succeed()
    await settled(server, 1)
    server.passTime(HOUR - MINUTE)
    await enqueue(server, work('meanwhile'))
    ;(await site.next()).succeed()
    server.passTime(MINUTE)
    ;(await site.next()).succeed()
    await settled(server)
    expect(site.names).toEqual(['now', 'meanwhile', 'later'])
  })

  test('without a handler waits for one', async () => {
    await using server = await startServer()
    await enqueue(server, work('a'))
    await settled(server, 1)
    const site = new Worksite(server)
    const run = await site.next()
    expect(run.name).toBe('a')
    run.succeed()
    await settled(server)
  })

  test('many in one transaction are all done, whatever they are', async () => {
    await using server = await startServer()
    const site = new Worksite(server, { concurrency: 8 })
    const names = Array.from({ length: 520 }, (_, index) => `job ${index}`)
    await enqueue(
      server,
      ...names.map((name, index) => work(name, index % 200 === 7 ? { key: name, queue: 'q' } : {})),
    )
    for (const _ of names) (await site.next()).succeed()
    await settled(server)
    expect(site.names.toSorted()).toEqual(names.toSorted())
  })
})

describe('a failed job', () => {
  test('climbs its ladder and ends as a dead letter with the reason', async () => {
    await using server = await startServer()
    const site = new Worksite(server, { backoff: [30_000, 2 * MINUTE] })
    await enqueue(server, work('a'))
    ;(await site.next()).fail(new Error('first'))
    for (const [step, before, at] of [
      [2, 29_000, 1000],
      [3, 2 * MINUTE - 1000, 1000],
    ] as const) {
      await settled(server, 1)
      server.passTime(before)
      await enqueue(server, { type: 'test.other', payload: { name: 'between' } })
      const between = await site.next()
      expect(between.name).toBe('between')
      between.succeed()
      await settled(server, 1)
      server.passTime(at)
      const again = await site.next()
      expect(again).toMatchObject({ name: 'a', info: { attempt: step } })
      again.fail(new Error(`failure ${step}`))
    }
    await settled(server)
    expect(await deadLetters(server)).toMatchObject([
      { type: 'test.work', payload: '{"name":"a"}', failures: 3, reason: 'failure 3' },
    ])
  })

  test('waits longer each time, up to its bound', async () => {
    await using server = await startServer()
    const site = new Worksite(server, { attempts: 20, backoff: { firstMs: 1000, maxMs: 60_000 } })
    await enqueue(server, work('a'))
    for (const full of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
      const before = server.ctx.clock()
      ;(await site.next()).fail(new Error('no'))
      await settled(server, 1)
      const [row] = await rows(server)
      const wait = row!.run_at - before
      expect(wait).toBeGreaterThanOrEqual(full / 2)
      expect(wait).toBeLessThanOrEqual(full + 2000)
      server.passTime(wait)
    }
    ;(await site.next()).succeed()
    await settled(server)
    expect(await deadLetters(server)).toEqual([])
  })

  test('that gives up is a dead letter at once; one that was put off keeps its attempts', async () => {
    await using server = await startServer()
    const site = new Worksite(server, { backoff: [1000] })
    const at = server.ctx.clock() + 5 * HOUR
    await enqueue(server, work('busy'))
    ;(await site.next()).fail(new TryLater('their limit', at))
    await settled(server, 1)
    expect(await rows(server)).toMatchObject([{ run_at: at, failures: 0, last_error: 'their limit' }])
    server.passTime(5 * HOUR)
    const again = await site.next()
    expect(again.info.attempt).toBe(1)
    again.fail(new GiveUp('410 Gone'))
    await settled(server)
    expect(await deadLetters(server)).toMatchObject([{ failures: 1, reason: '410 Gone' }])
  })

  test('keeps secrets out of its reason and out of the log', async () => {
    await using server = await startServer()
    const site = new Worksite(server, { attempts: 1 })
    const token = server.secrets.add('abcdefghijklmnop1234567890')
    await enqueue(server, work('a'))
    ;(await site.next()).fail(new Error(`GET https://peer.example/?auth_token=${token} failed`))
    await settled(server)
    const [letter] = await deadLetters(server)
    expect(letter!.reason).toContain('failed')
    expect(letter!.reason).not.toContain(token)
  })
})

describe('jobs of one key', () => {
  test('wait as one, which runs no later than any of them asked', async () => {
    await using server = await startServer()
    const site = new Worksite(server)
    const now = server.ctx.clock()
    await enqueue(server, work('a', { key: 'k', runAt: now + 2 * HOUR }))
    await enqueue(
      server,
      work('b', { key: 'k', runAt: now + HOUR }),
      work('c', { key: 'k', runAt: now + 3 * HOUR }),
    )
    expect(await rows(server)).toMatchObject([{ run_at: now + HOUR, payload: '{"name":"a"}' }])
    server.passTime(HOUR)
    const first = await site.next()
    // One that runs has read what it works on: what is asked for now must be done afterwards.
    await enqueue(server, work('d', { key: 'k' }))
    await enqueue(server, work('e', { key: 'k' }))
    expect(await rows(server)).toHaveLength(2)
    const second = await site.next()
    first.succeed()
    second.succeed()
    await settled(server)
    expect(site.names).toEqual(['a', 'd'])
  })

  test('are one again when the first fails while the second waits, with its failures', async () => {
    await using server = await startServer()
    const site = new Worksite(server, { backoff: [MINUTE, MINUTE], concurrency: 1 })
    await enqueue(server, work('a', { key: 'k' }))
    const first = await site.next()
    await enqueue(server, work('b', { key: 'k' }))
    first.fail(new Error('no'))
    await settled(server, 1)
    expect(await rows(server)).toMatchObject([{ payload: '{"name":"b"}', failures: 1, last_error: 'no' }])
    server.passTime(MINUTE)
    const second = await site.next()
    expect(second).toMatchObject({ name: 'b', info: { attempt: 2 } })
    second.succeed()
    await settled(server)
  })

  test('that are enqueued at the same moment are one', async () => {
    await using server = await startServer()
    const runAt = server.ctx.clock() + HOUR
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        enqueue(server, work(`${index}`, { key: `key ${index % 2}`, runAt: runAt + index })),
      ),
    )
    expect((await rows(server)).map(({ run_at }) => run_at).toSorted()).toEqual([runAt, runAt + 1])
  })
})

describe('jobs of one queue', () => {
  test('run one after the other in their order, while others go on', async () => {
    await using server = await startServer()
    const site = new Worksite(server, { concurrency: 8, backoff: [MINUTE] })
    await enqueue(server, ...[1, 2, 3].map((n) => work(`first ${n}`, { queue: 'first' })))
    await enqueue(server, ...[1, 2].map((n) => work(`second ${n}`, { queue: 'second' })), work('free'))
    const begun = [await site.next(), await site.next(), await site.next()]
    expect(begun.map(({ name }) => name)).toEqual(['first 1', 'second 1', 'free'])
    begun[0]!.fail(new Error('again'))
    begun[1]!.succeed()
    begun[2]!.succeed()
    const next = await site.next()
    expect(next.name).toBe('second 2')
    next.succeed()
    await settled(server, 3)
    server.passTime(MINUTE)
    for (const name of ['first 1', 'first 2', 'first 3']) {
      const one = await site.next()
      expect(one.name).toBe(name)
      expect((await rows(server)).filter(({ state }) => state === 'running')).toHaveLength(1)
      one.succeed()
    }
    await settled(server)
  })

  test('of different types keep their order too', async () => {
    await using server = await startServer()
    const site = new Worksite(server)
    await enqueue(
      server,
      work('a', { queue: 'q' }),
      { type: 'test.other', payload: { name: 'b' }, queue: 'q' },
      work('c', { queue: 'q' }),
    )
    for (const name of ['a', 'b', 'c']) {
      const one = await site.next()
      expect(one.name).toBe(name)
      one.succeed()
    }
    await settled(server)
  })

  test('go on when one of them is given up', async () => {
    await using server = await startServer()
    const site = new Worksite(server, { attempts: 1 })
    await enqueue(server, work('bad', { queue: 'q' }), work('good', { queue: 'q' }))
    ;(await site.next()).fail(new Error('never'))
    const next = await site.next()
    expect(next.name).toBe('good')
    next.succeed()
    await settled(server)
  })

  test('a long queue that is held up does not hold up others of the same type', async () => {
    await using server = await startServer()
    const site = new Worksite(server, { concurrency: 2 })
    await enqueue(server, ...Array.from({ length: 120 }, (_, n) => work(`held ${n}`, { queue: 'q' })))
    const held = await site.next()
    await enqueue(server, work('other'))
    const other = await site.next()
    expect([held.name, other.name]).toEqual(['held 0', 'other'])
    expect((await rows(server)).filter(({ state }) => state === 'waiting')).toEqual([])
    other.succeed()
    held.succeed()
    for (let n = 1; n < 120; n++) (await site.next()).succeed()
    await settled(server)
    expect(site.names.filter((name) => name !== 'other')).toEqual(
      Array.from({ length: 120 }, (_, n) => `held ${n}`),
    )
  })
})

test('no more jobs run at once than there is room for, and one type leaves room for another', async () => {
  // Just after a full five minutes no task of the server comes in between.
  const clock = { offset: 60_000 - (Date.now() % 300_000) }
  await using server = await startServer({ clock, env: { JOBS_CONCURRENCY: '4' } })
  const site = new Worksite(server)
  await enqueue(server, ...Array.from({ length: 10 }, (_, n) => work(`${n}`)))
  const own = [await site.next(), await site.next()]
  await enqueue(server, ...['a', 'b', 'c'].map((name): NewJob => ({ type: 'test.other', payload: { name } })))
  const others = [await site.next(), await site.next()]
  expect(others.map(({ name }) => name)).toEqual(['a', 'b'])
  expect((await rows(server)).filter(({ state }) => state === 'running')).toHaveLength(4)
  own[0]!.succeed()
  expect((await site.next()).name).toBe('2')
  expect(site.begun).toHaveLength(5)
})

test('metrics tell what waits, for how long, and what was given up', async () => {
  await using server = await startServer()
  const figure = async (name: string): Promise<number | undefined> => {
    const { text } = await request(server, 'GET', '/metrics', { undescribed: true })
    const found = new RegExp(`^pufferblow_${name}\\{[^}]*type="test\\.work"[^}]*\\} (\\S+)$`, 'm').exec(text)
    return found ? Number(found[1]) : undefined
  }
  await enqueue(server, work('a'), work('b'), work('later', { runAt: server.ctx.clock() + HOUR }))
  server.passTime(5 * MINUTE)
  expect(await figure('jobs_waiting')).toBe(2)
  const oldest = await figure('job_oldest_seconds')
  expect(oldest).toBeGreaterThanOrEqual(300)
  expect(oldest).toBeLessThan(320)
  expect(await figure('dead_letters')).toBeUndefined()
  const site = new Worksite(server, { attempts: 1 })
  ;(await site.next()).fail(new Error('no'))
  ;(await site.next()).succeed()
  await settled(server, 1)
  expect(await figure('jobs_waiting')).toBeUndefined()
  expect(await figure('dead_letters')).toBe(1)
  expect(await figure('jobs_given_up_total')).toBe(1)
})

describe('a server that stops', () => {
  test('hands back what is running, and its successor does it at once', async () => {
    await using place = await newPlace()
    const before = await startServer({ place })
    const site = new Worksite(before)
    await enqueue(before, work('a', { key: 'k', queue: 'q' }), work('b', { queue: 'q' }))
    const run = await site.next()
    expect(run.info.signal.aborted).toBe(false)
    await before.stop()
    expect(run.info.signal.aborted).toBe(true)
    await using after = await startServer({ place })
    expect(await rows(after)).toMatchObject([{ failures: 0, state: 'waiting' }, { failures: 0 }])
    const next = new Worksite(after)
    for (const name of ['a', 'b']) {
      const again = await next.next()
      expect(again).toMatchObject({ name, info: { attempt: 1 } })
      again.succeed()
    }
    await settled(after)
  })

  test('or was killed leaves nothing undone', async () => {
    await using place = await newPlace()
    const program = await Program.start(place)
    const owner = await Person.signUp(program, 'owner')
    const channels = [await owner.createChannel('one'), await owner.createChannel('two')]
    for (const [index, channel] of channels.entries()) {
      await Promise.all(
        Array.from({ length: [205, 5][index]! }, (_, n) => owner.send(channel, `message ${n}`)),
      )
    }
    await Promise.all(channels.map((channel) => owner.delete(`/api/v1/channels/${channel}/delete`)))
    await program.kill()
    await using server = await startServer({ place })
    await expect
      .poll(() => runSql(server, 'select count(*) as count from message'), { timeout: 10_000 })
      .toEqual([{ count: inject('database') === 'sqlite' ? 0 : '0' }])
    await settled(server)
    expect(await deadLetters(server)).toEqual([])
  })

  test('or whose job kills it again and again gives that job up', async () => {
    await using place = await newPlace()
    const before = await startServer({ place })
    await enqueue(before, work('deadly'))
    await before.stop()
    for (let run = 1; run <= 3; run++) {
      await using server = await startServer({ place })
      const site = new Worksite(server, { backoff: [1000] })
      if (run === 3) {
        await expect.poll(() => deadLetters(server)).toHaveLength(1)
        break
      }
      expect((await site.next()).info.attempt).toBe(run)
      // As if the process had ended here: it never says how the job went.
      await server.ctx.db.transact((tx) =>
        tx
          .updateTable('job')
          .set({ runs: 100 * run })
          .execute(),
      )
    }
  })
})

describe.runIf(inject('database') === 'postgres')('of several servers', () => {
  test('one does each job, and a queue keeps its order', async () => {
    await using place = await newPlace()
    await using one = await startServer({ place })
    await using two = await startServer({ place })
    const sites = [new Worksite(one, { concurrency: 3 }), new Worksite(two, { concurrency: 3 })]
    const begun: string[] = []
    let inQueue = 0
    for (const site of sites) {
      site.each((run) => {
        begun.push(run.name)
        if (run.name.startsWith('queued')) expect(++inQueue).toBe(1)
        setImmediate(() => {
          if (run.name.startsWith('queued')) inQueue--
          run.succeed()
        })
      })
    }
    const queued = Array.from({ length: 30 }, (_, n) => `queued ${n}`)
    const free = Array.from({ length: 120 }, (_, n) => `free ${n}`)
    const enqueueQueued = async (): Promise<void> => {
      for (const [n, name] of queued.entries()) await enqueue(n % 3 ? one : two, work(name, { queue: 'q' }))
    }
    await Promise.all([enqueueQueued(), ...free.map((name, n) => enqueue(n % 2 ? one : two, work(name)))])
    await settled(one)
    expect(begun.toSorted()).toEqual([...queued, ...free].toSorted())
    expect(begun.filter((name) => name.startsWith('queued'))).toEqual(queued)
    for (const site of sites) expect(site.begun.length).toBeGreaterThan(0)
  })

  test('another takes over from one that has fallen silent, whose run counts no more', async () => {
    await using place = await newPlace()
    await using silent = await startServer({ place })
    await using other = await startServer({ place })
    const site = new Worksite(silent)
    await enqueue(silent, work('a'))
    const lost = await site.next()
    const takingOver = new Worksite(other)
    other.passTime(59_000)
    await enqueue(other, work('b'))
    const unrelated = await takingOver.next()
    expect(unrelated.name).toBe('b')
    unrelated.succeed()
    await expect.poll(() => rows(other)).toHaveLength(1)
    expect(takingOver.names).toEqual(['b'])
    other.passTime(2000)
    const taken = await takingOver.next()
    expect(taken).toMatchObject({ name: 'a', info: { attempt: 2 } })
    lost.succeed()
    await expect.poll(() => silent.logLines.join()).toContain('overtaken')
    expect(await rows(other)).toMatchObject([{ state: 'running', failures: 1 }])
    taken.succeed()
    await settled(other)
  })
})
