import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MemoryStore } from '#http/rate-limit/memory-store.ts'
import { RedisStore } from '#http/rate-limit/redis-store.ts'
import type { Charge, Outcome, RateLimitStore, Terms } from '#http/rate-limit/store.ts'
import { createLog } from '#log/log.ts'
import { hasRedis, TestRedis } from '#test/redis.ts'

const log = createLog({ level: 'silent', format: 'json' })
const NOON = Date.UTC(2026, 10, 24, 12)
const MINUTE = 60_000
/** By how much longer than the window a request may be counted. */
const SLACK = 1 / 120
const terms: Terms = { windowMs: 5 * MINUTE }
const ladder = { cooldownMs: 30_000, maxCooldownMs: 300_000, maxWarnings: 15, warningMs: 60 * MINUTE }

const withRedis = hasRedis()
let redis: TestRedis | undefined
beforeAll(async () => {
  if (withRedis) redis = await TestRedis.start()
})
afterAll(() => redis?.[Symbol.asyncDispose]())

const openRedis = (): Promise<RedisStore> =>
  RedisStore.open({ url: redis!.url, prefix: `test:${crypto.randomUUID()}`, log })
const stores: [string, () => Promise<RateLimitStore>][] = [['memory', async () => new MemoryStore()]]
if (withRedis) stores.push(['Redis', openRedis])

const charge = (limit: number, subject = 'ann', bucket = 'default'): Charge => ({ subject, bucket, limit })

/** Every request that was let through, with its time: slow, and beyond doubt. */
class ExactLog {
  readonly #times = new Map<string, number[]>()

  add(charges: readonly Charge[], now: number): void {
    for (const one of charges) this.#of(one).push(now)
  }

  /** How many came within the last `ms`. */
  within(one: Charge, ms: number, now: number): number {
    return this.#of(one).filter((at) => now - at < ms).length
  }

  #of({ subject, bucket }: Charge): number[] {
    const key = `${bucket} ${subject}`
    const times = this.#times.get(key) ?? []
    this.#times.set(key, times)
    return times
  }
}

/** Steps between requests: a burst, a little, about a slot, about a window, exactly a window, long. */
const step = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 2000 }),
  fc.integer({ min: 2000, max: 8000 }),
  fc.integer({ min: 250_000, max: 350_000 }),
  fc.constantFrom(1, 2499, 2500, 2501, 299_999, 300_000, 300_001, 302_500, 10_000_000),
)
const traffic = fc.array(
  fc.record({
    step,
    subjects: fc.uniqueArray(fc.constantFrom('ann', 'bob', 'all'), { minLength: 1, maxLength: 2 }),
    bucket: fc.constantFrom('auth', 'default'),
    times: fc.integer({ min: 1, max: 6 }),
  }),
  { maxLength: 40 },
)

describe.each(stores)('limits kept in %s', (_name, open) => {
  test('a request is refused only when an exact log would refuse it, give or take one per cent of the window', async () => {
    await fc.assert(
      fc.asyncProperty(traffic, fc.integer({ min: 1, max: 9 }), async (requests, limit) => {
        await using store = await open()
        const exact = new ExactLog()
        let now = NOON
        for (const request of requests) {
          now += request.step
          for (let time = 0; time < request.times; time++) {
            const charges = request.subjects.map((subject, index) =>
              charge(limit * (index + 1), subject, request.bucket),
            )
            const before = charges.map((one) => ({
              least: exact.within(one, terms.windowMs, now),
              most: exact.within(one, terms.windowMs * (1 + SLACK), now),
            }))
            const { refusedBy, counts, waitMs } = await store.hit(charges, terms, now)
            if (refusedBy === -1) {
              charges.forEach((one, index) => expect(before[index]!.least).toBeLessThan(one.limit))
              exact.add(charges, now)
              expect(waitMs).toBe(0)
            } else {
              expect(before[refusedBy]!.most).toBeGreaterThanOrEqual(charges[refusedBy]!.limit)
              expect(waitMs).toBeGreaterThan(0)
              const later = now + waitMs
              expect(exact.within(charges[refusedBy]!, terms.windowMs, later)).toBeLessThan(
                charges[refusedBy]!.limit,
              )
            }
            const own = refusedBy === -1 ? 1 : 0
            counts.forEach(({ used, leavesAt }, index) => {
              expect(used).toBeGreaterThanOrEqual(before[index]!.least + own)
              expect(used).toBeLessThanOrEqual(before[index]!.most + own)
              if (used > 0) expect(leavesAt - now).toBeGreaterThan(0)
              expect(leavesAt - now).toBeLessThanOrEqual(terms.windowMs * (1 + SLACK) + 1)
            })
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  test.each([
    ['twice the limit', 2],
    ['ten times the limit', 10],
    ['just about the limit', 1.02],
  ])(
    'random traffic at %s gets through as fast as by an exact log, within one per cent',
    async (_how, excess) => {
      await using store = await open()
      const one = charge(20)
      const random = seeded(7)
      let now = NOON
      const arrivals = Array.from({ length: Math.ceil(2500 * excess) }, () => {
        return (now += Math.ceil((-Math.log(1 - random()) * terms.windowMs) / (one.limit * excess)))
      })
      const exact: number[] = []
      for (const at of arrivals) {
        const recent = exact.slice(-one.limit).filter((before) => at - before < terms.windowMs)
        if (recent.length < one.limit) exact.push(at)
      }
      const passed: number[] = []
      for (let from = 0; from < arrivals.length; from += 200) {
        const some = arrivals.slice(from, from + 200)
        const outcomes = await Promise.all(some.map(async (at) => store.hit([one], terms, at)))
        outcomes.forEach(({ refusedBy }, index) => refusedBy === -1 && passed.push(some[index]!))
      }
      const count = Math.min(exact.length, passed.length)
      expect(count).toBeGreaterThan(2000)
      const slower = (passed[count - 1]! - NOON) / (exact[count - 1]! - NOON)
      expect(slower).toBeGreaterThanOrEqual(1)
      expect(slower).toBeLessThan(1.01)
    },
  )

  test('what waits as long as it is told gets through, and not a moment earlier', async () => {
    await using store = await open()
    for (let index = 0; index < 3; index++) await store.hit([charge(3)], terms, NOON + index * MINUTE)
    const now = NOON + 3 * MINUTE
    const { refusedBy, waitMs } = await store.hit([charge(3)], terms, now)
    expect(refusedBy).toBe(0)
    expect((await store.hit([charge(3)], terms, now + waitMs - 1)).refusedBy).toBe(0)
    expect((await store.hit([charge(3)], terms, now + waitMs)).refusedBy).toBe(-1)
    expect((await store.hit([charge(3)], terms, now + waitMs)).refusedBy).toBe(0)
  })

  test('a request that one counter refuses counts on none', async () => {
    await using store = await open()
    const both = [charge(2, 'ann'), charge(10, 'all')]
    for (let index = 0; index < 5; index++) await store.hit(both, terms, NOON)
    const { counts } = await store.hit([charge(10, 'all')], terms, NOON)
    expect(counts[0]!.used).toBe(3)
  })

  test('buckets and subjects do not know of each other', async () => {
    await using store = await open()
    for (const one of [charge(1), charge(1, 'bob'), charge(1, 'ann', 'auth')]) {
      expect((await store.hit([one], terms, NOON)).refusedBy).toBe(-1)
      expect((await store.hit([one], terms, NOON)).refusedBy).toBe(0)
    }
  })

  test('what is taken back does not count', async () => {
    await using store = await open()
    const charges = [charge(2), charge(5, 'all')]
    await store.hit(charges, terms, NOON)
    await store.hit(charges, terms, NOON + 1)
    await store.refund(charges, terms, NOON + 1)
    await store.refund(charges, terms, NOON + MINUTE)
    const { refusedBy, counts } = await store.hit(charges, terms, NOON + 2)
    expect(refusedBy).toBe(-1)
    expect(counts.map(({ used }) => used)).toEqual([2, 2])
    expect((await store.hit(charges, terms, NOON + 2)).refusedBy).toBe(0)
  })

  test('another length of the window begins afresh, and a higher limit is in force at once', async () => {
    await using store = await open()
    for (let index = 0; index < 3; index++) await store.hit([charge(2)], terms, NOON)
    expect((await store.hit([charge(3)], terms, NOON)).refusedBy).toBe(-1)
    expect((await store.hit([charge(3)], terms, NOON)).refusedBy).toBe(0)
    expect((await store.hit([charge(1)], { windowMs: MINUTE }, NOON)).refusedBy).toBe(-1)
  })

  test('a clock that is set back does not lock anybody out', async () => {
    await using store = await open()
    for (let index = 0; index < 3; index++) await store.hit([charge(2)], { ...terms, ladder }, NOON)
    const before = NOON - 60 * MINUTE
    expect((await store.hit([charge(2)], { ...terms, ladder }, before)).refusedBy).toBe(-1)
    expect((await store.hit([charge(2)], { ...terms, ladder }, NOON - 1000)).refusedBy).toBe(-1)
  })

  test('who goes on is warned, then cools down longer each time, to no end', async () => {
    await using store = await open()
    const strict: Terms = { windowMs: 24 * 60 * MINUTE, ladder: { ...ladder, warningMs: 48 * 60 * MINUTE } }
    const hit = (at: number): Outcome | Promise<Outcome> => store.hit([charge(1)], strict, at)
    await hit(NOON)
    let now = NOON + 1
    const dayAfter = NOON + strict.windowMs * (1 + SLACK)
    expect(await hit(now)).toMatchObject({ refusedBy: 0, warned: true, warnings: 1 })
    expect(store.cooldown(charge(1), now)).toBe(0)
    for (let warnings = 2; warnings <= 18; warnings++) {
      const shown = Math.min(warnings, 16)
      const { waitMs, ...warned } = await hit(now)
      expect(warned).toMatchObject({ refusedBy: 0, warned: true, warnings: shown })
      const cooldown = Math.min(300_000, 30_000 * shown)
      const elsewhere = charge(1, 'ann', 'auth')
      expect(store.cooldown(elsewhere, now)).toBe(cooldown)
      const early = { refusedBy: 0, counts: [], warnings: shown, warned: false }
      expect(await store.hit([elsewhere], strict, now + cooldown - 1)).toEqual({ ...early, waitMs: 1 })
      // Where it asked for too much there is no room before the window has passed.
      expect(Math.abs(now + waitMs - dayAfter)).toBeLessThanOrEqual(strict.windowMs * SLACK)
      expect(await hit(now + cooldown - 1)).toEqual({ ...early, waitMs: waitMs - cooldown + 1 })
      now += cooldown
    }
  })

  test('a warning is forgotten after its time, and forgiveness forgets them all at once', async () => {
    await using store = await open()
    const own = { ...terms, ladder }
    const excess = async (at: number): Promise<number> => {
      let outcome = await store.hit([charge(1)], own, at)
      if (outcome.refusedBy === -1) outcome = await store.hit([charge(1)], own, at)
      return outcome.warnings
    }
    const hours = (count: number): number => NOON + count * 60 * MINUTE
    expect(await excess(hours(0))).toBe(1)
    expect(await excess(hours(0))).toBe(2)
    expect(await excess(hours(0.9))).toBe(3)
    expect(await excess(hours(2))).toBe(3)
    expect(await excess(hours(4.5))).toBe(2)
    expect(await excess(hours(48))).toBe(1)
    expect(await excess(hours(48))).toBe(2)
    await store.forgive('ann')
    expect(store.cooldown(charge(1), hours(48))).toBe(0)
    expect(await excess(hours(48))).toBe(1)
  })

  test('who cools down is refused for everything, and what counts with it too', async () => {
    await using store = await open()
    const own = { ...terms, ladder }
    for (let index = 0; index < 3; index++) await store.hit([charge(1)], own, NOON)
    expect(await store.hit([charge(99, 'ann', 'auth')], own, NOON)).toMatchObject({
      refusedBy: 0,
      warned: false,
    })
    expect(await store.hit([charge(99, 'bob'), charge(99, 'ann', 'auth')], own, NOON)).toMatchObject({
      refusedBy: 1,
    })
    expect((await store.hit([charge(1, 'bob')], own, NOON)).refusedBy).toBe(-1)
  })
})

test('a million addresses take no more memory than the bound allows, and those that come back stay known', () => {
  const store = new MemoryStore({ maxSubjects: 1000 })
  for (let index = 0; index < 1_000_000; index++) {
    if (index % 300 === 0) store.hit([charge(10_000, 'regular')], terms, NOON)
    if (index < 100_000 || index % 10 === 0) store.hit([charge(10, `address ${index}`)], terms, NOON)
  }
  expect(store.size).toBeLessThanOrEqual(1000)
  expect(store.hit([charge(10_000, 'regular')], terms, NOON).counts[0]!.used).toBe(3335)
})

describe.skipIf(!withRedis)('with Redis', () => {
  test('several processes count together', async () => {
    const prefix = `test:${crypto.randomUUID()}`
    await using first = await RedisStore.open({ url: redis!.url, prefix, log })
    await using second = await RedisStore.open({ url: redis!.url, prefix, log })
    const own = { ...terms, ladder }
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? first : second).hit([charge(20)], terms, NOON)),
    )
    expect(results.filter(({ refusedBy }) => refusedBy === -1)).toHaveLength(20)
    await first.hit([charge(1)], own, NOON)
    await first.hit([charge(1)], own, NOON)
    // The second learns of the cooldown when it asks.
    expect(second.cooldown(charge(1), NOON)).toBe(0)
    expect(await second.hit([charge(99, 'ann', 'auth')], own, NOON)).toMatchObject({ refusedBy: 0 })
    expect(second.cooldown(charge(1, 'ann', 'auth'), NOON)).toBe(60_000)
  })

  test.each([
    ['is gone', (own: TestRedis) => own.kill(), (own: TestRedis) => own.start()],
    ['does not answer', async (own: TestRedis) => own.freeze(), async (own: TestRedis) => own.thaw()],
  ])(
    'while Redis %s each process counts in memory and says so once, until it is back',
    async (_how, fail, heal) => {
      await using own = await TestRedis.start()
      const lines: string[] = []
      const destination = { write: (line: string) => void lines.push(line) }
      await using store = await RedisStore.open({
        url: own.url,
        prefix: 'test',
        log: createLog({ level: 'info', format: 'json', destination }),
      })
      expect((await store.hit([charge(2)], terms, NOON)).counts[0]!.used).toBe(1)
      await fail(own)
      const used: number[] = []
      for (let index = 0; index < 3; index++) {
        const { counts } = await store.hit([charge(2)], terms, NOON)
        used.push(counts[0]!.used)
      }
      expect(used).toEqual([1, 2, 2])
      const said = (text: string): number => lines.filter((line) => line.includes(text)).length
      expect(said('Redis is away')).toBe(1)
      await heal(own)
      await expect
        .poll(async () => (await store.hit([charge(2, 'bob')], terms, NOON), said('Redis is back')), {
          timeout: 10_000,
          interval: 50,
        })
        .toBe(1)
      expect(said('Redis is away')).toBe(1)
    },
  )

  test('a server that starts while Redis is away serves all the same', async () => {
    await using store = await RedisStore.open({ url: 'unix:/nowhere/redis.sock', prefix: 'test', log })
    expect((await store.hit([charge(1)], terms, NOON)).refusedBy).toBe(-1)
    expect((await store.hit([charge(1)], terms, NOON)).refusedBy).toBe(0)
  })
})

/** Mulberry32: the same numbers in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
