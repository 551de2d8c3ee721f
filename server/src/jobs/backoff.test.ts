import fc from 'fast-check'
import { expect, test } from 'vitest'
import { attemptsOf, delayAfter } from './backoff.ts'

const ladder = [30_000, 120_000, 600_000]

test('a ladder is kept exactly, step by step, and its last step repeats', () => {
  const delays = [1, 2, 3, 4, 9].map((failures) => delayAfter(failures, ladder, 0.7))
  expect(delays).toEqual([30_000, 120_000, 600_000, 600_000, 600_000])
  expect(attemptsOf(ladder)).toBe(4)
  expect([attemptsOf([]), delayAfter(1, [], 0)]).toEqual([1, 0])
})

test('without a ladder the wait doubles up to its bound, and is drawn from the upper half of that', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 1, max: 60_000 }),
      fc.integer({ min: 60_000, max: 10_000_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, firstMs, maxMs, random) => {
        const delay = delayAfter(failures, { firstMs, maxMs }, random)
        const full = Math.min(maxMs, firstMs * 2 ** (failures - 1))
        expect(delay).toBeGreaterThanOrEqual(Math.floor(full / 2))
        expect(delay).toBeLessThanOrEqual(Math.ceil(full))
      },
    ),
  )
  expect(delayAfter(3, { firstMs: 1000, maxMs: 60_000 }, 0)).toBe(2000)
  expect(delayAfter(3, { firstMs: 1000, maxMs: 60_000 }, 1)).toBe(4000)
})
