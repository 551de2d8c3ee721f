import { createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SETTINGS } from '#config/schema.ts'
import { Blinder } from './blinder.ts'
import { loadStemmers } from './stemmers.ts'

const key = (byte: number) => createSecretKey(Buffer.alloc(32, byte))

test('a token is the beginning of an HMAC, of 64 bits', () => {
  // printf 'word/hello' | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '01%.0s' {1..32})
  expect(new Blinder(key(1), []).word('hello').exact).toBe('d44a96f4dbcae6d3')
})

test('the same text is another token with another key, and as something else', () => {
  const [one, two] = [new Blinder(key(1), []), new Blinder(key(2), [])]
  const tokens = [
    one.word('ann').exact,
    two.word('ann').exact,
    one.token('author', 'ann'),
    one.token('channel', 'ann'),
    one.token('character', 'ann'),
    one.token('has', 'ann'),
  ]
  expect(new Set(tokens).size).toBe(tokens.length)
})

test('a word is found by any other of the same stem', async () => {
  const blinder = new Blinder(key(1), await loadStemmers(['english', 'german']))
  const finds = (query: string, word: string): boolean => {
    const { exact, stems } = blinder.word(word)
    const indexed = new Set([exact, ...stems])
    return blinder.related(query).some((token) => indexed.has(token))
  }
  for (const query of ['meet', 'meeting', 'meetings']) {
    for (const word of ['meet', 'meeting', 'meetings'])
      expect(finds(query, word), `${query} ${word}`).toBe(true)
  }
  expect(finds('katze', 'katzen')).toBe(true)
  expect(finds('meeting', 'meat')).toBe(false)
})

test('every language has a stemmer that bears any word', async () => {
  const languages = ['arabic', 'finnish', 'russian', 'turkish'] as const
  expect(SETTINGS['search.languages'].kind.type.safeParse([...languages, 'klingon']).success).toBe(false)
  const stemmers = await loadStemmers([
    ...languages,
    'armenian',
    'bulgarian',
    'danish',
    'dutch',
    'english',
    'french',
    'german',
    'greek',
    'hungarian',
    'indonesian',
    'irish',
    'italian',
    'lithuanian',
    'norwegian',
    'portuguese',
    'romanian',
    'spanish',
    'swedish',
    'ukrainian',
  ])
  const letters = fc.constantFrom(...Array.from('aeiousrntlbdcmhäøğąабвгдйиоуאבגاαβγեն'))
  fc.assert(
    fc.property(fc.array(letters, { minLength: 1, maxLength: 45 }), (word) => {
      for (const stem of stemmers) expect(stem(word.join(''))).toEqual(expect.any(String))
    }),
  )
})
