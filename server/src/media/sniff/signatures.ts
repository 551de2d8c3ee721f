import type { MediaType } from './types.ts'

/** Bytes as text: hex digits, `.` for any digit. */
type Pattern = string

const latin = (text: string): Pattern => Buffer.from(text, 'latin1').toString('hex')

/** Types that are told by fixed bytes at a fixed place, the longer and surer first. */
const SIGNATURES: readonly (readonly [MediaType, Pattern, at?: number])[] = [
  ['image/gif', latin('GIF87a')],
  ['image/gif', latin('GIF89a')],
  ['image/jp2', '0000000c6a5020200d0a870a'],
  ['image/jxl', '0000000c4a584c200d0a870a'],
  ['image/vnd.adobe.photoshop', latin('8BPS')],
  ['image/tiff', '49492a00'],
  ['image/tiff', '4d4d002a'],
  ['image/tiff', '49492b00'],
  ['image/jpeg', 'ffd8ff'],
  ['application/pdf', latin('%PDF-')],
  ['application/postscript', latin('%!PS-Adobe-')],
  ['application/rtf', latin('{\\rtf')],
  ['application/vnd.sqlite3', latin('SQLite format 3\0')],
  ['application/x-7z-compressed', '377abcaf271c'],
  ['application/vnd.rar', latin('Rar!\x1a\x07')],
  ['application/x-xz', 'fd377a585a00'],
  ['application/zstd', '28b52ffd'],
  ['application/gzip', '1f8b08'],
  ['application/x-bzip2', '425a68..314159265359'],
  ['application/x-tar', latin('ustar'), 257],
  ['application/wasm', '0061736d'],
  ['application/x-elf', '7f454c46'],
  ['application/x-mach-binary', 'cffaedfe'],
  ['application/x-mach-binary', 'cefaedfe'],
  ['application/x-mach-binary', 'cafebabe0000000.'],
  ['video/x-ms-asf', '3026b2758e66cf11a6d900aa0062ce6c'],
  ['video/x-flv', latin('FLV\x01')],
  ['video/mpeg', '000001ba'],
  ['video/mpeg', '000001b3'],
  ['audio/flac', latin('fLaC')],
  ['audio/amr', latin('#!AMR')],
  ['audio/midi', latin('MThd') + '00000006'],
  ['audio/aiff', `${latin('FORM')}........${latin('AIFF')}`],
  ['audio/aiff', `${latin('FORM')}........${latin('AIFC')}`],
  ['audio/mpeg', latin('ID3')],
  ['audio/wav', `${latin('RIFF')}........${latin('WAVE')}`],
  ['image/webp', `${latin('RIFF')}........${latin('WEBP')}`],
  ['video/x-msvideo', `${latin('RIFF')}........${latin('AVI ')}`],
  ['font/woff', latin('wOFF')],
  ['font/woff2', latin('wOF2')],
  ['font/otf', latin('OTTO')],
  ['font/ttf', '0001000000'],
  ['image/x-icon', '00000100'],
  ['image/x-icon', '00000200'],
  ['image/jxl', 'ff0a'],
]

/** The type whose fixed bytes `head` begins with. */
export function bySignature(head: Buffer): MediaType | undefined {
  const hex = head.toString('hex', 0, 300)
  return SIGNATURES.find(([, pattern, at = 0]) => matches(hex, pattern, at * 2))?.[0]
}

function matches(hex: string, pattern: Pattern, from: number): boolean {
  if (hex.length < from + pattern.length) return false
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] !== '.' && pattern[i] !== hex[from + i]) return false
  }
  return true
}

const PNG = Buffer.from('89504e470d0a1a0a', 'hex')

/** PNG, and whether it moves: `acTL` comes before the first `IDAT` then (PNG specification, third edition, 11.3.5). */
export function pngType(head: Buffer): MediaType | undefined {
  if (!head.subarray(0, 8).equals(PNG)) return undefined
  let at = 8
  while (at + 8 <= head.length) {
    const name = head.toString('latin1', at + 4, at + 8)
    if (name === 'acTL') return 'image/apng'
    if (name === 'IDAT') break
    at += 12 + head.readUInt32BE(at)
  }
  return 'image/png'
}

/** A BMP states the size of its second header, which `BM` alone does not make likely. */
export function bmpType(head: Buffer): MediaType | undefined {
  if (head.length < 18 || head.toString('latin1', 0, 2) !== 'BM') return undefined
  return [12, 40, 52, 56, 64, 108, 124].includes(head.readUInt32LE(14)) ? 'image/bmp' : undefined
}

/** A program for Windows: `MZ`, and a `PE` header where the file says it is. */
export function windowsProgram(head: Buffer): MediaType | undefined {
  if (head.length < 64 || head.toString('latin1', 0, 2) !== 'MZ') return undefined
  const at = head.readUInt32LE(60)
  const found = at > head.length - 4 || head.toString('latin1', at, at + 2) === 'PE'
  return found ? 'application/vnd.microsoft.portable-executable' : undefined
}
