import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blankLocations } from './video-location.ts'
import { withoutLocations } from './video-stream.ts'

const latin = (text: string): Buffer => Buffer.from(text, 'latin1')
const box = (type: string, ...content: Buffer[]): Buffer => {
  const body = Buffer.concat(content)
  const header = Buffer.alloc(8)
  header.writeUInt32BE(body.length + 8)
  header.write(type, 4, 'latin1')
  return Buffer.concat([header, body])
}
const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const PLACE = '+51.5072-000.1276/'
const KEYS = ['com.apple.quicktime.make', 'com.apple.quicktime.location.ISO6709']
const keys = box('keys', int(0), int(2), ...KEYS.map((name) => box('mdta', latin(name))))
const value = (number: number, text: string): Buffer => {
  const item = box('    ', box('data', int(1), int(0), latin(text)))
  item.writeUInt32BE(number, 4)
  return item
}
const handler = box('hdlr', int(0), int(0), latin('mdta'), Buffer.alloc(12))
const appleMeta = [handler, keys, box('ilst', value(1, 'SomeCamera'), value(2, PLACE))]

const sample = Buffer.alloc(1000, 7)
const track = box('trak', box('tkhd', Buffer.alloc(84)), box('udta', box('loci', latin(`\0\0\0\0${PLACE}`))))
const moov = (...more: Buffer[]): Buffer => box('moov', box('mvhd', Buffer.alloc(100)), track, ...more)

const fixtures = {
  'Android and QuickTime': moov(box('udta', box('\u00a9xyz', latin(`\0\x12\x15\xc7${PLACE}`)))),
  'an iPhone': moov(box('meta', ...appleMeta)),
  'ISO metadata': moov(box('udta', box('meta', int(0), ...appleMeta))),
  'a GoPro': moov(box('udta', box('GPMF', latin(PLACE)), int(0))),
  XMP: moov(box('udta', box('XMP_', latin(PLACE))), box('uuid', Buffer.alloc(16), latin(PLACE))),
}

describe('the place of recording is overwritten, and nothing moves', () => {
  test.each(Object.entries(fixtures))('%s', (_, original) => {
    const bytes = Buffer.from(original)
    expect(blankLocations(bytes)).toBeGreaterThan(1)
    expect(bytes.includes('51.5072')).toBe(false)
    expect(bytes.length).toBe(original.length)
    // What else there is stays.
    expect(bytes.includes('SomeCamera')).toBe(original.includes('SomeCamera'))
    expect(bytes.subarray(0, 116)).toEqual(original.subarray(0, 116))
    // Once is enough.
    expect(blankLocations(bytes)).toBe(0)
  })

  test('a sphere stays one', () => {
    const uuid = Buffer.from('ffcc8263f8554a938814587a02521fdd', 'hex')
    const bytes = moov(box('trak', box('uuid', uuid, latin('<GSpherical/>'))))
    blankLocations(bytes)
    expect(bytes.includes('GSpherical')).toBe(true)
  })

  test('any bytes stay as many', () => {
    const parts = fc.array(fc.constantFrom(...Object.values(fixtures)))
    fc.assert(
      fc.property(parts, fc.array(fc.nat()), (files, places) => {
        const bytes = Buffer.concat(files)
        const { length } = bytes
        for (const place of places) if (length > 0) bytes[place % length] = place & 0xff
        blankLocations(bytes)
        expect(bytes.length).toBe(length)
      }),
    )
  })
})

const large = (type: string, body: Buffer): Buffer => {
  const header = Buffer.alloc(16)
  header.writeUInt32BE(1)
  header.write(type, 4, 'latin1')
  header.writeBigUInt64BE(BigInt(body.length + 16), 8)
  return Buffer.concat([header, body])
}
const endless = (type: string, body: Buffer): Buffer => Buffer.concat([int(0), latin(type), body])

async function* inPieces(file: Buffer, pieces: (at: number) => number): AsyncGenerator<Buffer> {
  for (let at = 0; at < file.length;) {
    const size = Math.max(1, pieces(at))
    yield file.subarray(at, at + size)
    at += size
  }
}

function strip(file: Buffer, pieces: (at: number) => number, mime = 'video/mp4'): Promise<Buffer> {
  return buffer(withoutLocations(inPieces(file, pieces), mime))
}

describe('a file that streams through', () => {
  const ftyp = box('ftyp', latin('qt  '), int(0))
  const index = fixtures['an iPhone']
  const files = {
    'the index first': [ftyp, index, box('mdat', sample)],
    'the index last': [ftyp, box('free'), large('mdat', sample), index],
    'the media to the end': [ftyp, index, endless('mdat', sample)],
    'the index to the end': [ftyp, box('mdat', sample), endless('moov', index.subarray(8))],
    'a tiny box beside the index': [ftyp, box('udta', box('free')), index, box('mdat', sample)],
    'other data behind the end': [ftyp, index, box('mdat', sample), Buffer.from('end')],
  }
  test.each(Object.entries(files))('%s', async (_, parts) => {
    const file = Buffer.concat(parts)
    const expected = await strip(file, () => file.length)
    expect(expected.length).toBe(file.length)
    expect(expected.includes('51.5072')).toBe(false)
    expect(expected.includes(sample)).toBe(true)
    expect(file.includes('51.5072')).toBe(true)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), async (sizes) => {
        let count = 0
        const stripped = await strip(file, () => sizes[count++ % sizes.length]!)
        expect(stripped.equals(expected)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  test('is left alone if it is of another type', async () => {
    const file = Buffer.concat([ftyp, index])
    expect((await strip(file, () => 100, 'video/webm')).equals(file)).toBe(true)
  })

  test('fails where its index is cut off, is too large, or is none', async () => {
    const whole = (file: Buffer): Promise<Buffer> => strip(file, () => file.length)
    await expect(whole(Buffer.concat([ftyp, index.subarray(0, -1)]))).rejects.toMatchObject({
      reason: 'broken',
    })
    await expect(whole(Buffer.concat([ftyp, int(7), latin('moov')]))).rejects.toMatchObject({
      reason: 'broken',
    })
    const huge = Buffer.concat([int(0x7fffffff), latin('moov')])
    await expect(whole(huge)).rejects.toMatchObject({ reason: 'too_large' })
  })
})
