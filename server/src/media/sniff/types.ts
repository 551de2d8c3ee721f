/** What a client does with a file: shows it, plays it, opens it elsewhere, or only keeps it. */
export type MediaKind = 'image' | 'video' | 'audio' | 'document' | 'file'

/** Every type that can be recognised, with its usual extension. */
const EXTENSIONS = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/apng': 'png',
  'image/gif': 'gif',
  'image/webp': 'webp',
  'image/avif': 'avif',
  'image/heic': 'heic',
  'image/heif': 'heif',
  'image/bmp': 'bmp',
  'image/x-icon': 'ico',
  'image/tiff': 'tif',
  'image/jxl': 'jxl',
  'image/jp2': 'jp2',
  'image/vnd.adobe.photoshop': 'psd',
  'image/x-canon-cr3': 'cr3',
  'image/svg+xml': 'svg',
  'video/mp4': 'mp4',
  'video/quicktime': 'mov',
  'video/3gpp': '3gp',
  'video/webm': 'webm',
  'video/x-matroska': 'mkv',
  'video/ogg': 'ogv',
  'video/x-msvideo': 'avi',
  'video/x-flv': 'flv',
  'video/mpeg': 'mpg',
  'video/mp2t': 'ts',
  'video/x-ms-asf': 'wmv',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'audio/aac': 'aac',
  'audio/ogg': 'ogg',
  'audio/flac': 'flac',
  'audio/wav': 'wav',
  'audio/aiff': 'aiff',
  'audio/midi': 'mid',
  'audio/amr': 'amr',
  'application/pdf': 'pdf',
  'application/rtf': 'rtf',
  'application/postscript': 'ps',
  'application/msword': 'doc',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.ms-powerpoint': 'ppt',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'pptx',
  'application/vnd.oasis.opendocument.text': 'odt',
  'application/vnd.oasis.opendocument.spreadsheet': 'ods',
  'application/vnd.oasis.opendocument.presentation': 'odp',
  'application/vnd.oasis.opendocument.graphics': 'odg',
  'application/epub+zip': 'epub',
  'application/zip': 'zip',
  'application/json': 'json',
  'text/plain': 'txt',
  'text/csv': 'csv',
  'text/markdown': 'md',
  'text/calendar': 'ics',
  'text/vcard': 'vcf',
  'text/html': 'html',
  'application/xhtml+xml': 'xhtml',
  'application/xml': 'xml',
  'application/java-archive': 'jar',
  'application/vnd.android.package-archive': 'apk',
  'application/gzip': 'gz',
  'application/x-bzip2': 'bz2',
  'application/x-xz': 'xz',
  'application/zstd': 'zst',
  'application/x-7z-compressed': '7z',
  'application/vnd.rar': 'rar',
  'application/x-tar': 'tar',
  'application/x-cfb': 'bin',
  'application/vnd.sqlite3': 'sqlite',
  'application/wasm': 'wasm',
  'application/vnd.microsoft.portable-executable': 'exe',
  'application/x-elf': 'elf',
  'application/x-mach-binary': 'bin',
  'font/woff': 'woff',
  'font/woff2': 'woff2',
  'font/ttf': 'ttf',
  'font/otf': 'otf',
  'application/octet-stream': 'bin',
} as const

export type MediaType = keyof typeof EXTENSIONS

/** A browser may run what is in them. They are never shown as pictures or documents, whatever they claim to be. */
const ACTIVE: ReadonlySet<MediaType> = new Set([
  'image/svg+xml',
  'text/html',
  'application/xhtml+xml',
  'application/xml',
])

const OTHER_DOCUMENTS: ReadonlySet<MediaType> = new Set([
  'application/pdf',
  'application/rtf',
  'application/postscript',
  'application/msword',
  'application/epub+zip',
  'application/zip',
  'application/json',
])

export function extensionOf(type: MediaType): string {
  return EXTENSIONS[type]
}

export function kindOf(type: MediaType): MediaKind {
  if (ACTIVE.has(type)) return 'file'
  const [group] = type.split('/')
  if (group === 'image' || group === 'video' || group === 'audio') return group
  if (group === 'text' || OTHER_DOCUMENTS.has(type)) return 'document'
  return /^application\/vnd\.(ms-|openxmlformats-|oasis\.)/.test(type) ? 'document' : 'file'
}
