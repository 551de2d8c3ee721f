import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isoTime } from '#lib/clock.ts'
import { parseIsoTime } from './iso-time.ts'

test('every time that the server writes is read back, also with an offset that lost its plus', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 0) }), (ms) => {
      const text = isoTime(ms)
      expect(parseIsoTime(text)).toBe(ms)
      expect(parseIsoTime(text.replace('+', ' '))).toBe(ms)
      expect(parseIsoTime(text.replace('+00:00', 'Z'))).toBe(ms)
      expect(parseIsoTime(text.replace('T', ' ').replace('+00:00', ''))).toBe(ms)
    }),
  )
})

test.each([
  ['2026-02-21', '2026-02-21T00:00:00Z'],
  ['2026-02-21T10:00', '2026-02-21T10:00:00Z'],
  ['2026-02-21T10:00:00', '2026-02-21T10:00:00Z'],
  ['2026-02-21T10:00:00.123456+00:00', '2026-02-21T10:00:00.123Z'],
  ['2026-02-21T10:00:00+05:30', '2026-02-21T04:30:00Z'],
  ['2026-02-21T10:00:00-0800', '2026-02-21T18:00:00Z'],
  ['2026-02-21t10:00:00z', '2026-02-21T10:00:00Z'],
])('%s is %s', (text, same) => {
  expect(parseIsoTime(text)).toBe(Date.parse(same))
})

test.each([
  '',
  '-1',
  '1',
  'yesterday',
  'March 7',
  '2026',
  '2026-02',
  '2026-99-99',
  '2026-02-21T25:00:00Z',
  '2026-02-21T10:00:00+99:99',
  '20260221T100000Z',
  ' 2026-02-21',
  '2026-02-21T10:00:00Z\n',
])('%j is none', (text) => {
  expect(parseIsoTime(text)).toBeUndefined()
})
