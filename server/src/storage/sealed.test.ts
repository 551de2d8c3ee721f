import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  newObjectSecret,
  objectKey,
  seal,
  SEALED_CHUNK,
  SealBrokenError,
  sealedRange,
  sealedSize,
  unseal,
  type Range,
} from './sealed.ts'

const CHUNK = SEALED_CHUNK - 16
const name = 'a'.repeat(32)
const key = objectKey(newObjectSecret())

/** Sizes around the borders of chunks. */
const size = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: -2, max: 2 }))
    .map(([chunks, more]) => chunks * CHUNK + more),
)

function contentOf(bytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 8)) & 0xff))
}

async function* inPieces(bytes: Uint8Array, piece: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece)
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(Buffer.from(piece))
  return Buffer.concat(all)
}

const sealAll = (content: Uint8Array, piece = CHUNK): Promise<Buffer> =>
  collect(seal(inPieces(content, piece), key, name))

/** Reads a part the way a store would: only the bytes that are needed, in pieces of some size. */
function open(
  sealed: Uint8Array,
  bytes: number,
  range: Range,
  options: { name?: string; piece?: number } = {},
) {
  const { start, length } = sealedRange(bytes, range)
  const stored = inPieces(sealed.subarray(start, start + length), options.piece ?? SEALED_CHUNK)
  return collect(unseal({ ...key, name: options.name ?? name, size: bytes }, stored, range))
}

test('any part of any content comes back, however it was cut on its way', async () => {
  await fc.assert(
    fc.asyncProperty(
      size,
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1000, max: 90_000 }),
      async (bytes, a, b, piece) => {
        const content = contentOf(bytes)
        const sealed = await sealAll(content, piece)
        expect(sealed.length).toBe(sealedSize(bytes))
        const start = bytes === 0 ? 0 : a % bytes
        const length = bytes === 0 ? 0 : b % (bytes - start + 1)
        const part = await open(sealed, bytes, { start, length }, { piece })
        expect(part.equals(content.subarray(start, start + length))).toBe(true)
      },
    ),
    { numRuns: 60 },
  )
})

test('a part needs no more than the chunks it touches', () => {
  const bytes = 10 * CHUNK
  expect(sealedRange(bytes, { start: 3 * CHUNK + 5, length: 10 })).toEqual({
    start: 3 * SEALED_CHUNK,
    length: SEALED_CHUNK,
  })
  expect(sealedRange(bytes, { start: 4 * CHUNK - 1, length: 2 })).toEqual({
    start: 3 * SEALED_CHUNK,
    length: 2 * SEALED_CHUNK,
  })
})

const whole = (bytes: number): Range => ({ start: 0, length: bytes })

test('any changed bit is noticed', async () => {
  const content = contentOf(CHUNK + 50)
  const sealed = await sealAll(content)
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: sealed.length * 8 - 1 }), async (bit) => {
      const changed = Buffer.from(sealed)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      await expect(open(changed, content.length, whole(content.length))).rejects.toBeInstanceOf(
        SealBrokenError,
      )
    }),
    { numRuns: 60 },
  )
})

test('content that was cut, also at the border of chunks, is not taken for shorter content', async () => {
  const content = contentOf(3 * CHUNK)
  const sealed = await sealAll(content)
  for (const bytes of [0, 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 7]) {
    // Both to whoever believes the old size and to whoever believes the new one.
    const cut = sealed.subarray(0, sealedSize(bytes))
    await expect(open(cut, content.length, whole(content.length))).rejects.toBeInstanceOf(SealBrokenError)
    await expect(open(cut, bytes, whole(bytes))).rejects.toBeInstanceOf(SealBrokenError)
  }
})

test('chunks that change places, come twice or come from another object do not open', async () => {
  const content = contentOf(3 * CHUNK)
  const sealed = await sealAll(content)
  const other = await sealAll(contentOf(3 * CHUNK).toReversed())
  const chunk = (from: Buffer, index: number): Buffer =>
    from.subarray(index * SEALED_CHUNK, (index + 1) * SEALED_CHUNK)
  const wrong = [
    [chunk(sealed, 1), chunk(sealed, 0), chunk(sealed, 2)],
    [chunk(sealed, 0), chunk(sealed, 0), chunk(sealed, 2)],
    [chunk(sealed, 0), chunk(sealed, 2), chunk(sealed, 1)],
  ]
  for (const chunks of wrong) {
    await expect(open(Buffer.concat(chunks), content.length, whole(content.length))).rejects.toBeInstanceOf(
      SealBrokenError,
    )
  }
  const foreign = objectKey(newObjectSecret())
  const mixed = Buffer.concat([
    chunk(sealed, 0),
    chunk(await collect(seal(inPieces(content, CHUNK), foreign, name)), 1),
    chunk(other, 2),
  ])
  await expect(open(mixed, content.length, whole(content.length))).rejects.toBeInstanceOf(SealBrokenError)
})

test('an object does not open under another name', async () => {
  const sealed = await sealAll(contentOf(100))
  await expect(open(sealed, 100, whole(100), { name: 'b'.repeat(32) })).rejects.toBeInstanceOf(
    SealBrokenError,
  )
})
