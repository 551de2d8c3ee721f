import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Lru } from './lru.ts'

test('holds what was set, up to the limit', () => {
  const map = new Lru<number, string>(3)
  for (const key of [1, 2, 3]) map.set(key, `value ${key}`)
  expect([1, 2, 3].map((key) => map.get(key))).toEqual(['value 1', 'value 2', 'value 3'])
  map.set(2, 'another')
  expect(map.size).toBe(3)
  expect(map.get(2)).toBe('another')
})

test('forgets what was not asked for before what was', () => {
  const map = new Lru<number, number>(3)
  for (const key of [1, 2, 3]) map.set(key, key)
  map.get(1)
  map.get(3)
  map.set(4, 4)
  expect(map.get(2)).toBeUndefined()
  expect(new Set(map.values())).toEqual(new Set([1, 3, 4]))
})

test('takes something new also when everything was asked for', () => {
  const map = new Lru<number, number>(2)
  map.set(1, 1)
  map.set(2, 2)
  map.get(1)
  map.get(2)
  map.set(3, 3)
  expect(map.size).toBe(2)
  expect(map.get(3)).toBe(3)
})

test('never grows beyond its limit and never tells anything but what was set last', () => {
  const command = fc.record({
    kind: fc.constantFrom('get', 'set', 'delete'),
    key: fc.nat(12),
    value: fc.nat(),
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(command, { maxLength: 200 }), (limit, commands) => {
      const map = new Lru<number, number>(limit)
      const model = new Map<number, number>()
      for (const { kind, key, value } of commands) {
        if (kind === 'set') {
          map.set(key, value)
          model.set(key, value)
          expect(map.get(key)).toBe(value)
        } else if (kind === 'delete') {
          map.delete(key)
          model.delete(key)
          expect(map.get(key)).toBeUndefined()
        } else {
          const found = map.get(key)
          if (found !== undefined) expect(found).toBe(model.get(key))
        }
        expect(map.size).toBeLessThanOrEqual(limit)
      }
    }),
  )
})
