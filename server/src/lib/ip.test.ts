import { isIP, SocketAddress } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contains, formatNetwork, isLoopback, networkOf, overlap, parseAddress, parseNetwork } from './ip.ts'

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()
const address = fc.oneof(ipv4, ipv6)

describe('addresses', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:0201', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['::', '::'],
    ['::1', '::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is written %s', (text, canonical) => {
    expect(formatNetwork(parseAddress(text)!)).toBe(canonical)
  })

  test.each([
    '',
    ' 192.0.2.1',
    '192.0.2',
    '192.0.2.256',
    '0300.0.2.1',
    '3221225985',
    '0xc0000201',
    '[::1]',
    '::1::',
    ':::',
    '12345::',
    '192.0.2.1:80',
    'localhost',
    '192.0.2.1/24',
    '%eth0',
    '192.0.2.1\0',
  ])('%j is none', (text) => {
    expect(parseAddress(text)).toBeUndefined()
  })

  test('every address has one spelling, which means the same', () => {
    fc.assert(
      fc.property(address, (text) => {
        const parsed = parseAddress(text)!
        const spelt = formatNetwork(parsed)
        expect(isIP(spelt)).toBe(parsed.family)
        expect(parseAddress(spelt)).toEqual(parsed)
        const family = isIP(text) === 4 ? 'ipv4' : 'ipv6'
        const theirs = new SocketAddress({ address: text, family }).address
        if (parsed.family === isIP(text)) expect(parseAddress(theirs)).toEqual(parsed)
      }),
    )
  })
})

describe('networks', () => {
  test.each([
    ['192.0.2.77/24', '192.0.2.0/24'],
    ['192.0.2.77/32', '192.0.2.77'],
    ['192.0.2.255/31', '192.0.2.254/31'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:db8:1:2:3::/64', '2001:db8:1:2::/64'],
    ['2001:db8::1/128', '2001:db8::1'],
    ['::/0', '::/0'],
    ['::ffff:192.0.2.77/120', '192.0.2.0/24'],
  ])('%s is written %s', (text, canonical) => {
    expect(formatNetwork(parseNetwork(text)!)).toBe(canonical)
  })

  test.each([
    '192.0.2.0/33',
    '192.0.2.0/-1',
    '192.0.2.0/',
    '192.0.2.0/24/8',
    '192.0.2.0/1e1',
    '2001:db8::/129',
    '::ffff:192.0.2.0/90',
    'fe80::1%eth0/64',
    '/24',
    'example/24',
  ])('%j is none', (text) => {
    expect(parseNetwork(text)).toBeUndefined()
  })

  test('a block contains exactly the addresses that share its first bits', () => {
    const bits = (text: string): string =>
      Array.from(parseAddress(text)!.bytes, (byte) => byte.charCodeAt(0).toString(2).padStart(8, '0')).join(
        '',
      )
    fc.assert(
      fc.property(
        fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6), fc.tuple(ipv4, ipv6)),
        fc.nat(128),
        ([one, other], length) => {
          const [first, second] = [parseAddress(one)!, parseAddress(other)!]
          const prefix = Math.min(length, first.prefix)
          const block = networkOf(first, prefix)
          const shares = bits(one).slice(0, prefix) === bits(other).slice(0, prefix)
          expect(contains(block, second)).toBe(first.family === second.family && shares)
          expect(contains(block, first)).toBe(true)
          expect(overlap(block, first)).toBe(true)
          expect(parseNetwork(formatNetwork(block))).toEqual(block)
        },
      ),
    )
  })

  test('a part of a block does not contain the block, but overlaps it', () => {
    const [outer, inner] = [parseNetwork('10.0.0.0/8')!, parseNetwork('10.1.0.0/16')!]
    expect(contains(outer, inner)).toBe(true)
    expect(contains(inner, outer)).toBe(false)
    expect(overlap(inner, outer)).toBe(true)
    expect(overlap(inner, parseNetwork('10.2.0.0/16')!)).toBe(false)
  })

  test.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '0.0.0.0/0', '::/0', '127.0.0.0/16'])(
    '%s is, or has in it, the machine itself',
    (text) => {
      expect(isLoopback(parseNetwork(text)!)).toBe(true)
    },
  )

  test.each(['128.0.0.1', '126.0.0.0/8', '::2', '2001:db8::/32'])('%s is elsewhere', (text) => {
    expect(isLoopback(parseNetwork(text)!)).toBe(false)
  })
})
