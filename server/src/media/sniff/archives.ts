import type { MediaType } from './types.ts'

const LOCAL_HEADER = Buffer.from('PK\x03\x04', 'latin1')
const EMPTY_ARCHIVE = Buffer.from('PK\x05\x06', 'latin1')
const COMPOUND_FILE = Buffer.from('d0cf11e0a1b11ae1', 'hex')

const OOXML = {
  word: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xl: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  ppt: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
} as const satisfies Record<string, MediaType>

const OOXML_BY_EXTENSION: Readonly<Record<string, MediaType>> = {
  docx: OOXML.word,
  xlsx: OOXML.xl,
  pptx: OOXML.ppt,
}

const COMPOUND_BY_EXTENSION: Readonly<Record<string, MediaType>> = {
  doc: 'application/msword',
  xls: 'application/vnd.ms-excel',
  ppt: 'application/vnd.ms-powerpoint',
}

/** What `mimetype`, the first entry of OpenDocument and EPUB files, may say. */
const DECLARED: ReadonlySet<string> = new Set<MediaType>([
  'application/epub+zip',
  'application/vnd.oasis.opendocument.text',
  'application/vnd.oasis.opendocument.spreadsheet',
  'application/vnd.oasis.opendocument.presentation',
  'application/vnd.oasis.opendocument.graphics',
])

/**
 * ZIP and what is built on it. The names of the first entries tell Office documents, programs and plain archives
 * apart; the name of the file decides only among Office documents whose first entries do not.
 */
export function zipType(head: Buffer, extension: string): MediaType | undefined {
  const start = head.subarray(0, 4)
  if (start.equals(EMPTY_ARCHIVE)) return 'application/zip'
  if (!start.equals(LOCAL_HEADER)) return undefined
  const entries = entryNames(head)
  if (entries[0] === 'mimetype' && head.length >= 38) {
    const from = 30 + 8 + head.readUInt16LE(28)
    const declared = head.toString('latin1', from, from + Math.min(head.readUInt32LE(22), 100))
    if (DECLARED.has(declared)) return declared as MediaType
  }
  for (const [folder, type] of Object.entries(OOXML)) {
    if (entries.some((name) => name.startsWith(`${folder}/`))) return type
  }
  if (entries.some((name) => name === '[Content_Types].xml' || name.startsWith('_rels/'))) {
    return OOXML_BY_EXTENSION[extension] ?? 'application/zip'
  }
  if (entries.includes('AndroidManifest.xml')) return 'application/vnd.android.package-archive'
  if (entries.some((name) => name.startsWith('META-INF/'))) return 'application/java-archive'
  return 'application/zip'
}

/** Names in the local headers that lie in `head` (APPNOTE.TXT 4.3.7), however long the data between them. */
function entryNames(head: Buffer): string[] {
  const names: string[] = []
  for (let at = 0; at >= 0 && at + 30 <= head.length; at = head.indexOf(LOCAL_HEADER, at + 4)) {
    names.push(head.toString('utf8', at + 30, at + 30 + head.readUInt16LE(at + 26)))
  }
  return names
}

/** The container of older Office documents. What is in it is told by the name of the file alone. */
export function compoundFileType(head: Buffer, extension: string): MediaType | undefined {
  if (!head.subarray(0, 8).equals(COMPOUND_FILE)) return undefined
  return COMPOUND_BY_EXTENSION[extension] ?? 'application/x-cfb'
}
