/** Bytes of a representation, both ends included. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** More parts than this in one request are no honest client's. */
const MAX_RANGES = 16
/** Parts that are closer than this are sent as one: the text between two parts is longer. */
const GAP = 80

/**
 * Reads a `Range` header (RFC 9110, section 14.2). Parts that overlap or nearly touch become one.
 *
 * @param size of the whole, in bytes
 * @returns the parts to send, in the order they were asked for; `none` if no part can be satisfied (416); undefined if
 * there is no range, one in another unit, one that is malformed, or one with too many parts: all is to be sent then
 */
export function parseRanges(header: string | undefined, size: number): ByteRange[] | 'none' | undefined {
  const set = /^bytes=(.+)$/i.exec(header?.trim() ?? '')?.[1]
  // There is no way to say which part of nothing is sent.
  if (set === undefined || size === 0) return undefined
  const specs = set
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '')
  if (specs.length === 0 || specs.length > MAX_RANGES) return undefined
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const range = parseSpec(spec, size)
    if (range === undefined) return undefined
    if (range !== 'none') ranges.push(range)
  }
  return ranges.length === 0 ? 'none' : merge(ranges)
}

function parseSpec(spec: string, size: number): ByteRange | 'none' | undefined {
  const match = /^(\d*)\s*-\s*(\d*)$/.exec(spec)
  if (!match) return undefined
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return undefined
    const length = Math.min(Number(last), size)
    return length === 0 ? 'none' : { first: size - length, last: size - 1 }
  }
  const range = { first: Number(first), last: last === '' ? Infinity : Number(last) }
  if (range.last < range.first) return undefined
  return range.first >= size ? 'none' : { first: range.first, last: Math.min(range.last, size - 1) }
}

function merge(ranges: readonly ByteRange[]): ByteRange[] {
  const merged: ByteRange[] = []
  for (let range of ranges) {
    for (let index = 0; index < merged.length;) {
      const other = merged[index]!
      if (range.first > other.last + GAP || other.first > range.last + GAP) {
        index++
        continue
      }
      range = { first: Math.min(range.first, other.first), last: Math.max(range.last, other.last) }
      merged.splice(index, 1)
      index = 0
    }
    merged.push(range)
  }
  return merged
}
