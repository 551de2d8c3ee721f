import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseQuery } from './query.ts'

const nothing = { terms: [], from: [], in: [], has: [], since: -Infinity, until: Infinity }
const term = (text: string, more: object = {}) => ({ text, exact: false, negated: false, ...more })
const name = (text: string, negated = false) => ({ name: text, negated })

test.each([
  ['two words', { terms: [term('two'), term('words')] }],
  ['"a phrase" word', { terms: [term('a phrase', { exact: true }), term('word')] }],
  ['“typed on a phone”', { terms: [term('typed on a phone', { exact: true })] }],
  ['"not closed', { terms: [term('not closed', { exact: true })] }],
  [
    'yes -no -"not this"',
    {
      terms: [term('yes'), term('no', { negated: true }), term('not this', { exact: true, negated: true })],
    },
  ],
  ['from:ann from:@bob -from:"Carol C"', { from: [name('ann'), name('bob'), name('Carol C', true)] }],
  ['IN:#general in:"two words"', { in: [name('general'), name('two words')] }],
  ['has:link -has:file', { has: [name('link'), name('file', true)] }],
  [
    'http://x.org note:this in: on:',
    {
      terms: [term('http://x.org'), term('note:this'), term('in:'), term('on:')],
    },
  ],
  ['- --', { terms: [term('-'), term('-', { negated: true })] }],
  ['', {}],
])('%j', (text, query) => {
  expect(parseQuery(text)).toEqual({ ...nothing, ...query })
})

test.each([
  ['before:2026-03-05', -Infinity, '2026-03-05'],
  ['after:2026-03-05', '2026-03-06', Infinity],
  ['on:2026-03-05', '2026-03-05', '2026-03-06'],
  ['on:2026-02', '2026-02-01', '2026-03-01'],
  ['on:2026', '2026-01-01', '2027-01-01'],
  ['after:2025-12-31', '2026-01-01', Infinity],
  ['after:2026 before:2026-06', '2027-01-01', '2026-06-01'],
  ['before:2026-03-05 before:2026-03-04', -Infinity, '2026-03-04'],
  ['after:2026-03-05T10:00:00+02:00', '2026-03-05T08:00:00.001Z', Infinity],
  ['before:"2026-03-05 10:00"', -Infinity, '2026-03-05T10:00:00Z'],
])('%s', (text, since, until) => {
  const time = (at: string | number): number => (typeof at === 'number' ? at : Date.parse(at))
  expect(parseQuery(text)).toEqual({ ...nothing, since: time(since), until: time(until) })
})

test.each([
  ['before:yesterday', 'before: takes a date such as 2026-03-31, or an ISO 8601 time'],
  ['on:2026-13', 'on: takes a date such as 2026-03-31, or an ISO 8601 time'],
  ['-before:2026', '-before: is not possible'],
  ['from:@', 'from: needs something after it'],
  ['in:""', 'in: needs something after it'],
])('%s is refused', (text, detail) => {
  expect(() => parseQuery(text)).toThrow(detail)
})

test('whatever is typed is read or refused, in no time', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.constantFrom('from:', 'in:', 'before:', 'on:', '"', '“', '-', ' ', '2026', 'word'),
          fc.string({ unit: 'grapheme', maxLength: 5 }),
        ),
      ),
      (parts) => {
        try {
          parseQuery(parts.join(''))
        } catch (error) {
          expect(error).toMatchObject({ status: 400 })
        }
      },
    ),
  )
})
