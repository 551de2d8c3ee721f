import { brokenImage } from '../image-error.ts'

const TRAILER = 0x3b
const EXTENSION = 0x21
const IMAGE = 0x2c
const GRAPHIC_CONTROL = 0xf9
const APPLICATION = 0xff

/** Applications whose extension says how often to repeat. */
const LOOPS: ReadonlySet<string> = new Set(['NETSCAPE2.0', 'ANIMEXTS1.0'])

/**
 * A GIF with its frames, their timing and the number of repeats, and nothing else: no comments, no text, no XMP, and
 * nothing behind its end. Also says how many frames it has. (GIF89a specification, 12 to 27.)
 */
export function stripGif(bytes: Buffer): { bytes: Buffer; frames: number } {
  if (bytes.length < 13) throw brokenImage('the GIF ends too soon')
  let at = 13 + colourTableLength(bytes[10]!)
  const kept: Buffer[] = [bytes.subarray(0, at)]
  let frames = 0
  for (;;) {
    const kind = bytes[at]
    if (kind === TRAILER) break
    let end: number
    if (kind === IMAGE) {
      if (at + 10 > bytes.length) throw brokenImage('the GIF ends too soon')
      // One byte between colours and data says how the data are packed.
      end = endOfBlocks(bytes, at + 10 + colourTableLength(bytes[at + 9]!) + 1)
      kept.push(bytes.subarray(at, end))
      frames++
    } else if (kind === EXTENSION) {
      end = endOfBlocks(bytes, at + 2)
      if (bytes[at + 1] === GRAPHIC_CONTROL) kept.push(bytes.subarray(at, end))
      else if (isLoop(bytes, at)) kept.push(bytes.subarray(at, at + 18), Buffer.from([0]))
    } else {
      throw brokenImage('the GIF ends too soon')
    }
    at = end
  }
  kept.push(Buffer.from([TRAILER]))
  return { bytes: Buffer.concat(kept), frames }
}

function colourTableLength(flags: number): number {
  return flags & 0x80 ? 3 << ((flags & 7) + 1) : 0
}

/** Behind the block of length 0 that ends the blocks from `at`. */
function endOfBlocks(bytes: Buffer, at: number): number {
  let next = at
  for (;;) {
    const length = bytes[next]
    if (length === undefined) throw brokenImage('the GIF ends too soon')
    next += 1 + length
    if (length === 0) return next
  }
}

function isLoop(bytes: Buffer, at: number): boolean {
  if (bytes[at + 1] !== APPLICATION || bytes[at + 2] !== 11) return false
  return LOOPS.has(bytes.toString('latin1', at + 3, at + 14)) && bytes[at + 14] === 3 && bytes[at + 15] === 1
}
