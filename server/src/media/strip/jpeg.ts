import { brokenImage } from '../image-error.ts'

const ICC = Buffer.from('ICC_PROFILE\0', 'latin1')

/**
 * A JPEG without anything but the picture: no EXIF, XMP, IPTC, comments, previews, and nothing behind its end (where
 * phones keep videos and depth maps). The colour profile stays, and the picture is the same to the bit.
 * Markers: ITU-T T.81, annex B.
 */
export function stripJpeg(bytes: Buffer): Buffer {
  const kept: Buffer[] = [bytes.subarray(0, 2)]
  let at = 2
  for (;;) {
    if (at + 2 > bytes.length || bytes[at] !== 0xff) throw brokenImage('a JPEG marker is missing')
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at++ // a fill byte
      continue
    }
    if (marker === 0xd9) break
    const end = at + 2 + segmentLength(bytes, at)
    if (end > bytes.length) throw brokenImage('a JPEG segment is cut off')
    if (isNeeded(bytes, marker, at + 4)) kept.push(bytes.subarray(at, end))
    at = end
    if (marker === 0xda) {
      const scanEnd = endOfScan(bytes, at)
      kept.push(bytes.subarray(at, scanEnd))
      at = scanEnd
    }
  }
  kept.push(Buffer.from([0xff, 0xd9]))
  return Buffer.concat(kept)
}

function segmentLength(bytes: Buffer, at: number): number {
  const length = at + 4 <= bytes.length ? bytes.readUInt16BE(at + 2) : 0
  if (length < 2) throw brokenImage('a JPEG segment is cut off')
  return length
}

function isNeeded(bytes: Buffer, marker: number, body: number): boolean {
  if (marker === 0xfe) return false // COM
  if (marker < 0xe0 || marker > 0xef) return true
  if (marker === 0xe2) return bytes.subarray(body, body + ICC.length).equals(ICC)
  if (marker === 0xe0) return bytes.toString('latin1', body, body + 5) === 'JFIF\0'
  // Adobe's segment says how colours are coded.
  return marker === 0xee && bytes.toString('latin1', body, body + 5) === 'Adobe'
}

/** Where the entropy-coded data that begins at `from` is followed by a marker other than a restart. */
function endOfScan(bytes: Buffer, from: number): number {
  let at = bytes.indexOf(0xff, from)
  while (at >= 0 && at + 1 < bytes.length) {
    const next = bytes[at + 1]!
    if (next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at
    at = bytes.indexOf(0xff, at + (next === 0xff ? 1 : 2))
  }
  throw brokenImage('the JPEG ends too soon')
}
