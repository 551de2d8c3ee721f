import fc from 'fast-check'
import { expect, test } from 'vitest'
import { advance, formatCursor, logMark, parseCursor } from './cursor.ts'

const mark = fc.stringMatching(/^[0-9a-f]{8}$/)
const stream = fc.integer({ min: 1, max: 1024 })
const pos = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const cursor = fc.uniqueArray(fc.tuple(stream, pos), {
  selector: ([one]) => one,
  minLength: 1,
  maxLength: 64,
})

test('a cursor reads as what was written, in characters that need no escaping in a URL', () => {
  fc.assert(
    fc.property(mark, cursor, (log, entries) => {
      const text = formatCursor(log, new Map(entries))
      expect(text).toMatch(/^[0-9a-z._]+$/)
      expect(parseCursor(log, text)).toEqual(new Map(entries))
    }),
  )
})

test('a cursor of another log is none', () => {
  fc.assert(
    fc.property(mark, mark, cursor, (log, other, entries) => {
      fc.pre(log !== other)
      expect(parseCursor(other, formatCursor(log, new Map(entries)))).toBeUndefined()
    }),
  )
})

test('any other text is no cursor, and reading it throws nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'grapheme' })), (text) => {
      expect(parseCursor('0123abcd', text)).toBeUndefined()
    }),
  )
  for (const rest of [
    '',
    '1',
    '1.',
    '.1',
    '1.1.1',
    '1.-1',
    '1.1_',
    '_1.1',
    '1.A',
    '10000.1',
    '1.zzzzzzzzzzzz',
    '1.zzzzzzzzzzz',
  ]) {
    expect(parseCursor('0123abcd', `0123abcd_${rest}`), rest).toBeUndefined()
  }
  expect(parseCursor('0123abcd', '0123abcd')).toBeUndefined()
  expect(parseCursor('0123abcd', `0123abcd${'_1.1'.repeat(65)}`)).toBeUndefined()
})

test('advancing moves one stream and leaves the cursor it came from as it was', () => {
  const before = new Map([
    [1, 5],
    [2, 7],
  ])
  expect(advance(before, { stream: 2, pos: 8 })).toEqual(
    new Map([
      [1, 5],
      [2, 8],
    ]),
  )
  expect(advance(before, { stream: 3, pos: 1 }).size).toBe(3)
  expect(before.get(2)).toBe(7)
})

test('the mark of a log comes from the id of its server', () => {
  expect(logMark('01890000-0000-7000-8000-00000abcdef0')).toBe('0abcdef0')
})
