import { BlockList, isIPv4 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kindOfAddress } from './address.ts'

const v4 = (bytes: readonly number[]): string => bytes.join('.')
const v6 = (groups: readonly number[]): string => groups.map((group) => group.toString(16)).join(':')
const anyV4 = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 })
const anyV6 = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })

/** What must never be public, in the words of somebody else's code. */
function refused(): BlockList {
  const list = new BlockList()
  for (const block of [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.88.99.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/3',
    '168.63.129.16/32',
  ]) {
    const [address = '', length] = block.split('/')
    list.addSubnet(address, Number(length), 'ipv4')
  }
  return list
}

describe('IPv4', () => {
  const list = refused()

  test('an address is public exactly when no special block has it', () => {
    fc.assert(
      fc.property(anyV4, (bytes) => {
        expect(kindOfAddress(v4(bytes)) === 'public').toBe(!list.check(v4(bytes), 'ipv4'))
      }),
      { numRuns: 2000 },
    )
  })

  test('the first and the last address of each block are in it, their neighbours are not', () => {
    for (const [first, last, kind] of [
      ['10.0.0.0', '10.255.255.255', 'private'],
      ['100.64.0.0', '100.127.255.255', 'forbidden'],
      ['127.0.0.0', '127.255.255.255', 'loopback'],
      ['169.254.0.0', '169.254.255.255', 'forbidden'],
      ['172.16.0.0', '172.31.255.255', 'private'],
      ['192.168.0.0', '192.168.255.255', 'private'],
      ['198.18.0.0', '198.19.255.255', 'forbidden'],
    ] as const) {
      expect([first, kindOfAddress(first)]).toEqual([first, kind])
      expect([last, kindOfAddress(last)]).toEqual([last, kind])
      expect([first, kindOfAddress(step(first, -1))]).toEqual([first, 'public'])
      expect([last, kindOfAddress(step(last, 1))]).toEqual([last, 'public'])
    }
  })
})

describe('IPv6', () => {
  test('whatever carries an IPv4 address is refused, whichever it is', () => {
    fc.assert(
      fc.property(anyV4, ([a = 0, b = 0, c = 0, d = 0]) => {
        const high = (a << 8) | b
        const low = (c << 8) | d
        for (const address of [
          `::ffff:${v4([a, b, c, d])}`, // mapped
          `::ffff:${high.toString(16)}:${low.toString(16)}`,
          `0:0:0:0:0:ffff:${v4([a, b, c, d])}`,
          `::ffff:0:${v4([a, b, c, d])}`, // translated (SIIT)
          `64:ff9b::${v4([a, b, c, d])}`, // NAT64
          `64:ff9b:1::${v4([a, b, c, d])}`, // local NAT64
          `2002:${high.toString(16)}:${low.toString(16)}::1`, // 6to4
          `2001:0:1:2:3:4:${high.toString(16)}:${low.toString(16)}`, // Teredo
        ]) {
          expect([address, kindOfAddress(address)]).toEqual([address, 'forbidden'])
        }
      }),
    )
  })

  test('only what has been given out for the Internet is public, however it is written', () => {
    fc.assert(
      fc.property(anyV6, (groups) => {
        const [first = 0, second = 0] = groups
        const global = first >= 0x2000 && first <= 0x3fff
        const special =
          (first === 0x2001 && second < 0x200) ||
          (first === 0x2001 && second === 0xdb8) ||
          first === 0x2002 ||
          (first === 0x3fff && second < 0x1000)
        const expected = global && !special
        const plain = v6(groups)
        expect([plain, kindOfAddress(plain) === 'public']).toEqual([plain, expected])
        const canonical = new URL(`http://[${plain}]/`).hostname.slice(1, -1)
        for (const spelling of [plain.toUpperCase(), canonical]) {
          expect([spelling, kindOfAddress(spelling)]).toEqual([spelling, kindOfAddress(plain)])
        }
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['::', 'forbidden'],
    ['::1', 'loopback'],
    ['::2', 'forbidden'],
    ['fc00::1', 'private'],
    ['fdff:ffff::1', 'private'],
    ['fd00:ec2::254', 'forbidden'],
    ['fe80::1', 'forbidden'],
    ['fec0::1', 'forbidden'],
    ['ff02::1', 'forbidden'],
    ['100::1', 'forbidden'],
    ['5f00::1', 'forbidden'],
    ['2606:4700::1111', 'public'],
    ['2001:200::1', 'public'],
    ['2001:4860:4860::8888', 'public'],
  ] as const)('%s is %s', (address, kind) => expect(kindOfAddress(address)).toBe(kind))
})

test('what is not an address in its standard spelling is refused', () => {
  for (const text of [
    '',
    'localhost',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '1.1.1.1.',
    ' 1.1.1.1',
    '1.1.1.1/32',
    'fe80::1%eth0',
    '2606:4700::1111%1',
    '[::1]',
    '::1::',
    '１.1.1.1',
  ]) {
    expect([text, kindOfAddress(text)]).toEqual([text, 'forbidden'])
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      if (kindOfAddress(text) !== 'forbidden') expect(isIPv4(text) || text.includes(':')).toBe(true)
    }),
  )
})

function step(address: string, by: number): string {
  const number = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0) + by
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}
