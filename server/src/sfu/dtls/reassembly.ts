import type { HandshakeMessage } from './handshake.ts'

const HEADER = 12
/** Longest message taken: a certificate chain. */
const MAX_MESSAGE = 16 * 1024
/** How many messages after the next one are kept when they come too early. */
const AHEAD = 5

interface Partial {
  readonly type: number
  readonly body: Buffer
  readonly seen: Uint8Array
  missing: number
}

/** Puts fragments of handshake messages together and hands the messages out in order (RFC 6347 section 4.2.3). */
export class Reassembly {
  readonly #partial = new Map<number, Partial>()
  #next = 0

  /** The sequence number of the message that comes next. */
  get next(): number {
    return this.#next
  }

  /**
   * Takes the fragments of one record.
   *
   * @returns the messages that are complete now, and whether a message came again that was handed out before
   */
  take(fragment: Buffer): { messages: HandshakeMessage[]; repeated: boolean } {
    let repeated = false
    for (let at = 0; at + HEADER <= fragment.length;) {
      const length = fragment.readUIntBE(at + 1, 3)
      const sequence = fragment.readUInt16BE(at + 4)
      const offset = fragment.readUIntBE(at + 6, 3)
      const size = fragment.readUIntBE(at + 9, 3)
      const start = at + HEADER
      if (start + size > fragment.length || offset + size > length || length > MAX_MESSAGE) break
      if (sequence < this.#next) repeated = true
      else if (sequence < this.#next + AHEAD)
        this.#add(sequence, fragment[at]!, length, offset, fragment.subarray(start, start + size))
      at = start + size
    }
    const messages: HandshakeMessage[] = []
    for (
      let part = this.#partial.get(this.#next);
      part?.missing === 0;
      part = this.#partial.get(this.#next)
    ) {
      this.#partial.delete(this.#next)
      messages.push({ type: part.type, sequence: this.#next++, body: part.body })
    }
    return { messages, repeated }
  }

  #add(sequence: number, type: number, length: number, offset: number, content: Buffer): void {
    let part = this.#partial.get(sequence)
    if (!part) {
      part = { type, body: Buffer.alloc(length), seen: new Uint8Array(length), missing: length }
      this.#partial.set(sequence, part)
    }
    if (part.type !== type || part.body.length !== length) return
    for (let i = 0; i < content.length; i++) {
      if (part.seen[offset + i] === 1) continue
      part.seen[offset + i] = 1
      part.body[offset + i] = content[i]!
      part.missing--
    }
  }
}
