/** What was sent does not have the form that it should. */
export class MalformedError extends Error {}

/** Reads the vectors of TLS (RFC 5246 section 4.3) one after the other. */
export class Reader {
  readonly #data: Buffer
  #at = 0

  constructor(data: Buffer) {
    this.#data = data
  }

  get isAtEnd(): boolean {
    return this.#at === this.#data.length
  }

  number(bytes: 1 | 2 | 3): number {
    return this.bytes(bytes).readUIntBE(0, bytes)
  }

  bytes(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#data.length) throw new MalformedError('a message is too short')
    const bytes = this.#data.subarray(this.#at, end)
    this.#at = end
    return bytes
  }

  /** A vector after its length, which takes `prefix` bytes. */
  vector(prefix: 1 | 2 | 3): Buffer {
    return this.bytes(this.number(prefix))
  }

  /** The rest as numbers of two bytes. */
  numbers(): number[] {
    const numbers: number[] = []
    while (!this.isAtEnd) numbers.push(this.number(2))
    return numbers
  }
}

/** A vector: its length in `prefix` bytes, then its content. */
export function vector(prefix: 1 | 2 | 3, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const length = Buffer.alloc(prefix)
  length.writeUIntBE(body.length, 0, prefix)
  return Buffer.concat([length, body])
}

export function uint16(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(2 * numbers.length)
  for (const [i, number] of numbers.entries()) bytes.writeUInt16BE(number, 2 * i)
  return bytes
}
