/** One-byte header extensions (RFC 8285 section 4.2). */
const ONE_BYTE = 0xbede
const FIXED = 12

/**
 * Length of an RTP header with its contributing sources and extension (RFC 3550 section 5.1).
 *
 * @returns undefined for what is not an RTP packet
 */
export function headerLength(packet: Buffer): number | undefined {
  if (packet.length < FIXED || packet[0]! >> 6 !== 2) return undefined
  let length = FIXED + 4 * (packet[0]! & 0x0f)
  if ((packet[0]! & 0x10) !== 0) {
    if (packet.length < length + 4) return undefined
    length += 4 + 4 * packet.readUInt16BE(length + 2)
  }
  return packet.length < length ? undefined : length
}

/** Where the payload of a plain packet ends: padding is not part of it. @returns undefined when it is malformed */
export function payloadEnd(packet: Buffer, header: number): number | undefined {
  if ((packet[0]! & 0x20) === 0) return packet.length
  const padding = packet.at(-1)!
  const end = packet.length - padding
  return padding === 0 || end < header ? undefined : end
}

/** The content of header extension `id`, if the packet has it. */
export function extensionOf(packet: Buffer, id: number): Buffer | undefined {
  if ((packet[0]! & 0x10) === 0) return undefined
  const start = FIXED + 4 * (packet[0]! & 0x0f)
  if (packet.length < start + 4) return undefined
  const profile = packet.readUInt16BE(start)
  const end = Math.min(packet.length, start + 4 + 4 * packet.readUInt16BE(start + 2))
  const twoByte = (profile & 0xfff0) === 0x1000
  if (profile !== ONE_BYTE && !twoByte) return undefined
  let at = start + 4
  while (at < end) {
    if (packet[at] === 0) {
      at++
      continue
    }
    const found = twoByte ? packet[at]! : packet[at]! >> 4
    if (!twoByte && found === 15) return undefined
    const length = twoByte ? (packet[at + 1] ?? 0) : (packet[at]! & 0x0f) + 1
    const content = at + (twoByte ? 2 : 1)
    if (content + length > end) return undefined
    if (found === id) return packet.subarray(content, content + length)
    at = content + length
  }
  return undefined
}

/** Whether a packet on a shared port is RTCP and not RTP (RFC 5761 section 4). */
export function isRtcp(packet: Buffer): boolean {
  return packet.length >= 2 && packet[1]! >= 192 && packet[1]! <= 223
}
