import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newId } from '#lib/id.ts'
import { base58, fromBase58 } from './base58.ts'
import { isFederatedName, mappedName } from './federated-name.ts'
import { JsonError, parseObject } from './json.ts'
import { domainOf, judge, type PeerRule } from './peer-policy.ts'
import { parseHandle } from './resolve.ts'

describe('names for other servers', () => {
  test.each(['ann', 'Ann_1', 'a.b-c', '0', '019a-beef'])('%s is taken as it is', (name) => {
    expect(isFederatedName(name)).toBe(true)
  })

  test.each(['ann ', 'jürgen', '.ann', 'ann.', 'a b', '', '-', 'нина'])('%j is mapped', (name) => {
    expect(isFederatedName(name)).toBe(false)
  })

  test('a mapped name is one that is accepted, and ends like the id', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 64 }), (name) => {
        const id = newId()
        const mapped = mappedName(name, id)
        expect([mapped, isFederatedName(mapped)]).toEqual([mapped, true])
        expect(mapped.endsWith(id.slice(-8))).toBe(true)
      }),
    )
    expect(mappedName('Jürgen Müller', '0190-0000-00000000abcd')).toBe('jurgen_muller.0000abcd')
  })

  test('a name that nothing is left of is still one', () => {
    expect(mappedName('нина', '0190-0000-00000000abcd')).toBe('user.0000abcd')
  })
})

describe('handles', () => {
  test.each([
    ['ann@chat.example.org', 'ann', 'chat.example.org'],
    ['@ann@chat.example.org', 'ann', 'chat.example.org'],
    ['acct:ann@chat.example.org', 'ann', 'chat.example.org'],
    [' @Ann@CHAT.example.org ', 'Ann', 'chat.example.org'],
    ['ann@127.0.0.2:8101', 'ann', '127.0.0.2:8101'],
    ['ann@bücher.example', 'ann', 'xn--bcher-kva.example'],
  ])('%j is an account', (text, name, host) => {
    expect(parseHandle(text)).toEqual({ kind: 'account', name, host })
  })

  test.each([
    'ann',
    '@ann',
    'ann@',
    '@@b',
    'a@b@c',
    'ann@b/c',
    'ann@ b',
    'a/b@c.example',
    'ftp://a.example',
    '',
  ])('%j is none', (text) => expect(parseHandle(text)).toBeUndefined())

  test('an address is one', () => {
    const url = 'https://chat.example.org/users/ann'
    expect(parseHandle(url)).toEqual({ kind: 'url', url })
  })
})

describe('rules for peers', () => {
  const rules = new Map<string, PeerRule>(
    [
      { domain: 'evil.example', action: 'block' as const },
      { domain: 'good.evil.example', action: 'allow' as const },
      { domain: 'xn--bcher-kva.example', action: 'block' as const },
      { domain: 'friend.example', action: 'allow' as const },
    ].map((rule) => [rule.domain, rule]),
  )
  const isAllowed = (host: string, mode: 'open' | 'allow_list' | 'off' = 'open'): boolean =>
    judge(host, mode, (domain) => rules.get(domain)).allowed

  test.each([
    'evil.example',
    'EVIL.example',
    'evil.example.',
    'evil.example:8443',
    'a.evil.example',
    'a.b.evil.example',
    'bücher.example',
    'xn--bcher-kva.example',
  ])('%s is blocked', (host) => expect(isAllowed(host)).toBe(false))

  test.each([
    'notevil.example',
    'evil.example.org',
    'good.evil.example',
    'a.good.evil.example',
    'other.example',
  ])('%s is not', (host) => expect(isAllowed(host)).toBe(true))

  test('with a list of those who are allowed, nobody else is', () => {
    expect(isAllowed('friend.example', 'allow_list')).toBe(true)
    expect(isAllowed('a.friend.example', 'allow_list')).toBe(true)
    expect(isAllowed('other.example', 'allow_list')).toBe(false)
    expect(isAllowed('evil.example', 'allow_list')).toBe(false)
    expect(isAllowed('friend.example', 'off')).toBe(false)
  })

  test('what is no host is never allowed', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(isAllowed(text)).toBe(domainOf(text) !== undefined)
      }),
    )
  })
})

describe('base58', () => {
  test('there and back is the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(fromBase58(base58(bytes), 100)).toEqual(Buffer.from(bytes))
      }),
    )
    expect(base58(Buffer.from('Hello World!'))).toBe('2NEpo7TZRRrLZSi2U')
    expect(base58(Buffer.from('0000287fb4cd', 'hex'))).toBe('11233QC4')
  })

  test('other letters, and too many, are none', () => {
    for (const text of ['0', 'O', 'I', 'l', ' ', 'é']) expect(fromBase58(text, 100)).toBeUndefined()
    expect(fromBase58('1'.repeat(101), 100)).toBeUndefined()
  })
})

describe('documents of other servers', () => {
  const reasonOf = (text: string | Buffer): string => {
    try {
      parseObject(Buffer.from(text as string))
      return 'accepted'
    } catch (error) {
      expect(error).toBeInstanceOf(JsonError)
      return (error as Error).message
    }
  }
  const nested = (depth: number): string => '{"a":'.repeat(depth - 1) + '{}' + '}'.repeat(depth - 1)
  const list = (length: number): string => JSON.stringify({ a: Array.from({ length }, () => 1) })

  test.each([
    [nested(32), 'accepted'],
    [nested(33), 'it is nested too deeply'],
    [`{"a":${'['.repeat(20_000)}`, 'it is nested too deeply'],
    [`{"a":"${'[{'.repeat(1000)}"}`, 'accepted'],
    [String.raw`{"a":"\"${'[{'.repeat(100)}\\"}`, 'accepted'],
    [list(100), 'accepted'],
    [list(101), 'it has a list that is too long'],
    ['"x"', 'it is not a JSON object'],
    ['[]', 'it is not a JSON object'],
    ['null', 'it is not a JSON object'],
    ['', 'it is not JSON'],
    ['{', 'it is not JSON'],
  ])('%#', (text, reason) => expect(reasonOf(text)).toBe(reason))

  test('bytes that are no UTF-8 are refused', () => {
    expect(reasonOf(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe('it is not JSON')
  })

  test('whatever it is, it is an object or refused', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(reasonOf(text) !== 'accepted' || text.trim().startsWith('{')).toBe(true)
      }),
    )
  })
})
