import { brokenImage } from '../image-error.ts'

const NEEDED: ReadonlySet<string> = new Set(['VP8 ', 'VP8L', 'VP8X', 'ALPH', 'ANIM', 'ANMF', 'ICCP'])
const EXIF_FLAG = 0x08
const XMP_FLAG = 0x04

interface Chunk {
  readonly name: string
  /** With header and padding. */
  readonly bytes: Buffer
}

/** A WebP without EXIF, XMP, unknown chunks or anything behind its end, and how many frames it has (RFC 9649). */
export function stripWebp(bytes: Buffer): { bytes: Buffer; frames: number } {
  const end = 8 + bytes.readUInt32LE(4)
  if (end > bytes.length) throw brokenImage('the WebP ends too soon')
  const chunks = chunksIn(bytes.subarray(12, end)).filter(({ name }) => NEEDED.has(name))
  const kept = chunks.map(({ name, bytes: chunk }) => {
    if (name === 'VP8X') return withoutMetadataFlags(chunk)
    return name === 'ANMF' ? stripFrame(chunk) : chunk
  })
  const content = Buffer.concat(kept)
  const header = Buffer.from(bytes.subarray(0, 12))
  header.writeUInt32LE(content.length + 4, 4)
  const frames = chunks.filter(({ name }) => name === 'ANMF').length
  return { bytes: Buffer.concat([header, content]), frames: Math.max(frames, 1) }
}

function chunksIn(bytes: Buffer): Chunk[] {
  const chunks: Chunk[] = []
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 4)
    const end = at + 8 + length
    if (end > bytes.length) throw brokenImage('a WebP chunk is cut off')
    const padded = Buffer.alloc(8 + length + (length & 1))
    bytes.copy(padded, 0, at, end)
    chunks.push({ name: bytes.toString('latin1', at, at + 4), bytes: padded })
    at = end + (length & 1)
  }
  return chunks
}

function withoutMetadataFlags(chunk: Buffer): Buffer {
  if (chunk.length < 18) throw brokenImage('a WebP chunk is too short')
  const copy = Buffer.from(chunk)
  copy[8]! &= ~(EXIF_FLAG | XMP_FLAG)
  return copy
}

/** A frame has 16 bytes of its own, then chunks, of which unknown ones may hold anything. */
function stripFrame(frame: Buffer): Buffer {
  if (frame.length < 24) throw brokenImage('a WebP frame is too short')
  const kept = chunksIn(frame.subarray(24)).filter(({ name }) => NEEDED.has(name))
  const copy = Buffer.concat([frame.subarray(0, 24), ...kept.map(({ bytes }) => bytes)])
  copy.writeUInt32LE(copy.length - 8, 4)
  return copy
}
