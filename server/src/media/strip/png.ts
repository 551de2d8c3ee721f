import { brokenImage } from '../image-error.ts'

/** Chunks that change how the picture looks. Every other one is left out: text, EXIF, times, private ones. */
const NEEDED: ReadonlySet<string> = new Set(
  'IHDR PLTE IDAT IEND tRNS bKGD pHYs sBIT gAMA cHRM sRGB iCCP cICP mDCV cLLI acTL fcTL fdAT'.split(' '),
)

/** A PNG or APNG with only {@link NEEDED} chunks and nothing behind its end, and how many frames it has. */
export function stripPng(bytes: Buffer): { bytes: Buffer; frames: number } {
  const kept: Buffer[] = [bytes.subarray(0, 8)]
  let frames = 0
  let at = 8
  for (;;) {
    if (at + 12 > bytes.length) throw brokenImage('the PNG ends too soon')
    const name = bytes.toString('latin1', at + 4, at + 8)
    const end = at + 12 + bytes.readUInt32BE(at)
    if (end > bytes.length) throw brokenImage('a PNG chunk is cut off')
    if (NEEDED.has(name)) kept.push(bytes.subarray(at, end))
    if (name === 'fcTL') frames++
    if (name === 'IEND') break
    at = end
  }
  return { bytes: Buffer.concat(kept), frames: Math.max(frames, 1) }
}
