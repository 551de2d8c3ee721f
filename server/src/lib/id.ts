import { randomFillSync } from 'node:crypto'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Whether `text` has the form of an id of ours. What does not is unknown without asking the database. */
export function isId(text: string): boolean {
  return UUID.test(text)
}

const random = Buffer.alloc(4096)
let unused = 0
let lastMs = 0
let counter = 0

/**
 * A UUID version 7 (RFC 9562, section 5.7), strictly increasing within this process: the 12 bits after the
 * time are a counter (section 6.2, method 1) and a full counter borrows the next millisecond.
 *
 * @param now milliseconds since the epoch; a clock that steps back does not break the order
 */
export function newId(now: number = Date.now()): string {
  if (now > lastMs) {
    lastMs = now
    counter = 0
  } else if (++counter > 0xfff) {
    lastMs++
    counter = 0
  }
  if (unused < 8) {
    randomFillSync(random)
    unused = random.length
  }
  unused -= 8
  const tail = random.toString('hex', unused, unused + 8)
  const time = lastMs.toString(16).padStart(12, '0')
  const variant = (8 + (Number.parseInt(tail[0]!, 16) & 3)).toString(16)
  const count = counter.toString(16).padStart(3, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-${variant}${tail.slice(1, 4)}-${tail.slice(4)}`
}
