/*
 * Slots: places in JSON text that are filled in for each reader, so that the text itself is made once for all of them.
 *
 * A slot begins with a character that JSON never has as it is (it would be escaped), followed by what it is about (a
 * key of letters, digits, `-` and `_`), followed by as many of that character as are needed to make all slots equally
 * long. What is put in has the same length, so nothing moves.
 */

const MARK = '\u001a'
const MARK_BYTE = 0x1a

/** Length of every slot, and of what is put in. */
const SLOT_LENGTH = 71

/** The text of a slot, to be put into JSON by hand. @param key at most 69 letters, digits, `-` and `_` */
export function slot(key: string): string {
  return `${MARK}${key}`.padEnd(SLOT_LENGTH, MARK)
}

/** Whether there is anything to fill in. */
export function hasSlots(text: string | Buffer): boolean {
  return typeof text === 'string' ? text.includes(MARK) : placesIn(text).length > 0
}

/**
 * Copies JSON and fills its slots.
 *
 * @param fill gives, for the key of a slot, {@link SLOT_LENGTH} ASCII characters that need no escape in JSON
 */
export function fillSlots(json: string | Buffer, fill: (key: string) => string): Buffer {
  const filled = Buffer.from(json as Buffer)
  for (const place of typeof json === 'string' ? search(filled) : placesIn(json)) {
    const end = filled.indexOf(MARK_BYTE, place + 1)
    const value = fill(filled.toString('latin1', place + 1, end))
    if (value.length !== SLOT_LENGTH) throw new Error('a slot was filled with something of another length')
    filled.write(value, place, 'latin1')
  }
  return filled
}

// Pages are kept as bytes and filled for reader after reader; they need to be searched once.
const known = new WeakMap<Buffer, readonly number[]>()

function placesIn(bytes: Buffer): readonly number[] {
  const found = known.get(bytes)
  if (found) return found
  const places = search(bytes)
  known.set(bytes, places)
  return places
}

function search(bytes: Buffer): number[] {
  const places: number[] = []
  for (let at = bytes.indexOf(MARK_BYTE); at !== -1; at = bytes.indexOf(MARK_BYTE, at + SLOT_LENGTH)) {
    places.push(at)
  }
  return places
}
