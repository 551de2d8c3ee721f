import fc from 'fast-check'
import { expect, test } from 'vitest'
import { extensionOf, headerLength, isRtcp, payloadEnd } from './packet.ts'
import { nack, parseRtcp, receiverReport, senderReport } from './rtcp.ts'

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')

test('a header is as long as its sources and extension say', () => {
  expect(headerLength(hex('806f0001 00000000 00000007'))).toBe(12)
  expect(headerLength(hex('826f0001 00000000 00000007 00000001 00000002 ff'))).toBe(20)
  const extended = hex('906f0001 00000000 00000007 bede0002 10ff 2241 4243 0000 aabb')
  expect(headerLength(extended)).toBe(24)
  expect(extensionOf(extended, 1)).toEqual(hex('ff'))
  expect(extensionOf(extended, 2)?.toString()).toBe('ABC')
  expect(extensionOf(extended, 3)).toBeUndefined()
  const twoByte = hex('906f0001 00000000 00000007 10000001 10027f01 aabb')
  expect(extensionOf(twoByte, 0x10)).toEqual(hex('7f01'))
})

test('padding is no payload, and too much of it is no packet', () => {
  const padded = hex('a06f0001 00000000 00000007 0102 000002')
  expect(payloadEnd(padded, 12)).toBe(15)
  expect(payloadEnd(hex('a06f0001 00000000 00000007 ff'), 12)).toBeUndefined()
})

test('what is asked for again is what was found missing', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 30 }),
      fc.nat(65_535),
      (gaps, start) => {
        const lost = gaps.toSorted((a, b) => a - b).map((gap) => (start + gap) & 0xffff)
        expect(parseRtcp(nack(1, 2, lost))).toEqual([{ type: 'nack', media: 2, lost }])
      },
    ),
  )
})

test('reports say what they were given', () => {
  const block = {
    ssrc: 9,
    fractionLost: 12,
    lost: -3,
    highest: 70_000,
    jitter: 44,
    lastSenderReport: 5,
    delay: 6,
  }
  const compound = Buffer.concat([
    senderReport({ ssrc: 7, now: 1_700_000_000_250, timestamp: 960, packets: 3, bytes: 300 }),
    receiverReport(7, [block]),
  ])
  expect(isRtcp(compound)).toBe(true)
  expect(parseRtcp(compound)).toEqual([
    { type: 'sender report', ssrc: 7, ntpMiddle: expect.any(Number), blocks: [] },
    { type: 'receiver report', ssrc: 7, blocks: [block] },
  ])
})

test('nothing that comes in makes the parsers throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.integer({ min: 0, max: 255 }), (bytes, id) => {
      const packet = Buffer.from(bytes)
      const header = headerLength(packet)
      if (header !== undefined) {
        payloadEnd(packet, header)
        extensionOf(packet, id)
      }
      expect(parseRtcp(packet)).toBeInstanceOf(Array)
      if (packet.length >= 4) {
        packet[0] = 0x80 | (packet[0]! & 0x3f)
        packet[1] = 200 + (packet[1]! % 7)
        packet.writeUInt16BE(packet.length / 4 - 1, 2)
        parseRtcp(packet)
      }
    }),
  )
})
