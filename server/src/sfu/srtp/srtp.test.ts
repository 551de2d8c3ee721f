import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createPacketCipher } from './cipher.ts'
import type * as Keys from './keys.ts'
import { deriveKey, Label, srtpProfiles, type MasterKeys } from './keys.ts'
import { ReplayWindow } from './replay-window.ts'
import { estimateIndex, SrtpReceiver, SrtpSender } from './session.ts'

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')
const [gcm, counterMode] = srtpProfiles as [(typeof srtpProfiles)[0], (typeof srtpProfiles)[0]]

test('session keys are those of RFC 3711, appendix B.3', () => {
  const master = {
    key: hex('E1F97A0D3E018BE0D64FA32C06DE4139'),
    salt: hex('0EC675AD498AFEEBB6960B3AABE6'),
  }
  expect(deriveKey(master, Label.rtpEncryption, 16)).toEqual(hex('C61E7A93744F39EE10734AFE3FF7A087'))
  expect(deriveKey(master, Label.rtpSalt, 14)).toEqual(hex('30CBBC08863D8C85D49DB34A9AE1'))
  expect(deriveKey(master, Label.rtpAuthentication, 94)).toEqual(
    hex(`CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
         E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
         6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2`),
  )
})

test('the key stream is that of RFC 3711, appendix B.2', () => {
  const counter = hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000')
  const stream = createCipheriv('aes-128-ctr', hex('2B7E151628AED2A6ABF7158809CF4F3C'), counter)
  expect(stream.update(Buffer.alloc(32))).toEqual(
    hex('E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB'),
  )
})

// The vectors of RFC 7714 begin with session keys, not with master keys.
vi.mock('./keys.ts', async (original) => {
  const keys = await original<typeof Keys>()
  const isVector = (master: MasterKeys): boolean => master.salt.toString().startsWith('Quid pro quo')
  return {
    ...keys,
    deriveKey: (master: MasterKeys, label: number, length: number): Buffer => {
      if (!isVector(master)) return keys.deriveKey(master, label, length)
      return label === Label.rtpSalt || label === Label.rtcpSalt ? master.salt : master.key
    },
  }
})

const vectorKeys = { key: hex('000102030405060708090a0b0c0d0e0f'), salt: hex('517569642070726f2071756f') }
const text = Buffer.from('Gallia est omnis divisa in partes tres')

test('packets under AES-128-GCM are those of RFC 7714, sections 16.1 and 17.1', () => {
  const cipher = createPacketCipher(gcm, vectorKeys)
  const plain = Buffer.concat([hex('8040f17b 8041f8d3 5501a0b2'), text])
  const sealed = hex(`8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f
    42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`)
  expect(cipher.protectRtp(plain.subarray(0, 12), plain.subarray(12), 0x5501a0b2, 0, 0xf17b)).toEqual(sealed)
  expect(cipher.openRtp(sealed, 12, 0x5501a0b2, 0, 0xf17b)).toEqual(plain)

  const report = hex(`81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
    deadbeef deadbeef deadbeef deadbeef deadbeef`)
  const sealedReport = hex(`81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
    c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`)
  expect(cipher.protectRtcp(report, 0x4d617273, 0x5d4)).toEqual(sealedReport)
  expect(cipher.openRtcp(sealedReport)).toEqual({ packet: report, index: 0x5d4 })
})

const keys = { key: Buffer.alloc(16, 1), salt: Buffer.alloc(14, 2) }

function rtp(sequence: number, ssrc = 7): Buffer {
  const packet = Buffer.alloc(12 + 40, sequence & 0xff)
  packet.writeUInt16BE(0x806f)
  packet.writeUInt16BE(sequence % 65_536, 2)
  packet.writeUInt32BE(ssrc, 8)
  return packet
}

function protect(sender: SrtpSender, packet: Buffer, ssrc: number, index: number): Buffer {
  return sender.protectRtp(packet.subarray(0, 12), packet.subarray(12), ssrc, index)
}

test.each([
  ['AES-128-GCM', gcm],
  ['AES-128-CM with HMAC-SHA1', counterMode],
])('%s: what one side protects the other opens, once, across rollovers and losses', (_name, profile) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 5, maxLength: 40 }), (steps) => {
      const master = { key: keys.key, salt: keys.salt.subarray(0, profile.saltLength) }
      const [sender, receiver] = [new SrtpSender(profile, master), new SrtpReceiver(profile, master)]
      let index = 40_000
      for (const step of steps) {
        const sealed = protect(sender, rtp(index), 7, index)
        expect(receiver.openRtp(Buffer.from(sealed))).toEqual({ packet: rtp(index), ssrc: 7, index })
        expect(receiver.openRtp(Buffer.from(sealed)), 'replayed').toBeUndefined()
        sealed[sealed.length - 3]! ^= 1
        index += step
      }
    }),
    { numRuns: 20 },
  )
})

test.each([gcm, counterMode])(
  '$name: every changed byte of a packet and of a report is noticed',
  (profile) => {
    const master = { key: keys.key, salt: keys.salt.subarray(0, profile.saltLength) }
    const sender = new SrtpSender(profile, master)
    const packet = protect(sender, rtp(1), 7, 1)
    const report = sender.protectRtcp(Buffer.from('80c90001000000070000000000000000', 'hex'))!
    for (let at = 0; at < packet.length; at++) {
      const changed = Buffer.from(packet)
      changed[at]! ^= 0x10
      expect(new SrtpReceiver(profile, master).openRtp(changed), `byte ${at}`).toBeUndefined()
    }
    for (let at = 0; at < report.length; at++) {
      const changed = Buffer.from(report)
      changed[at]! ^= 0x10
      expect(new SrtpReceiver(profile, master).openRtcp(changed), `byte ${at}`).toBeUndefined()
    }
    const receiver = new SrtpReceiver(profile, master)
    expect(receiver.openRtcp(report)).toBeDefined()
    expect(receiver.openRtcp(report), 'replayed').toBeUndefined()
  },
)

test('a peer has no more than sixteen streams at once, and one that has ended makes room', () => {
  const master = { key: keys.key, salt: keys.salt.subarray(0, 12) }
  const [sender, receiver] = [new SrtpSender(gcm, master), new SrtpReceiver(gcm, master)]
  const comes = (ssrc: number, index = 1): boolean =>
    receiver.openRtp(protect(sender, rtp(index, ssrc), ssrc, index)) !== undefined
  for (let ssrc = 1; ssrc <= 16; ssrc++) expect(comes(ssrc)).toBe(true)
  expect(comes(17)).toBe(false)
  receiver.end(3)
  expect(comes(17)).toBe(true)
  expect(comes(3, 2), 'there is no room to go on').toBe(false)
  receiver.end(17)
  expect(comes(3, 2)).toBe(true)
})

test.each([gcm, counterMode])('$name: nothing of a stream that has ended comes again', (profile) => {
  const master = { key: keys.key, salt: keys.salt.subarray(0, profile.saltLength) }
  const [sender, receiver] = [new SrtpSender(profile, master), new SrtpReceiver(profile, master)]
  const open = (index: number) => receiver.openRtp(Buffer.from(protect(sender, rtp(index), 7, index)))
  // The rollover counter moves on, so that the last packets are of another than the first.
  const indices = [60_000, 65_535, 65_536, 70_000]
  for (const index of indices) expect(open(index)).toMatchObject({ index })
  receiver.end(7)
  for (const index of indices) expect(open(index), `replayed ${index}`).toBeUndefined()
  expect(open(70_001), 'it goes on').toMatchObject({ index: 70_001 })
  expect(open(70_000)).toBeUndefined()
})

test('when a key has seen too many streams end it takes no new one, rather than to forget any', () => {
  const master = { key: keys.key, salt: keys.salt.subarray(0, 12) }
  const [sender, receiver] = [new SrtpSender(gcm, master), new SrtpReceiver(gcm, master)]
  const comes = (ssrc: number): boolean =>
    receiver.openRtp(protect(sender, rtp(1, ssrc), ssrc, 1)) !== undefined
  for (let ssrc = 1; ssrc <= 512; ssrc++) {
    expect(comes(ssrc)).toBe(true)
    receiver.end(ssrc)
  }
  expect(comes(513)).toBe(false)
  expect(comes(1), 'replayed').toBe(false)
})

test('an index counts once, in any order, and never when it is too old', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2000), { maxLength: 300 }), (indices) => {
      const window = new ReplayWindow()
      const seen = new Set<number>()
      let highest = -1
      for (const index of indices) {
        const expected = !seen.has(index) && index > highest - 256
        expect(window.isNew(index)).toBe(expected)
        if (!expected) continue
        window.take(index)
        seen.add(index)
        highest = Math.max(highest, index)
      }
    }),
  )
})

test('an index is found again from its last sixteen bits while it is near the highest', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 40), fc.integer({ min: -32_767, max: 32_767 }), (highest, distance) => {
      fc.pre(highest + distance >= 0)
      expect(estimateIndex(highest, (highest + distance) % 65_536)).toBe(highest + distance)
    }),
  )
})
