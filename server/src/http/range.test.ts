import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseRanges } from './range.ts'

const SIZE = 1000

test.each([
  ['bytes=0-0', [{ first: 0, last: 0 }]],
  ['bytes=0-499', [{ first: 0, last: 499 }]],
  ['bytes=500-', [{ first: 500, last: 999 }]],
  ['bytes=-1', [{ first: 999, last: 999 }]],
  ['bytes=-5000', [{ first: 0, last: 999 }]],
  ['bytes=990-5000', [{ first: 990, last: 999 }]],
  ['BYTES=0-0', [{ first: 0, last: 0 }]],
  [
    'bytes= 0-0 , 500-500 ',
    [
      { first: 0, last: 0 },
      { first: 500, last: 500 },
    ],
  ],
  [
    'bytes=500-500,0-0',
    [
      { first: 500, last: 500 },
      { first: 0, last: 0 },
    ],
  ],
  ['bytes=0-99,50-150', [{ first: 0, last: 150 }]],
  ['bytes=0-9,20-29', [{ first: 0, last: 29 }]],
  ['bytes=2000-,0-0', [{ first: 0, last: 0 }]],
])('%s is satisfied', (header, ranges) => {
  expect(parseRanges(header, SIZE)).toEqual(ranges)
})

test.each(['bytes=1000-', 'bytes=1000-1000', 'bytes=-0', `bytes=${'9'.repeat(400)}-`, 'bytes=2000-,-0'])(
  '%s cannot be satisfied',
  (header) => {
    expect(parseRanges(header, SIZE)).toBe('none')
  },
)

test.each([
  undefined,
  '',
  'bytes',
  'bytes=',
  'bytes=,',
  'bytes=a-b',
  'bytes=5-1',
  'bytes=-',
  'bytes=0x1-2',
  'bytes=1.5-2',
  'bytes=--1',
  'bytes=0-0,x',
  'lines=0-1',
  `bytes=${Array.from({ length: 17 }, (_, index) => `${index * 50}-${index * 50}`).join(',')}`,
])('%s asks for all of it', (header) => {
  expect(parseRanges(header, SIZE)).toBeUndefined()
})

test('nothing has no parts', () => {
  expect(parseRanges('bytes=0-0', 0)).toBeUndefined()
})

test('what is sent is within the whole, holds all that was asked for, and nothing twice', () => {
  const spec = fc.oneof(
    fc.tuple(fc.nat(1200), fc.nat(300)).map(([first, more]) => `${first}-${first + more}`),
    fc.nat(1200).map((first) => `${first}-`),
    fc.nat(1200).map((length) => `-${length}`),
  )
  fc.assert(
    fc.property(fc.array(spec, { minLength: 1, maxLength: 16 }), (specs) => {
      const ranges = parseRanges(`bytes=${specs.join(',')}`, SIZE)
      const wanted = new Set<number>()
      for (const text of specs) {
        const [first = '', last = ''] = text.split('-')
        const [from, to] =
          first === '' ? [SIZE - Number(last), SIZE - 1] : [Number(first), last === '' ? SIZE : Number(last)]
        for (let at = Math.max(0, from); at <= Math.min(to, SIZE - 1); at++) wanted.add(at)
      }
      if (wanted.size === 0) {
        expect(ranges).toBe('none')
        return
      }
      const sent: number[] = []
      for (const { first, last } of ranges as { first: number; last: number }[]) {
        expect(first).toBeGreaterThanOrEqual(0)
        expect(last).toBeLessThan(SIZE)
        for (let at = first; at <= last; at++) sent.push(at)
      }
      expect(new Set(sent).size).toBe(sent.length)
      for (const at of wanted) expect(sent.includes(at)).toBe(true)
    }),
  )
})
