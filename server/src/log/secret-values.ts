import { MASK } from './mask.ts'

/*
 * Finds values whose name says that they are secret, in a line of JSON:
 *
 *   "password":"…"   \"password\":\"…\"   password=…   password: '…'   authorization: …
 *
 * The second form is JSON inside a string of the line, one level of escaping deeper; there may be more levels. A name
 * counts by its end, so `token` covers `auth_token` and `joinToken`. The line stays valid JSON: what is cut out never
 * ends inside an escape sequence nor crosses the end of its string.
 *
 * Time is linear in the length: each value is scanned once and the search goes on behind it.
 */

const NAME =
  /(token|password|passphrase|secret|signature|resume|authorization|cookie|master_key)(?:(\\*")|')?\s{0,3}(:|=|%3D)\s{0,3}/gi

/** A value without quotes, as in a query string. A pair of backslashes is one backslash of the text. */
const FORM_VALUE = /[^&\s"\\]*(?:\\\\[^&\s"\\]*)*/y
const HEADER_VALUE = /[^"\\]*(?:\\\\[^"\\]*)*/y
const SINGLE_QUOTED = /'[^'"\\]*(?:\\\\[^'"\\]*)*'?/y
const BARE_VALUE = /[^\s,}\]"\\]*/y
const OPENING_QUOTE = /\\*"/y
const BACKSLASHES_AND_QUOTE = /\\*"/g

/** Masks the values of secret names in a line of JSON. */
export function maskSecretValues(line: string): string {
  let out = ''
  let done = 0
  NAME.lastIndex = 0
  for (let name = NAME.exec(line); name !== null; name = NAME.exec(line)) {
    const start = NAME.lastIndex
    const masked = maskValue(line, start, name)
    if (masked === undefined) continue
    out += line.slice(done, start) + masked.text
    done = NAME.lastIndex = masked.end
  }
  return done === 0 ? line : out + line.slice(done)
}

interface Masked {
  readonly text: string
  readonly end: number
}

function maskValue(line: string, start: number, name: RegExpExecArray): Masked | undefined {
  const [, word = '', keyQuote, separator] = name
  const quote = matchAt(OPENING_QUOTE, line, start)
  if (quote !== '') return maskQuoted(line, start, quote, keyQuote)
  if (line[start] === "'")
    return { text: `'${MASK}'`, end: start + matchAt(SINGLE_QUOTED, line, start).length }
  if (line[start] === '[' && keyQuote !== undefined) return maskList(line, start, keyQuote)
  if (keyQuote !== undefined) return maskBare(line, start, keyQuote)
  if (separator !== ':') return maskRun(FORM_VALUE, line, start)
  return /^(authorization|cookie)$/i.test(word) ? maskRun(HEADER_VALUE, line, start) : undefined
}

function maskRun(pattern: RegExp, line: string, start: number): Masked | undefined {
  const value = matchAt(pattern, line, start)
  return value === '' ? undefined : { text: MASK, end: start + value.length }
}

/** A number in JSON becomes a string. */
function maskBare(line: string, start: number, quote: string): Masked | undefined {
  const value = matchAt(BARE_VALUE, line, start)
  if (!isQuoteOfAnyLevel(quote) || !/^-?\d/.test(value)) return undefined
  return { text: `${quote}${MASK}${quote}`, end: start + value.length }
}

/** A list of strings becomes a list of one; headers that may occur more than once are lists. */
function maskList(line: string, start: number, quote: string): Masked | undefined {
  if (!isQuoteOfAnyLevel(quote) || matchAt(OPENING_QUOTE, line, start + 1) !== quote) return undefined
  let closing = closingQuote(line, start + 1 + quote.length, quote)
  while (
    closing.found &&
    line[closing.end] === ',' &&
    matchAt(OPENING_QUOTE, line, closing.end + 1) === quote
  ) {
    closing = closingQuote(line, closing.end + 1 + quote.length, quote)
  }
  return { text: `[${quote}${MASK}${closing.kept}`, end: closing.end }
}

function maskQuoted(
  line: string,
  start: number,
  quote: string,
  keyQuote: string | undefined,
): Masked | undefined {
  // Without a quoted name before it, a quote of the outermost level is the end of the string we are in.
  if (!isQuoteOfAnyLevel(quote) || (quote === '"' && keyQuote !== '"')) return undefined
  const closing = closingQuote(line, start + quote.length, quote)
  return { text: `${quote}${MASK}${closing.kept}`, end: closing.end }
}

/** On level 0 a quote is bare; each level doubles its backslashes and adds one: 0, 1, 3, 7. Others are not quotes. */
function isQuoteOfAnyLevel(quote: string): boolean {
  return (quote.length & (quote.length - 1)) === 0
}

/**
 * Where the string opened by `quote` ends. Before each quote mark the number of backslashes tells its level: with `r`
 * of them before the opening mark, a closing one has `r` beyond a multiple of `2(r + 1)`, as many as backslashes at the
 * end of the text make. A mark that is not `r` beyond a multiple of `r + 1` ends an outer string, and must stay.
 */
function closingQuote(
  line: string,
  from: number,
  quote: string,
): { end: number; kept: string; found: boolean } {
  const level = quote.length // r + 1
  BACKSLASHES_AND_QUOTE.lastIndex = from
  for (let mark = BACKSLASHES_AND_QUOTE.exec(line); mark !== null; mark = BACKSLASHES_AND_QUOTE.exec(line)) {
    const backslashes = mark[0].length - 1
    const end = BACKSLASHES_AND_QUOTE.lastIndex
    if (backslashes % (2 * level) === level - 1) return { end, kept: quote, found: true }
    const outer = backslashes % level
    if (outer !== level - 1) return { end, kept: `${'\\'.repeat(outer)}"`, found: false }
  }
  return { end: line.length, kept: '', found: false }
}

function matchAt(pattern: RegExp, line: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(line)?.[0] ?? ''
}
