import type { MediaType } from './types.ts'

export type Charset = 'utf-8' | 'utf-16le' | 'utf-16be'

interface Text {
  readonly type: MediaType
  /** Missing where the bytes are text of an encoding from before Unicode. */
  readonly charset?: Charset
}

/** Bytes that no text has (WHATWG MIME Sniffing, "binary data byte"). */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const BINARY = /[\u0000-\u0008\u000b\u000e-\u001a\u001c-\u001f]/

/**
 * Elements at the start of a file that make it HTML (WHATWG MIME Sniffing, 7.1, and some that browsers run as well).
 * Each must be followed by the end of its name.
 */
const HTML_START =
  /^<(?:!doctype\s+html|html|head|body|script|style|title|iframe|object|embed|meta|base|link|form|table|div|font|img|video|audio|math|template|details|input|button|br|h[1-6]|p|a|b)(?=[\s/>])/i

/** Text of any kind, with what a browser would run told apart. The name chooses only among harmless kinds of text. */
export function textType(head: Buffer, extension: string): Text | undefined {
  const charset = unicodeOf(head)
  const text = charset === undefined ? head.toString('latin1') : decode(head, charset)
  // First of all: what begins like a page is one, whatever bytes follow.
  const markup = markupType(text)
  if (markup) return { type: markup, ...(charset && { charset }) }
  if (BINARY.test(text)) return undefined
  return { type: plainType(text, extension), ...(charset && { charset }) }
}

function unicodeOf(head: Buffer): Charset | undefined {
  const mark = head.length >= 2 ? head.readUInt16BE(0) : 0
  if (mark === 0xfeff) return 'utf-16be'
  if (mark === 0xfffe) return 'utf-16le'
  return unmarkedUtf16(head) ?? (isUtf8(head) ? 'utf-8' : undefined)
}

/** UTF-16 without a mark: mostly Latin text has a zero in every other byte, and no zero character. */
function unmarkedUtf16(head: Buffer): Charset | undefined {
  const zeros = [0, 0]
  const pairs = head.length >> 1
  for (let i = 0; i < pairs * 2; i++) if (head[i] === 0) zeros[i & 1]!++
  if (pairs < 2 || Math.max(...zeros) < pairs * 0.7 || Math.min(...zeros) > 0) return undefined
  return zeros[0]! > zeros[1]! ? 'utf-16be' : 'utf-16le'
}

/** Whether `head` is UTF-8, of which the last character may be cut off. */
function isUtf8(head: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true })
    return true
  } catch {
    return false
  }
}

function decode(head: Buffer, charset: Charset): string {
  return new TextDecoder(charset).decode(head, { stream: true })
}

/** HTML, SVG or XML, by the first element behind comments, declarations and white space. */
function markupType(text: string): MediaType | undefined {
  let rest = text.trimStart()
  const isXml = rest.startsWith('<?xml')
  for (;;) {
    if (HTML_START.test(rest)) return isXml ? 'application/xhtml+xml' : 'text/html'
    const prolog = /^(?:<!--|<\?|<!doctype\s)/i.exec(rest)?.[0]
    if (prolog === undefined) break
    if (/^<!doctype\s+svg\b/i.test(rest)) return 'image/svg+xml'
    const end = prolog === '<!--' ? '-->' : '>'
    const at = rest.indexOf(end, prolog === '<!--' ? 4 : 0)
    // A comment that does not end here hides what follows: a page may come.
    if (at < 0) return isXml ? 'application/xml' : 'text/html'
    rest = rest.slice(at + end.length).trimStart()
    // An internal subset ends with `]>`; what is inside looks like more markup.
    if (prolog.startsWith('<!d') || prolog.startsWith('<!D')) rest = rest.replace(/^[^\]<]*\]>\s*/, '')
  }
  if (/^<(?:[a-z][\w.-]*:)?svg(?=[\s/>])/i.test(rest)) return 'image/svg+xml'
  if (isXml) return /^<(?:[\w.-]+:)?html(?=[\s/>])/i.test(rest) ? 'application/xhtml+xml' : 'application/xml'
  return /^<[a-z][\w.:-]*\s[^<>]*\bxmlns(?::\w+)?\s*=/i.test(rest) ? 'application/xml' : undefined
}

/**
 * Scripts and style sheets are plain text here: a type that a page may load as a script is never given, so that
 * no uploaded file can be one.
 */
function plainType(text: string, extension: string): MediaType {
  if (text.startsWith('BEGIN:VCALENDAR')) return 'text/calendar'
  if (text.startsWith('BEGIN:VCARD')) return 'text/vcard'
  if (extension === 'csv') return 'text/csv'
  if (extension === 'md' || extension === 'markdown') return 'text/markdown'
  if (extension === 'json' && /^\s*[[{"]/.test(text)) return 'application/json'
  return 'text/plain'
}
