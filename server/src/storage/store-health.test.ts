import { expect, test } from 'vitest'
import { StoreHealth } from './store-health.ts'

test('a store is asked every five seconds at most, by however many', async () => {
  let [now, asked, works] = [0, 0, true]
  const ping = async (): Promise<void> => {
    asked++
    if (!works) throw new Error('away')
  }
  const health = new StoreHealth({ ping }, () => now)
  expect(await Promise.all([health.works(), health.works()])).toEqual([true, true])
  works = false
  now = 5000
  expect(await health.works()).toBe(true)
  now = 5001
  expect(await health.works()).toBe(false)
  expect(asked).toBe(2)
})

test('a store that hangs is taken for away, in time', async () => {
  const health = new StoreHealth({ ping: () => new Promise(() => {}) }, () => 0)
  const began = performance.now()
  expect(await health.works()).toBe(false)
  expect(performance.now() - began).toBeLessThan(4000)
})
