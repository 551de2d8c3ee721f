/** A box (or "atom") of the ISO base media format: where it begins, where its content begins, where it ends. */
export interface Box {
  readonly type: string
  readonly at: number
  readonly body: number
  readonly end: number
}

/**
 * The boxes one after the other from `from` to `to` (ISO/IEC 14496-12, 4.2). Ends at the first bytes that are no
 * box; the caller sees that by the last one's `end`. A box that says it is longer than `to` is not returned.
 */
export function boxesIn(bytes: Buffer, from: number, to: number): Box[] {
  const boxes: Box[] = []
  let at = from
  while (at + 8 <= to) {
    const box = boxAt(bytes, at, to)
    if (!box || box.end > to) break
    boxes.push(box)
    at = box.end
  }
  return boxes
}

/** The box whose header is at `at`, however long it says it is; `undefined` if there is no whole, valid header. */
export function boxAt(bytes: Buffer, at: number, to: number): Box | undefined {
  if (at + 8 > to) return undefined
  const size = bytes.readUInt32BE(at)
  const type = bytes.toString('latin1', at + 4, at + 8)
  if (size === 0) return { type, at, body: at + 8, end: to }
  if (size !== 1) return size < 8 ? undefined : { type, at, body: at + 8, end: at + size }
  if (at + 16 > to) return undefined
  const large = Number(bytes.readBigUInt64BE(at + 8))
  return large < 16 ? undefined : { type, at, body: at + 16, end: at + large }
}

/** Turns a box into one that readers skip, and its content into zeros. Nothing moves. */
export function blankBox(bytes: Buffer, box: Box): void {
  bytes.write('free', box.at + 4, 'latin1')
  bytes.fill(0, box.body, box.end)
}
