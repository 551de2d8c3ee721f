import { brokenImage } from '../image-error.ts'
import { blankBox, boxesIn, type Box } from './boxes.ts'
import { blankLocations } from './video-location.ts'

const NEEDED: ReadonlySet<string> = new Set(['ftyp', 'meta', 'mdat', 'moov', 'moof', 'free', 'skip'])

/** Items that are pictures or how to put them together. Every other kind may say where and by whom. */
const METADATA_ITEMS: ReadonlySet<string> = new Set(['Exif', 'mime', 'uri '])

/**
 * AVIF and HEIC without EXIF and XMP: their bytes become zeros, and so does every box that is no part of the picture.
 * Nothing moves; nothing is decoded (ISO/IEC 23008-12, ISO/IEC 14496-12 8.11).
 */
export function stripHeif(original: Buffer): { bytes: Buffer; animated: boolean } {
  const bytes = Buffer.from(original)
  const boxes = boxesIn(bytes, 0, bytes.length)
  const end = boxes.at(-1)?.end ?? 0
  if (!boxes.some(({ type }) => type === 'meta' || type === 'moov')) throw brokenImage('it has no index')
  for (const box of boxes) {
    if (!NEEDED.has(box.type)) blankBox(bytes, box)
    else if (box.type === 'meta') blankItems(bytes, box)
    else if (box.type === 'moov') blankLocations(bytes.subarray(box.at, box.end))
  }
  return { bytes: bytes.subarray(0, end), animated: boxes.some(({ type }) => type === 'moov') }
}

function blankItems(bytes: Buffer, meta: Box): void {
  const boxes = boxesIn(bytes, meta.body + 4, meta.end)
  const find = (type: string): Box | undefined => boxes.find((box) => box.type === type)
  const info = find('iinf')
  const locations = find('iloc')
  if (!info || !locations) return
  const unwanted = metadataItems(bytes, info)
  for (const extent of extents(bytes, locations, find('idat'))) {
    if (!unwanted.has(extent.item)) continue
    if (extent.to > bytes.length) throw brokenImage('an item lies outside the file')
    bytes.fill(0, extent.from, extent.to)
  }
  for (const box of boxes) if (box.type === 'uuid' || box.type === 'xml ') blankBox(bytes, box)
}

/** Ids of the items that are not part of the picture. */
function metadataItems(bytes: Buffer, info: Box): Set<number> {
  const ids = new Set<number>()
  const from = info.body + (bytes[info.body] === 0 ? 6 : 8)
  for (const { type, body, end } of boxesIn(bytes, from, info.end)) {
    if (type !== 'infe' || end - body < 12) continue
    const version = bytes[body]!
    if (version < 2) continue
    const wide = version === 2 ? 0 : 2
    const id = wide ? bytes.readUInt32BE(body + 4) : bytes.readUInt16BE(body + 4)
    if (METADATA_ITEMS.has(bytes.toString('latin1', body + 8 + wide, body + 12 + wide))) ids.add(id)
  }
  return ids
}

interface Extent {
  readonly item: number
  readonly from: number
  readonly to: number
}

/** Where the bytes of each item are (ISO/IEC 14496-12, 8.11.3). */
function extents(bytes: Buffer, box: Box, data: Box | undefined): Extent[] {
  const found: Extent[] = []
  let at = box.body + 4
  const read = (size: number): number => {
    if (at + size > box.end) throw brokenImage('its index is cut off')
    // Eight bytes hold more than a file can be long; their upper half is then no place in it.
    const value = size === 0 ? 0 : size > 6 ? Number(bytes.readBigUInt64BE(at)) : bytes.readUIntBE(at, size)
    at += size
    return value
  }
  const version = bytes[box.body]!
  const sizes = read(2)
  const [offsetSize, lengthSize, baseSize, indexSize] = [
    sizes >> 12,
    (sizes >> 8) & 15,
    (sizes >> 4) & 15,
    version > 0 ? sizes & 15 : 0,
  ] as const
  if ([offsetSize, lengthSize, baseSize, indexSize].some((size) => ![0, 4, 8].includes(size))) {
    throw brokenImage('its index is of an unknown form')
  }
  // Extents of no length would be free of charge: a few bytes could ask for billions of them.
  if (lengthSize === 0) throw brokenImage('its index is of an unknown form')
  const items = read(version < 2 ? 2 : 4)
  for (let i = 0; i < items; i++) {
    const item = read(version < 2 ? 2 : 4)
    const method = version > 0 ? read(2) & 15 : 0
    read(2) // which file: always this one
    const base = read(baseSize)
    const count = read(2)
    for (let j = 0; j < count; j++) {
      read(indexSize)
      const from = base + read(offsetSize) + (method === 1 ? (data?.body ?? 0) : 0)
      found.push({ item, from, to: from + read(lengthSize) })
    }
  }
  return found
}
