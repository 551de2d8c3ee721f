/** Longer than any packet of a browser. */
const MAX_FRAME = 2048

/** Takes a TCP stream apart into packets, each after its length in two bytes (RFC 4571 section 2). */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /** @returns whole packets; undefined when the other side does not speak this */
  take(chunk: Buffer): Buffer[] | undefined {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const packets: Buffer[] = []
    let at = 0
    while (at + 2 <= data.length) {
      const length = data.readUInt16BE(at)
      if (length > MAX_FRAME) return undefined
      if (at + 2 + length > data.length) break
      if (length > 0) packets.push(data.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
    this.#rest = Buffer.from(data.subarray(at))
    return packets
  }
}

/** The length that goes before a packet. */
export function frameHeader(length: number): Buffer {
  return Buffer.from([length >> 8, length & 0xff])
}
