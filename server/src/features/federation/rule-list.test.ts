import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatRules, parseRules, type ListedRule } from './rule-list.ts'
import { TokenBuckets } from './token-buckets.ts'

test('rules that were written are read as they were', () => {
  const rule: fc.Arbitrary<ListedRule> = fc.record({
    domain: fc.domain(),
    action: fc.constantFrom('allow', 'block'),
    reason: fc
      .string({ maxLength: 50 })
      .map((text) => text.replace(/[\s\u007f-\u009f\u2028\u2029]+/gu, ' ').trim()),
  })
  fc.assert(
    fc.property(fc.uniqueArray(rule, { selector: ({ domain }) => domain.toLowerCase() }), (rules) => {
      const lower = rules.map((one) => ({ ...one, domain: one.domain.toLowerCase() }))
      expect(parseRules(formatRules(lower))).toEqual({ rules: lower, unusable: [] })
    }),
  )
})

test('a list of domain blocks of Mastodon blocks what is suspended there', () => {
  const csv = [
    '#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate',
    'evil.example,suspend,TRUE,TRUE,"spam, and ""worse""",FALSE',
    'quiet.example,silence,FALSE,FALSE,,FALSE',
    'Bücher.example,suspend,TRUE,TRUE,,FALSE',
    'sec*et.example,suspend,TRUE,TRUE,,TRUE',
  ].join('\r\n')
  expect(parseRules(csv)).toEqual({
    rules: [
      { domain: 'evil.example', action: 'block', reason: 'spam, and "worse"' },
      { domain: 'xn--bcher-kva.example', action: 'block', reason: '' },
    ],
    unusable: [
      { line: 'quiet.example', why: 'severity silence is no block' },
      { line: 'sec*et.example', why: 'not a domain' },
    ],
  })
})

test('a plain list of domains blocks them; the last word about a domain counts', () => {
  expect(parseRules('a.example\n# comment\n\nhttps://b.example/\nc.example.\na.example').rules).toEqual([
    { domain: 'a.example', action: 'block', reason: '' },
    { domain: 'c.example', action: 'block', reason: '' },
  ])
  expect(parseRules('domain,action\na.example,block\na.example,allow').rules).toMatchObject([
    { action: 'allow' },
  ])
  expect(parseRules('domain,action\na.example,burn').unusable).toEqual([
    { line: 'a.example', why: 'unknown action burn' },
  ])
  expect(parseRules('')).toEqual({ rules: [], unusable: [] })
})

test('a bucket gives what it holds and then what flows in, each name its own', () => {
  const buckets = new TokenBuckets({ capacity: 3, perSecond: 2, names: 10 })
  const take = (name: string, at: number): boolean => buckets.take(name, at)
  expect([take('a', 0), take('a', 0), take('a', 0), take('a', 0)]).toEqual([true, true, true, false])
  expect(buckets.wait('a', 0)).toBe(500)
  expect(take('b', 0)).toBe(true)
  expect([take('a', 500), take('a', 500)]).toEqual([true, false])
  expect([1, 2, 3, 4].map(() => take('a', 60_000))).toEqual([true, true, true, false])
  expect(buckets.wait('c', 0)).toBe(0)
  // A clock that steps back gives nothing for free.
  expect(take('a', 0)).toBe(false)
})
