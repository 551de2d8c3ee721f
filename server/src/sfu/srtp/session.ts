import { headerLength } from '../rtp/packet.ts'
import { createPacketCipher, type PacketCipher } from './cipher.ts'
import type { MasterKeys, SrtpProfile } from './keys.ts'
import { ReplayWindow } from './replay-window.ts'

/** Streams that one peer may send at once: a browser sends one or a few for each track. */
const MAX_STREAMS = 16
/** Streams of one peer that have ended. After so many no new one is taken: their windows are needed for as long as the key. */
const MAX_ENDED = 512
const MAX_RTCP_INDEX = 0x7fff_ffff

/** An opened RTP packet: plain, with its index (rollover counter and sequence number as one number). */
export interface OpenedRtp {
  readonly packet: Buffer
  readonly ssrc: number
  readonly index: number
}

/**
 * What comes from one peer: finds the rollover counter of each stream (RFC 3711 section 3.3.1), checks that a packet
 * is authentic and was not seen before.
 */
export class SrtpReceiver {
  readonly #cipher: PacketCipher
  readonly #streams = new Map<number, ReplayWindow>()
  /** Windows of streams that have ended: what came in them must not come again under the same key. */
  readonly #ended = new Map<number, ReplayWindow>()
  readonly #rtcp = new Map<number, ReplayWindow>()

  constructor(profile: SrtpProfile, master: MasterKeys) {
    this.#cipher = createPacketCipher(profile, master)
  }

  /** @returns undefined for what is not RTP, not authentic, or not new */
  openRtp(packet: Buffer): OpenedRtp | undefined {
    const header = headerLength(packet)
    if (header === undefined) return undefined
    const ssrc = packet.readUInt32BE(8)
    const sequence = packet.readUInt16BE(2)
    const live = this.#streams.get(ssrc)
    const window = live ?? this.#ended.get(ssrc)
    if (!live && this.#streams.size >= MAX_STREAMS) return undefined
    if (!window && this.#ended.size >= MAX_ENDED) return undefined
    const index = window ? estimateIndex(window.highest, sequence) : sequence
    if (index < 0 || window?.isNew(index) === false) return undefined
    const plain = this.#cipher.openRtp(packet, header, ssrc, Math.floor(index / 65_536), sequence)
    if (!plain) return undefined
    // Only now: a stream that nobody with the keys sends must not take a place.
    if (!live && window) {
      this.#ended.delete(ssrc)
      this.#streams.set(ssrc, window)
    }
    this.#windowOf(this.#streams, ssrc).take(index)
    return { packet: plain, ssrc, index }
  }

  /** @returns undefined for what is not RTCP, not authentic, or not new */
  openRtcp(packet: Buffer): Buffer | undefined {
    if (packet.length < 8) return undefined
    const opened = this.#cipher.openRtcp(packet)
    if (!opened) return undefined
    const ssrc = packet.readUInt32BE(4)
    if (!this.#rtcp.has(ssrc) && this.#rtcp.size >= MAX_STREAMS) return undefined
    const window = this.#windowOf(this.#rtcp, ssrc)
    if (!window.isNew(opened.index)) return undefined
    window.take(opened.index)
    return opened.packet
  }

  /**
   * Ends a stream, so that another may come. It may go on later (a browser takes a track up again under the SSRC that
   * it had), but only with packets that are new: its window and rollover counter are kept (RFC 3711 section 3.3.2).
   */
  end(ssrc: number): void {
    const window = this.#streams.get(ssrc)
    if (!window) return
    this.#streams.delete(ssrc)
    this.#ended.set(ssrc, window)
  }

  #windowOf(windows: Map<number, ReplayWindow>, ssrc: number): ReplayWindow {
    let window = windows.get(ssrc)
    if (!window) {
      window = new ReplayWindow()
      windows.set(ssrc, window)
    }
    return window
  }
}

/**
 * What goes to one peer. The caller numbers RTP packets and must never give a stream the same index twice: with GCM
 * that would reuse a nonce.
 */
export class SrtpSender {
  readonly #cipher: PacketCipher
  #rtcpIndex = 0

  constructor(profile: SrtpProfile, master: MasterKeys) {
    this.#cipher = createPacketCipher(profile, master)
  }

  /** @param index as in {@link OpenedRtp}; its low 16 bits are the packet's sequence number */
  protectRtp(header: Buffer, payload: Buffer, ssrc: number, index: number): Buffer {
    return this.#cipher.protectRtp(header, payload, ssrc, Math.floor(index / 65_536), index % 65_536)
  }

  /** @returns undefined once the key is spent (after 2^31 packets, RFC 3711 section 9.2) */
  protectRtcp(packet: Buffer): Buffer | undefined {
    if (this.#rtcpIndex >= MAX_RTCP_INDEX) return undefined
    return this.#cipher.protectRtcp(packet, packet.readUInt32BE(4), ++this.#rtcpIndex)
  }
}

/** The index nearest to the highest one that ends in `sequence` (RFC 3711 appendix A). Negative: before the first. */
export function estimateIndex(highest: number, sequence: number): number {
  const base = highest - (highest % 65_536)
  const near = base + sequence
  if (near - highest > 32_768) return near - 65_536
  if (highest - near > 32_768) return near + 65_536
  return near
}
