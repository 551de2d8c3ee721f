/** How one stream arrived (RFC 3550 section 6.4.1). */
export interface ReportBlock {
  readonly ssrc: number
  /** Of 256, since the last report. */
  readonly fractionLost: number
  readonly lost: number
  readonly highest: number
  /** In units of the stream's clock. */
  readonly jitter: number
  readonly lastSenderReport: number
  /** In 1/65536 seconds. */
  readonly delay: number
}

/** What the media server acts on; everything else in a compound packet is skipped. */
export type RtcpMessage =
  | {
      readonly type: 'sender report'
      readonly ssrc: number
      readonly ntpMiddle: number
      readonly blocks: ReportBlock[]
    }
  | { readonly type: 'receiver report'; readonly ssrc: number; readonly blocks: ReportBlock[] }
  | { readonly type: 'nack'; readonly media: number; readonly lost: number[] }
  | { readonly type: 'bye'; readonly sources: number[] }

const SR = 200
const RR = 201
const BYE = 203
const TRANSPORT_FEEDBACK = 205
const GENERIC_NACK = 1
/** Lost packets named by one packet that are looked at. */
const MAX_NACKS = 128

/** Takes a compound packet apart (RFC 3550 section 6.1). What is malformed ends the reading, without an error. */
export function parseRtcp(packet: Buffer): RtcpMessage[] {
  const messages: RtcpMessage[] = []
  for (let at = 0; at + 8 <= packet.length;) {
    const length = 4 * (packet.readUInt16BE(at + 2) + 1)
    if (packet[at]! >> 6 !== 2 || at + length > packet.length || length < 8) break
    const message = parseOne(packet.subarray(at, at + length))
    if (message) messages.push(message)
    at += length
  }
  return messages
}

function parseOne(packet: Buffer): RtcpMessage | undefined {
  const count = packet[0]! & 0x1f
  switch (packet[1]) {
    case SR:
      if (packet.length < 28) return undefined
      return {
        type: 'sender report',
        ssrc: packet.readUInt32BE(4),
        ntpMiddle: packet.readUInt32BE(10),
        blocks: parseBlocks(packet, 28, count),
      }
    case RR:
      return { type: 'receiver report', ssrc: packet.readUInt32BE(4), blocks: parseBlocks(packet, 8, count) }
    case BYE: {
      const sources: number[] = []
      for (let at = 4; at + 4 <= packet.length && sources.length < count; at += 4)
        sources.push(packet.readUInt32BE(at))
      return { type: 'bye', sources }
    }
    case TRANSPORT_FEEDBACK:
      return count === GENERIC_NACK ? parseNack(packet) : undefined
    default:
      return undefined
  }
}

function parseBlocks(packet: Buffer, start: number, count: number): ReportBlock[] {
  const blocks: ReportBlock[] = []
  for (let at = start; at + 24 <= packet.length && blocks.length < count; at += 24) {
    blocks.push({
      ssrc: packet.readUInt32BE(at),
      fractionLost: packet[at + 4]!,
      lost: packet.readIntBE(at + 5, 3),
      highest: packet.readUInt32BE(at + 8),
      jitter: packet.readUInt32BE(at + 12),
      lastSenderReport: packet.readUInt32BE(at + 16),
      delay: packet.readUInt32BE(at + 20),
    })
  }
  return blocks
}

/** RFC 4585 section 6.2.1: a sequence number and the sixteen that follow it, as bits. */
function parseNack(packet: Buffer): RtcpMessage | undefined {
  if (packet.length < 16) return undefined
  const lost: number[] = []
  for (let at = 12; at + 4 <= packet.length && lost.length < MAX_NACKS; at += 4) {
    const first = packet.readUInt16BE(at)
    const following = packet.readUInt16BE(at + 2)
    lost.push(first)
    for (let bit = 0; bit < 16; bit++) {
      if ((following & (1 << bit)) !== 0) lost.push((first + bit + 1) & 0xffff)
    }
  }
  return { type: 'nack', media: packet.readUInt32BE(8), lost }
}

/** Seconds between 1900 and 1970. */
const NTP_EPOCH = 2_208_988_800

/** A sender report (RFC 3550 section 6.4.1): when, and what was sent so far. @param now milliseconds since 1970 */
export function senderReport(report: {
  readonly ssrc: number
  readonly now: number
  readonly timestamp: number
  readonly packets: number
  readonly bytes: number
}): Buffer {
  const packet = Buffer.alloc(28)
  packet.writeUInt8(0x80)
  packet.writeUInt8(SR, 1)
  packet.writeUInt16BE(6, 2)
  packet.writeUInt32BE(report.ssrc, 4)
  packet.writeUInt32BE(Math.floor(report.now / 1000) + NTP_EPOCH, 8)
  packet.writeUInt32BE(Math.floor(((report.now % 1000) / 1000) * 2 ** 32), 12)
  packet.writeUInt32BE(report.timestamp >>> 0, 16)
  packet.writeUInt32BE(report.packets >>> 0, 20)
  packet.writeUInt32BE(report.bytes >>> 0, 24)
  return packet
}

/** A receiver report (RFC 3550 section 6.4.2) of at most 31 streams. */
export function receiverReport(ssrc: number, blocks: readonly ReportBlock[]): Buffer {
  const count = Math.min(31, blocks.length)
  const packet = Buffer.alloc(8 + 24 * count)
  packet.writeUInt8(0x80 | count)
  packet.writeUInt8(RR, 1)
  packet.writeUInt16BE(packet.length / 4 - 1, 2)
  packet.writeUInt32BE(ssrc, 4)
  for (const [i, block] of blocks.slice(0, count).entries()) {
    const at = 8 + 24 * i
    packet.writeUInt32BE(block.ssrc, at)
    packet.writeUInt8(block.fractionLost, at + 4)
    packet.writeIntBE(Math.max(-0x80_0000, Math.min(0x7f_ffff, block.lost)), at + 5, 3)
    packet.writeUInt32BE(block.highest >>> 0, at + 8)
    packet.writeUInt32BE(block.jitter >>> 0, at + 12)
    packet.writeUInt32BE(block.lastSenderReport >>> 0, at + 16)
    packet.writeUInt32BE(block.delay >>> 0, at + 20)
  }
  return packet
}

/** Asks for packets again (RFC 4585 section 6.2.1). */
export function nack(sender: number, media: number, lost: readonly number[]): Buffer {
  const items: [first: number, following: number][] = []
  for (const sequence of lost) {
    const last = items.at(-1)
    const distance = last ? (sequence - last[0] - 1) & 0xffff : 16
    if (last && distance < 16) last[1] |= 1 << distance
    else items.push([sequence & 0xffff, 0])
  }
  const packet = Buffer.alloc(12 + 4 * items.length)
  packet.writeUInt8(0x80 | GENERIC_NACK)
  packet.writeUInt8(TRANSPORT_FEEDBACK, 1)
  packet.writeUInt16BE(packet.length / 4 - 1, 2)
  packet.writeUInt32BE(sender, 4)
  packet.writeUInt32BE(media, 8)
  for (const [i, [first, following]] of items.entries()) {
    packet.writeUInt16BE(first, 12 + 4 * i)
    packet.writeUInt16BE(following, 14 + 4 * i)
  }
  return packet
}
