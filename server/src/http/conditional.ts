import type { IncomingHttpHeaders } from 'node:http'

/** What a client may hold against its copy. */
export interface Validators {
  /** With its quotes; strong: the bytes are the same exactly if it is. */
  readonly etag: string
  /** Milliseconds. On the wire there are only seconds. */
  readonly modifiedAt: number
}

/**
 * Evaluates the preconditions of a GET or HEAD in the order of RFC 9110, section 13.2.2.
 *
 * @returns `proceed`; `unchanged` (304): the client's copy is current; `failed` (412)
 */
export function checkPreconditions(
  headers: IncomingHttpHeaders,
  { etag, modifiedAt }: Validators,
): 'proceed' | 'unchanged' | 'failed' {
  const modified = toSeconds(modifiedAt)
  if (headers['if-match'] !== undefined) {
    if (!lists(headers['if-match'], etag, { weak: false })) return 'failed'
  } else {
    const since = parseHttpDate(headers['if-unmodified-since'])
    if (since !== undefined && modified > since) return 'failed'
  }
  if (headers['if-none-match'] !== undefined) {
    return lists(headers['if-none-match'], etag, { weak: true }) ? 'unchanged' : 'proceed'
  }
  const since = parseHttpDate(headers['if-modified-since'])
  return since !== undefined && modified <= since ? 'unchanged' : 'proceed'
}

/** Whether a range applies: without `If-Range` it does, with one only to the very copy it names (section 13.1.5). */
export function rangeApplies(headers: IncomingHttpHeaders, { etag, modifiedAt }: Validators): boolean {
  const condition = headers['if-range']
  if (condition === undefined) return true
  if (typeof condition !== 'string') return false
  if (condition.startsWith('"')) return condition === etag
  return parseHttpDate(condition) === toSeconds(modifiedAt)
}

/** A time as HTTP writes it (section 5.6.7). */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString()
}

function lists(header: string, etag: string, { weak }: { weak: boolean }): boolean {
  if (header.trim() === '*') return true
  for (const [, prefix, tag] of header.matchAll(/(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g)) {
    if (tag === etag && (weak || prefix === undefined)) return true
  }
  return false
}

function parseHttpDate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : toSeconds(ms)
}

function toSeconds(ms: number): number {
  return Math.floor(ms / 1000)
}
