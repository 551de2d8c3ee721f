import { readdirSync, readFileSync } from 'node:fs'
import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'
import { afterAll, describe, expect, test } from 'vitest'
import { SETTINGS } from '#config/schema.ts'
import type { ImageOptions } from './image.ts'
import { Media } from './media.ts'

const defaults = {
  processes: SETTINGS['media.processes'].default,
  queue: SETTINGS['media.queue'].default,
  timeout_seconds: SETTINGS['media.timeout_seconds'].default,
  memory_mb: SETTINGS['media.memory_mb'].default,
  max_megapixels: SETTINGS['media.max_megapixels'].default,
  max_frames: SETTINGS['media.max_frames'].default,
}

const media = new Media(defaults, () => {})
afterAll(() => media[Symbol.asyncDispose]())

const secrets = ['SecretCamera', 'SecretTitle', 'SecretComment', 'SecretPlace', 'SecretTail', '51/1']
const exif = {
  IFD0: { Make: 'SecretCamera', Copyright: 'SecretPlace' },
  IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 3230/100' },
}
const xmp =
  '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
  '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="SecretTitle"/></rdf:RDF></x:xmpmeta>'

/** Left half red, right half blue. */
function picture(width = 400, height = 200): Sharp {
  const right = { create: { width: width / 2, height, channels: 3 as const, background: 'blue' } }
  return sharp({ create: { width, height, channels: 3, background: 'red' } }).composite([
    { input: right, left: width / 2, top: 0 },
  ])
}
const withMetadata = (of: Sharp): Sharp => of.withExif(exif).withXmp(xmp)

const process = (bytes: Uint8Array, options?: ImageOptions) => media.processImage(bytes, options)
const failure = (bytes: Uint8Array, options?: ImageOptions) =>
  process(bytes, options).then(
    () => undefined,
    (error: unknown) => error,
  )

const contains = (bytes: Uint8Array, text: string): boolean => Buffer.from(bytes).includes(text)
async function pixel(bytes: Uint8Array, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  return [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)]
}
const raw = (bytes: Uint8Array): Promise<Buffer> => sharp(bytes).raw().toBuffer()

function pngChunk(name: string, content: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(name, 'latin1'), content])
  const bytes = Buffer.alloc(named.length + 8)
  bytes.writeUInt32BE(content.length)
  named.copy(bytes, 4)
  bytes.writeUInt32BE(crc32(named), named.length + 4)
  return bytes
}
const numbers = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4))
  return bytes
}
const pngStart = Buffer.from('89504e470d0a1a0a', 'hex')
const pngHeader = (width: number, height: number): Buffer =>
  pngChunk('IHDR', Buffer.concat([numbers(width, height), Buffer.from([8, 2, 0, 0, 0])]))
/** Black all over; compresses a thousandfold. */
const blackPng = (width: number, height: number): Buffer =>
  Buffer.concat([
    pngStart,
    pngHeader(width, height),
    pngChunk('IDAT', deflateSync(Buffer.alloc((width * 3 + 1) * height), { level: 1 })),
    pngChunk('IEND', Buffer.alloc(0)),
  ])

function apng(frames: number): Buffer {
  const size = 16
  const data = deflateSync(Buffer.alloc((size * 3 + 1) * size, 1))
  const control = (number: number): Buffer =>
    pngChunk('fcTL', Buffer.concat([numbers(number, size, size, 0, 0), Buffer.from([0, 1, 0, 10, 0, 0])]))
  const more = Array.from({ length: frames - 1 }, (_, index) => [
    control(index * 2 + 1),
    pngChunk('fdAT', Buffer.concat([numbers(index * 2 + 2), data])),
  ])
  return Buffer.concat([
    pngStart,
    pngHeader(size, size),
    pngChunk('acTL', numbers(frames, 0)),
    control(0),
    pngChunk('tEXt', Buffer.from('Comment\0SecretComment')),
    pngChunk('IDAT', data),
    ...more.flat(),
    pngChunk('IEND', Buffer.alloc(0)),
    Buffer.from('SecretTail'),
  ])
}

const gifHead = Buffer.from('GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xff\xff\xff', 'latin1')
const gifFrame = Buffer.from('!\xf9\x04\0\x0a\0\0\0,\0\0\0\0\x10\0\x10\0\0\x02\x02\x84\x51\0', 'latin1')
const gifComment = Buffer.from('!\xfe\x0dSecretComment\0', 'latin1')
const gif = (frames: number, ...between: Buffer[]): Buffer =>
  Buffer.concat([
    gifHead,
    ...between,
    ...Array.from({ length: frames }, () => gifFrame),
    Buffer.from(';SecretTail'),
  ])

describe('what says who and where is gone, and the picture is the same', () => {
  const segment = (marker: number, content: string): Buffer => {
    const bytes = Buffer.from(`\xff${String.fromCharCode(marker)}\0\0${content}`, 'latin1')
    bytes.writeUInt16BE(content.length + 2, 2)
    return bytes
  }
  const hide = (jpeg: Buffer): Buffer =>
    Buffer.concat([
      jpeg.subarray(0, 2),
      segment(0xfe, 'SecretComment'),
      segment(0xed, 'Photoshop 3.0\x008BIM SecretTitle'),
      segment(0xe2, 'MPF\0 SecretPlace'),
      jpeg.subarray(2),
      Buffer.from('SecretTail'),
    ])
  test.each([
    ['jpeg', async () => hide(await withMetadata(picture().jpeg()).toBuffer())],
    ['progressive jpeg', () => withMetadata(picture().jpeg({ progressive: true, mozjpeg: true })).toBuffer()],
    ['png', () => withMetadata(picture().png()).toBuffer()],
    ['webp', () => withMetadata(picture().webp()).toBuffer()],
    ['webp, lossless', () => withMetadata(picture().webp({ lossless: true })).toBuffer()],
    ['avif', () => withMetadata(picture().avif({ effort: 0 })).toBuffer()],
  ])('%s', async (name, make) => {
    const original = await make()
    expect(secrets.some((secret) => contains(original, secret))).toBe(true)
    const { bytes, mime, width, height, animated } = await process(original)
    expect({ mime, width, height, animated }).toEqual({
      mime: `image/${/\w+(?=,|$)/.exec(name)![0]}`,
      width: 400,
      height: 200,
      animated: false,
    })
    expect(secrets.filter((secret) => contains(bytes, secret))).toEqual([])
    const metadata = await sharp(bytes).metadata()
    // In AVIF the bytes stay, as zeros.
    const rest = [metadata.exif, metadata.xmp].map(
      (left) => left?.filter((byte) => byte !== 0).length ?? 'none',
    )
    expect(rest).toEqual(mime === 'image/avif' ? [0, 0] : ['none', 'none'])
    expect((await raw(bytes)).equals(await raw(original))).toBe(true)
  })

  test('gif and apng keep their frames', async () => {
    const loop = Buffer.from('!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0', 'latin1')
    const note = Buffer.from('!\xff\x0bXMP DataXMP\x0bSecretTitle\0', 'latin1')
    const moving = await process(gif(3, gifComment, loop, note))
    expect(moving).toMatchObject({ mime: 'image/gif', width: 16, height: 16, animated: true })
    expect(Buffer.from(moving.bytes)).toEqual(
      Buffer.concat([gifHead, loop, gifFrame, gifFrame, gifFrame, Buffer.from(';')]),
    )
    const png = await process(apng(4))
    expect(png).toMatchObject({ mime: 'image/apng', animated: true })
    expect(secrets.filter((secret) => contains(png.bytes, secret))).toEqual([])
    expect(Buffer.from(png.bytes).toString('latin1').match(/fcTL/g)).toHaveLength(4)
  })

  test('an animated webp keeps its frames', async () => {
    const frames = await Promise.all(
      [10, 20, 30].map((size) => picture(size, size).resize(40).png().toBuffer()),
    )
    const joined = sharp([...frames, await picture(40, 20).resize(40, 40).png().toBuffer()], {
      join: { animated: true },
    })
    const moving = await joined.withExif(exif).webp({ lossless: true }).toBuffer()
    expect(contains(moving, 'SecretCamera')).toBe(true)
    const { bytes, animated } = await process(moving)
    expect(animated).toBe(true)
    expect(contains(bytes, 'SecretCamera')).toBe(false)
    const all = (of: Uint8Array): Promise<Buffer> => sharp(of, { pages: -1 }).raw().toBuffer()
    expect((await all(bytes)).equals(await all(moving))).toBe(true)
  })
})

describe('a picture that lies on its side is turned', () => {
  test.each(['jpeg', 'png', 'webp'] as const)('%s', async (format) => {
    // Turned by 90 degrees, red comes to lie on top.
    const original = await picture()
      .toFormat(format)
      .withExif(exif)
      .withMetadata({ orientation: 6 })
      .toBuffer()
    const { bytes, mime, width, height, thumbnails } = await process(original, { thumbnailWidths: [50] })
    expect({ mime, width, height }).toEqual({ mime: `image/${format}`, width: 200, height: 400 })
    const { orientation = 1, exif: rest } = await sharp(bytes).metadata()
    expect({ orientation, rest }).toEqual({ orientation: 1, rest: undefined })
    const [red, , blue] = await pixel(bytes, 100, 50)
    expect(red! > 240 && blue! < 15).toBe(true)
    expect(thumbnails).toMatchObject([{ width: 50, height: 100 }])
  })

  test('even if it is as large as allowed, within the memory allowed', async () => {
    const flat = sharp({ create: { width: 8000, height: 7900, channels: 3, background: 'red' } })
    const photo = await flat.jpeg().withMetadata({ orientation: 8 }).toBuffer()
    expect(await process(photo, { thumbnailWidths: [10] })).toMatchObject({ width: 7900, height: 8000 })
  })

  test('and keeps its colours, whatever its colour profile', async () => {
    const wide = await picture()
      .withIccProfile('p3')
      .jpeg({ quality: 100 })
      .withMetadata({ orientation: 3 })
      .toBuffer()
    const { bytes } = await process(wide)
    expect((await sharp(bytes).metadata()).icc).toBeDefined()
    const before = await pixel(await sharp(wide).toColourspace('srgb').png().toBuffer(), 10, 10)
    const after = await pixel(await sharp(bytes).toColourspace('srgb').png().toBuffer(), 390, 190)
    before.forEach((value, index) => expect(Math.abs(value - after[index]!)).toBeLessThan(12))
  })
})

test('thumbnails are WebP of the widths asked for, never larger than the picture, and one at least', async () => {
  const original = await picture(1000, 500).jpeg().toBuffer()
  const { thumbnails } = await process(original, { thumbnailWidths: [300, 100, 1000, 4000] })
  expect(thumbnails.map(({ width, height }) => [width, height])).toEqual([
    [100, 50],
    [300, 150],
  ])
  for (const { bytes, width } of thumbnails) {
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'webp', width })
  }
  const small = await process(await picture(20, 10).png().toBuffer())
  expect(small.thumbnails).toMatchObject([{ width: 20, height: 10 }])
  const tower = await process(await picture(100, 20_000).png().toBuffer())
  expect(tower.thumbnails.every(({ height }) => height <= 16_383)).toBe(true)
})

test('a longest side may be asked for', async () => {
  const large = await process(await picture(1000, 500).jpeg().toBuffer(), { maxSide: 200 })
  expect(large).toMatchObject({ mime: 'image/jpeg', width: 200, height: 100 })
  const enough = await process(await picture(200, 100).jpeg().toBuffer(), { maxSide: 200 })
  expect(enough).toMatchObject({ width: 200, height: 100 })
  expect(await failure(apng(2), { maxSide: 10 })).toMatchObject({ reason: 'too_large' })
})

describe('what is too large is refused before it is decoded', () => {
  test('pixels, as the header states them', async () => {
    const bomb = Buffer.concat([
      pngStart,
      pngHeader(60_000, 60_000),
      pngChunk('IDAT', deflateSync(Buffer.alloc(9999))),
      pngChunk('IEND', Buffer.alloc(0)),
    ])
    expect(await failure(bomb)).toMatchObject({ reason: 'too_large' })
    // Few pixels, but a side that no thumbnail can be made of.
    expect(await failure(blackPng(40_000, 1))).toMatchObject({ reason: 'too_large' })
  })

  test('frames', async () => {
    expect(await failure(gif(10_000))).toMatchObject({ reason: 'too_large' })
    expect(await failure(apng(1001))).toMatchObject({ reason: 'too_large' })
    expect(await process(gif(1000))).toMatchObject({ animated: true })
  })
})

describe('what is broken is refused', () => {
  test.each(['jpeg', 'png', 'webp', 'avif'] as const)('a %s that was cut off', async (format) => {
    const whole = await picture().toFormat(format).toBuffer()
    for (const share of [0.3, 0.9, 0.99]) {
      expect(await failure(whole.subarray(0, whole.length * share))).toMatchObject({ reason: 'broken' })
    }
  })

  test('a GIF that was cut off, and a header without a picture', async () => {
    expect(await failure(gif(3).subarray(0, -20))).toMatchObject({ reason: 'broken' })
    expect(await failure(Buffer.from('GIF89a/*....*/=1;alert(1)//'))).toMatchObject({ reason: 'broken' })
    expect(await failure(Buffer.from('\xff\xd8\xff\xe0', 'latin1'))).toMatchObject({ reason: 'broken' })
    expect(await failure(pngStart)).toMatchObject({ reason: 'broken' })
  })

  test('a PNG with damage inside', async () => {
    const whole = await picture().png({ compressionLevel: 0 }).toBuffer()
    whole[whole.length >> 1]! ^= 0xff
    expect(await failure(whole)).toMatchObject({ reason: 'broken' })
  })
})

test('types without a decoder are unsupported, whatever decoders there are', async () => {
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script/></svg>')
  const tiff = await picture().tiff().toBuffer()
  for (const bytes of [svg, tiff, Buffer.from('%PDF-1.4 <script>'), Buffer.from('text')]) {
    expect(await failure(bytes)).toMatchObject({ reason: 'unsupported', stripped: undefined })
  }
})

test('a HEIC cannot be decoded, but comes back without its metadata', async () => {
  const avif = await withMetadata(picture().avif({ effort: 0 })).toBuffer()
  const heic = Buffer.from(avif)
  // The same boxes under the brand of another codec.
  heic.write('heic', 8, 'latin1')
  for (let at = 16; at < heic.readUInt32BE(0); at += 4) heic.write('heic', at, 'latin1')
  expect(contains(heic, 'SecretCamera') && contains(heic, 'SecretTitle')).toBe(true)
  const error = await failure(heic)
  expect(error).toMatchObject({ reason: 'unsupported' })
  const { stripped } = error as { stripped: Uint8Array }
  expect(stripped.length).toBe(heic.length)
  expect(secrets.filter((secret) => contains(stripped, secret))).toEqual([])
})

/** Process ids of the decoders that this test run has started. */
function decoders(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const ours = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')[1]
        return (
          ours === String(globalThis.process.pid) &&
          readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('image-process.ts')
        )
      } catch {
        return false
      }
    })
    .map(Number)
}

describe('the process that decodes', () => {
  const small = gif(1)

  test('is killed when a picture takes too long, and the next one gets another', async () => {
    const broke: Error[] = []
    await using own = new Media({ ...defaults, timeout_seconds: 1 }, (error) => broke.push(error))
    await own.processImage(small)
    const before = decoders()
    const thumbnailWidths = Array.from({ length: 400 }, (_, index) => 2000 + index)
    const slow = own.processImage(blackPng(3000, 3000), { thumbnailWidths })
    await expect(slow).rejects.toMatchObject({ reason: 'too_slow' })
    expect(own.running).toBe(0)
    expect(decoders().length).toBeLessThan(before.length)
    await own.processImage(small)
    expect(broke).toEqual([])
  })

  test('is killed when it takes too much memory', async () => {
    const broke: Error[] = []
    await using own = new Media({ ...defaults, memory_mb: 40 }, (error) => broke.push(error))
    await expect(own.processImage(blackPng(5000, 5000))).rejects.toMatchObject({ reason: 'too_large' })
    expect(broke).toHaveLength(1)
    expect(own.running).toBe(0)
  })

  test('is replaced when it crashed', async () => {
    const broke: Error[] = []
    await using own = new Media(defaults, (error) => broke.push(error))
    const others = decoders()
    await own.processImage(small)
    const [pid] = decoders().filter((candidate) => !others.includes(candidate))
    const crashing = own.processImage(blackPng(7000, 7000))
    globalThis.process.kill(pid!, 'SIGSEGV')
    await expect(crashing).rejects.toMatchObject({ reason: 'broken' })
    expect(await own.processImage(small)).toMatchObject({ width: 16 })
    expect(broke).toHaveLength(1)
  })

  test('has one picture at a time; few wait, the others are refused at once', async () => {
    await using own = new Media({ ...defaults, queue: 2 }, () => {})
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => own.processImage(small)))
    expect(outcomes.map(({ status }) => status)).toEqual(
      'fulfilled fulfilled fulfilled rejected rejected'.split(' '),
    )
    expect(outcomes.at(-1)).toMatchObject({ reason: { reason: 'busy' } })
    expect(own.running).toBe(1)
  })

  test('is there only while it is needed', async () => {
    const own = new Media(defaults, () => {}, { idleMs: 30 })
    expect(own.running).toBe(0)
    await own.processImage(small)
    expect(own.running).toBe(1)
    await expect.poll(() => own.running).toBe(0)
    await own.processImage(small)
    await own[Symbol.asyncDispose]()
    expect(own.running).toBe(0)
    await expect(own.processImage(small)).rejects.toMatchObject({ reason: 'busy' })
  })
})
