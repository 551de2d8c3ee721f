import { randomInt } from 'node:crypto'
import type { SlotLine } from './negotiation.ts'
import type { Peer } from './peer.ts'
import { senderReport } from './rtp/rtcp.ts'
import { ReplayWindow } from './srtp/replay-window.ts'
import type { Track } from './track.ts'

const CLOCK_PER_MS = 48
/** Packets kept for a client that asks for lost ones: a bit over a second of Opus. */
const CACHE = 64

/**
 * A place in which one client hears others, one at a time. It has a stream of its own: one SSRC, numbers and times
 * that go on without a gap whoever is heard. The track in it changes without the client having to agree.
 */
export class Slot {
  readonly line: SlotLine
  readonly listener: Peer
  /** Whom the slot was made for; it is theirs whenever they are heard. */
  home: Track | undefined
  /** Written anew for each packet; nothing of the header of a packet that came in is passed on. */
  readonly #header = Buffer.alloc(12)
  #payloadType = 0
  #agreed = false
  #track: Track | undefined
  /** The stream of the track that the offsets below belong to. */
  #source: number | undefined
  #indexOffset = 0
  #timeOffset = 0
  /** What was sent before the stream began: nothing of it may be numbered so low. */
  #floor: number
  #highest: number
  /** Every number is used once, whatever comes in: with GCM a second use would give the key away. */
  readonly #used = new ReplayWindow()
  #lastTime = randomInt(2 ** 32)
  #lastAt = 0
  #packets = 0
  #bytes = 0
  #cache: (Buffer | undefined)[] | undefined
  #cached: number[] = []

  constructor(line: SlotLine, listener: Peer) {
    this.#header[0] = 0x80
    this.#header.writeUInt32BE(line.ssrc, 8)
    this.line = line
    this.listener = listener
    // A first number below 2^15 leaves room before the first rollover (RFC 3711 section 3.3.1).
    this.#floor = this.#highest = randomInt(2 ** 15)
  }

  get track(): Track | undefined {
    return this.#track
  }

  /** Puts a track into the slot, or takes out the one that is in it. @returns whether that changed anything */
  assign(track: Track | undefined): boolean {
    if (this.#track === track) return false
    this.#track?.slots.delete(this)
    this.#track = track
    this.#source = undefined
    track?.slots.add(this)
    return true
  }

  /** Takes over what the client has agreed to. Before that nothing is sent: the client would not know what it is. */
  agree({ payloadType, nack }: { payloadType: number; nack: boolean }): void {
    this.#agreed = true
    this.#payloadType = payloadType
    if (nack) this.#cache ??= []
  }

  /** After a pause the stream goes on where it stopped. */
  pause(): void {
    this.#source = undefined
  }

  /**
   * Sends a packet of the track on.
   *
   * @param packet plain RTP; its payload is `packet.subarray(start, end)`
   * @param index of the packet in the stream `ssrc`
   * @returns whether it was sent
   */
  forward(packet: Buffer, start: number, end: number, ssrc: number, index: number, now: number): boolean {
    if (!this.#agreed) return false
    const time = packet.readUInt32BE(4)
    let marker = packet[1]! & 0x80
    if (this.#source !== ssrc) {
      this.#source = ssrc
      this.#floor = this.#highest
      this.#indexOffset = this.#highest + 1 - index
      // The listener's clock went on while nobody was heard.
      const pause = this.#packets === 0 ? 0 : Math.max(20, now - this.#lastAt) * CLOCK_PER_MS
      this.#timeOffset = this.#lastTime + Math.round(pause) - time
      marker = 0x80
    }
    const outIndex = index + this.#indexOffset
    if (outIndex <= this.#floor || !this.#used.isNew(outIndex)) return false
    this.#used.take(outIndex)
    const outTime = (time + this.#timeOffset) >>> 0
    const header = this.#header
    header[1] = marker | this.#payloadType
    header.writeUInt16BE(outIndex % 65_536, 2)
    header.writeUInt32BE(outTime, 4)
    const { transport } = this.listener
    const sealed = transport.sendRtp(header, packet.subarray(start, end), this.line.ssrc, outIndex)
    if (!sealed) return false
    if (outIndex > this.#highest) {
      this.#highest = outIndex
      this.#lastTime = outTime
      this.#lastAt = now
    }
    this.#packets++
    this.#bytes += end - start
    if (this.#cache) {
      this.#cache[outIndex % CACHE] = sealed
      this.#cached[outIndex % CACHE] = outIndex % 65_536
    }
    return true
  }

  /** Sends a packet again that the client has lost. @returns whether it was still there */
  resend(sequence: number): boolean {
    const sealed = this.#cached[sequence % CACHE] === sequence ? this.#cache?.[sequence % CACHE] : undefined
    if (sealed) this.listener.transport.resend(sealed)
    return sealed !== undefined
  }

  /** What a client needs to know for its statistics. @returns undefined while nothing was sent */
  report(now: number, wallClock: number): Buffer | undefined {
    if (this.#packets === 0) return undefined
    return senderReport({
      ssrc: this.line.ssrc,
      now: wallClock,
      timestamp: this.#lastTime + Math.round((now - this.#lastAt) * CLOCK_PER_MS),
      packets: this.#packets,
      bytes: this.#bytes,
    })
  }
}
