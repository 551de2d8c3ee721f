import type { MediaType } from './types.ts'

const BRANDS: readonly (readonly [RegExp, MediaType])[] = [
  [/^avi[fs]$/, 'image/avif'],
  [/^hei[csxm]$|^hev[cmsx]$/, 'image/heic'],
  [/^crx $/, 'image/x-canon-cr3'],
  [/^qt {2}$/, 'video/quicktime'],
  [/^M4[ABP] $|^F4[AB] $/, 'audio/mp4'],
  [/^3g[a-z0-9]{2}$/, 'video/3gpp'],
  [/^(iso[\dm]|mp4\d|avc1|dash|M4V[H P ]?|mmp4|MSNV|f4v |NDX.|cmf[c2])/, 'video/mp4'],
]

/**
 * Files of the ISO base media format: MP4, QuickTime, AVIF, HEIC. The major brand decides, then the compatible
 * ones, in the order of the file (ISO/IEC 14496-12, 4.3). A HEIF file of an unknown codec is `image/heif`.
 */
export function isoMediaType(head: Buffer): MediaType | undefined {
  if (head.length < 12) return undefined
  const name = head.toString('latin1', 4, 8)
  if (['moov', 'wide', 'mdat', 'pnot'].includes(name)) {
    // QuickTime files from before `ftyp`: their first box is no longer than 16 MiB, or says 1 for "see below".
    const size = head.readUInt32BE(0)
    return size === 1 || (size >= 8 && head[0] === 0) ? 'video/quicktime' : undefined
  }
  if (name !== 'ftyp') return undefined
  const end = Math.min(head.readUInt32BE(0), head.length)
  const brands = [head.toString('latin1', 8, 12)]
  for (let at = 16; at + 4 <= end; at += 4) brands.push(head.toString('latin1', at, at + 4))
  for (const brand of brands) {
    const type = BRANDS.find(([pattern]) => pattern.test(brand))?.[1]
    if (type) return type
  }
  return brands.some((brand) => /^(mif|msf)[12]$/.test(brand)) ? 'image/heif' : 'video/mp4'
}

/** Matroska and WebM: the `DocType` (0x4282) in the EBML header tells (RFC 8794, 11.2.8). */
export function matroskaType(head: Buffer): MediaType | undefined {
  if (head.length < 8 || head.readUInt32BE(0) !== 0x1a45dfa3) return undefined
  const at = head.subarray(0, 128).indexOf(Buffer.from('4282', 'hex'))
  const length = at < 0 ? 0 : (head[at + 2] ?? 0x80) & 0x7f
  const docType = head.toString('latin1', at + 3, at + 3 + length).replace(/\0+$/, '')
  if (docType === 'webm') return 'video/webm'
  return docType === 'matroska' ? 'video/x-matroska' : undefined
}

const OGG_VIDEO = ['\u0080theora', 'fishead', '\u0001video', 'BBCD']

/** Ogg: the first packet of the first stream names the codec (RFC 3533, RFC 5334). */
export function oggType(head: Buffer): MediaType | undefined {
  if (head.toString('latin1', 0, 4) !== 'OggS' || head.length < 28) return undefined
  const packet = head.toString('latin1', 27 + head[26]!, 35 + head[26]!)
  return OGG_VIDEO.some((codec) => packet.startsWith(codec)) ? 'video/ogg' : 'audio/ogg'
}

/** Bit rates in kbit/s of MPEG audio layer III: MPEG 1, then MPEG 2 and 2.5. */
const MP3_RATES = [
  [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
] as const
const SAMPLE_RATES = [44_100, 48_000, 32_000] as const

/**
 * MP3 without a tag in front: two frames, one where the other ends (WHATWG MIME Sniffing, 6.2.3).
 * Raw AAC (ADTS) is told the same way.
 */
export function audioFramesType(head: Buffer): MediaType | undefined {
  for (const [type, frameLength] of [
    ['audio/mpeg', mp3FrameLength],
    ['audio/aac', adtsFrameLength],
  ] as const) {
    const first = frameLength(head, 0)
    if (first !== undefined && frameLength(head, first) !== undefined) return type
  }
  return undefined
}

function mp3FrameLength(head: Buffer, at: number): number | undefined {
  if (at + 4 > head.length || head[at] !== 0xff || (head[at + 1]! & 0xe6) !== 0xe2) return undefined
  const version = (head[at + 1]! >> 3) & 3 // 0: MPEG 2.5, 2: MPEG 2, 3: MPEG 1
  const rate = MP3_RATES[version === 3 ? 0 : 1][head[at + 2]! >> 4]
  const sampleRate = SAMPLE_RATES[(head[at + 2]! >> 2) & 3]
  if (version === 1 || !rate || sampleRate === undefined) return undefined
  const divisor = { 0: 4, 2: 2, 3: 1 }[version as 0 | 2 | 3]
  const samples = version === 3 ? 144 : 72
  return Math.floor((samples * rate * 1000) / (sampleRate / divisor)) + ((head[at + 2]! >> 1) & 1)
}

function adtsFrameLength(head: Buffer, at: number): number | undefined {
  if (at + 7 > head.length || head[at] !== 0xff || (head[at + 1]! & 0xf6) !== 0xf0) return undefined
  const length = ((head[at + 3]! & 3) << 11) | (head[at + 4]! << 3) | (head[at + 5]! >> 5)
  return length > 7 ? length : undefined
}

/** MPEG transport stream: packets of 188 bytes that all begin with 0x47. */
export function transportStreamType(head: Buffer): MediaType | undefined {
  if (head.length < 188 * 4) return undefined
  for (let at = 0; at < head.length; at += 188) if (head[at] !== 0x47) return undefined
  return 'video/mp2t'
}
