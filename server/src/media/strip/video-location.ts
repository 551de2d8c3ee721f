import { blankBox, boxesIn, type Box } from './boxes.ts'

/** Boxes that have boxes inside, on the way to where locations are kept. */
const CONTAINERS: ReadonlySet<string> = new Set([
  'moov',
  'trak',
  'mdia',
  'minf',
  'udta',
  'edts',
  'moof',
  'traf',
])

/**
 * Boxes that say where a recording was made: QuickTime's `©xyz`, 3GPP's `loci`, GoPro's and dash cameras' GPS, and
 * XMP, which can hold anything.
 */
const LOCATIONS: ReadonlySet<string> = new Set([
  '\u00a9xyz',
  'loci',
  'GPMF',
  'gps ',
  'GPS ',
  'XMP_',
  '@xyz',
  'uuid',
])

/** The `uuid` box that makes a video a sphere to look around in (Spherical Video RFC, version 1). It is kept. */
const SPHERICAL = 'ffcc8263f8554a938814587a02521fdd'

/** Names in `keys` under which Apple's, Google's and others' cameras write places. */
const LOCATION_KEY = /location|gps|geo|xmp/i

/**
 * Overwrites the places of recording in one box of an MP4 or QuickTime file (`moov`, or a `udta`, `meta` or `uuid`
 * beside it), in place. Nothing moves and nothing changes its length, so offsets into the file stay right.
 *
 * Not touched: measurements that are tracks of their own (GoPro `gpmd`, Google `camm`), whose samples lie between
 * those of picture and sound.
 *
 * @returns how many entries were overwritten
 */
export function blankLocations(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return blankIn(buffer, 0, buffer.length, 0)
}

function blankIn(bytes: Buffer, from: number, to: number, depth: number): number {
  let blanked = 0
  // Real files are six levels deep.
  if (depth > 12) return 0
  for (const box of boxesIn(bytes, from, to)) {
    if (LOCATIONS.has(box.type)) {
      if (box.type === 'uuid' && bytes.toString('hex', box.body, box.body + 16) === SPHERICAL) continue
      blankBox(bytes, box)
      blanked++
    } else if (box.type === 'meta') {
      blanked += blankInMeta(bytes, box, depth)
    } else if (CONTAINERS.has(box.type)) {
      blanked += blankIn(bytes, box.body, box.end, depth + 1)
    }
  }
  return blanked
}

/** `keys` has the names, `ilst` the values, told by the number of their name (QuickTime File Format, "Metadata"). */
function blankInMeta(bytes: Buffer, meta: Box, depth: number): number {
  // In ISO files four bytes of version and flags come first, in QuickTime files none do.
  const isQuickTime = bytes.toString('latin1', meta.body + 4, meta.body + 8) === 'hdlr'
  const from = meta.body + (isQuickTime ? 0 : 4)
  const boxes = boxesIn(bytes, from, meta.end)
  const numbers = boxes.filter(({ type }) => type === 'keys').flatMap((keys) => locationKeys(bytes, keys))
  let blanked = blankIn(bytes, from, meta.end, depth + 1)
  for (const list of boxes.filter(({ type }) => type === 'ilst')) {
    for (const item of boxesIn(bytes, list.body, list.end)) {
      const number = bytes.readUInt32BE(item.at + 4)
      if (!numbers.includes(number) && !LOCATIONS.has(item.type)) continue
      blankBox(bytes, item)
      blanked++
    }
  }
  return blanked
}

/** Numbers, from 1, of the keys that name a place. */
function locationKeys(bytes: Buffer, keys: Box): number[] {
  return boxesIn(bytes, keys.body + 8, keys.end).flatMap(({ body, end }, index) =>
    LOCATION_KEY.test(bytes.toString('latin1', body, end)) ? [index + 1] : [],
  )
}
