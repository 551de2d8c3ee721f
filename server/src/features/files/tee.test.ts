import { expect, test } from 'vitest'
import { tee } from './tee.ts'

async function* numbers(count: number, onStep?: (step: number) => void): AsyncGenerator<number> {
  for (let step = 0; step < count; step++) {
    onStep?.(step)
    yield step
  }
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of source) all.push(item)
  return all
}

test('both readers get everything, at the pace of the slower one', async () => {
  let read = -1
  const [fast, slow] = tee(numbers(5, (step) => (read = step)))
  const all = collect(fast)
  for (let step = 0; step < 5; step++) {
    expect(await slow.next()).toEqual({ done: false, value: step })
    // One ahead at most.
    expect(read).toBeLessThanOrEqual(step + 1)
  }
  expect((await slow.next()).done).toBe(true)
  expect(await all).toEqual([0, 1, 2, 3, 4])
})

test('a reader that stops, or never began, does not hold up the other', async () => {
  const [stops, goesOn] = tee(numbers(4))
  const all = collect(goesOn)
  await stops.next()
  await stops.return()
  expect(await all).toEqual([0, 1, 2, 3])
  const [never, other] = tee(numbers(2))
  const both = collect(other)
  await never.return()
  expect(await both).toEqual([0, 1])
})

test('the source is told when nobody reads any more, and what goes wrong in it goes wrong for both', async () => {
  let closed = false
  async function* source(): AsyncGenerator<number> {
    try {
      yield 1
      yield 2
    } finally {
      closed = true
    }
  }
  const [a, b] = tee(source())
  await Promise.all([a.next(), b.next()])
  await a.return()
  expect(closed).toBe(false)
  await b.return()
  expect(closed).toBe(true)
  const broken = new Error('broken')
  const [c, d] = tee(
    (async function* () {
      yield 1
      throw broken
    })(),
  )
  const outcomes = await Promise.allSettled([collect(c), collect(d)])
  expect(outcomes).toEqual([
    { status: 'rejected', reason: broken },
    { status: 'rejected', reason: broken },
  ])
})
