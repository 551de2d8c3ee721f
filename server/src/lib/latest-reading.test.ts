import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LatestReading } from './latest-reading.ts'

test('in whatever order readings end, what is kept is never older than one that was done', async () => {
  const orders = fc
    .integer({ min: 1, max: 6 })
    .chain((count) => fc.shuffledSubarray([...Array(count).keys()], { minLength: count }))
  await fc.assert(
    fc.asyncProperty(orders, async (order) => {
      const readings = new LatestReading()
      const pending = order.map(() => Promise.withResolvers<number>())
      let kept = -1
      const done = pending.map(({ promise }) =>
        readings.take(
          () => promise,
          (value) => {
            kept = value
          },
        ),
      )
      for (const [index, number] of order.entries()) {
        pending[number]!.resolve(number)
        await done[number]
        expect(kept).toBe(Math.max(...order.slice(0, index + 1)))
      }
    }),
  )
})

test('a reading that fails keeps nothing, and an older one then counts', async () => {
  const readings = new LatestReading()
  const slow = Promise.withResolvers<string>()
  let kept = ''
  const keep = (value: string): void => {
    kept = value
  }
  const older = readings.take(() => slow.promise, keep)
  await expect(readings.take(() => Promise.reject(new Error('gone')), keep)).rejects.toThrow('gone')
  slow.resolve('older')
  await older
  expect(kept).toBe('older')
})
