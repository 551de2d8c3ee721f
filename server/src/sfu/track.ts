import type { Publication } from './negotiation.ts'
import type { Peer } from './peer.ts'
import { extensionOf } from './rtp/packet.ts'
import type { ReportBlock } from './rtp/rtcp.ts'
import type { Slot } from './slot.ts'
import type { OpenedRtp } from './srtp/session.ts'

/** Opus counts in 48 kHz whatever it encodes. */
const CLOCK_RATE = 48_000
/** Loudness is 127 minus the level of RFC 6464, so that louder is more: 0 is silence, 127 the loudest. */
const SPEAKING_FROM = 77
const SILENT_BELOW = 70
/** How much of the loudness is the newest packet's. */
const WEIGHT = 0.3
/** Without packets for so long somebody is silent: Opus stops sending then. */
const QUIET_MS = 400
/** What a packet of a client that tells no level is taken for. */
const UNKNOWN_LOUDNESS = 80
/** Missing packets asked for again must be this new. */
const NACK_WINDOW = 64
const MAX_NACKS = 17

/** One stream of a track as it arrives (RFC 3550 appendix A). */
interface Arrival {
  readonly ssrc: number
  readonly first: number
  highest: number
  received: number
  expectedBefore: number
  receivedBefore: number
  jitter: number
  transit: number | undefined
  lastSenderReport: number
  lastSenderReportAt: number
}

/** Audio that one participant sends: where it is forwarded to, how loud it is, how well it arrives. */
export class Track {
  readonly peer: Peer
  /** Slots that it is forwarded to. */
  readonly slots = new Set<Slot>()
  publication: Publication
  /** Whether it is among those that are forwarded: the loudest of a big room, all of a small one. */
  isActive = true
  isSpeaking = false
  loudness = 0
  #arrival: Arrival | undefined
  #lastPacketAt = -Infinity

  constructor(peer: Peer, publication: Publication) {
    this.peer = peer
    this.publication = publication
  }

  /** It is not heard for a while: what comes after goes on without a gap. */
  pause(): void {
    for (const slot of this.slots) slot.pause()
  }

  /** Takes note of a packet: loudness and arrival. */
  note({ packet, ssrc, index }: OpenedRtp, payload: number, now: number): void {
    this.#lastPacketAt = now
    this.loudness += WEIGHT * (this.#loudnessOf(packet, payload) - this.loudness)
    if (this.#arrival?.ssrc !== ssrc) this.#arrival = newArrival(ssrc, index)
    const arrival = this.#arrival
    arrival.received++
    // Interarrival jitter (RFC 3550 section 6.4.1).
    const transit = ((now * CLOCK_RATE) / 1000 - packet.readUInt32BE(4)) % 2 ** 32
    if (arrival.transit !== undefined) {
      const difference = Math.abs(transit - arrival.transit)
      if (difference < CLOCK_RATE * 10) arrival.jitter += (difference - arrival.jitter) / 16
    }
    arrival.transit = transit
  }

  /** The sequence numbers to ask for again after a packet: those just before it that are missing. */
  missingBefore(index: number): number[] {
    const arrival = this.#arrival
    if (!arrival) return []
    const missing: number[] = []
    const from = Math.max(arrival.highest + 1, index - NACK_WINDOW)
    if (arrival.received > 1) {
      for (let lost = from; lost < index && missing.length < MAX_NACKS; lost++) missing.push(lost % 65_536)
    }
    arrival.highest = Math.max(arrival.highest, index)
    return missing
  }

  noteSenderReport(ntpMiddle: number, now: number): void {
    if (!this.#arrival) return
    this.#arrival.lastSenderReport = ntpMiddle
    this.#arrival.lastSenderReportAt = now
  }

  /** How the stream arrived since the last report. */
  report(now: number): ReportBlock | undefined {
    const arrival = this.#arrival
    if (!arrival) return undefined
    const expected = arrival.highest - arrival.first + 1
    const expectedNow = expected - arrival.expectedBefore
    const lostNow = expectedNow - (arrival.received - arrival.receivedBefore)
    arrival.expectedBefore = expected
    arrival.receivedBefore = arrival.received
    const hasReport = arrival.lastSenderReportAt > 0
    return {
      ssrc: arrival.ssrc,
      fractionLost:
        expectedNow > 0 && lostNow > 0 ? Math.min(255, Math.floor((lostNow * 256) / expectedNow)) : 0,
      lost: expected - arrival.received,
      highest: arrival.highest % 2 ** 32,
      jitter: Math.floor(arrival.jitter),
      lastSenderReport: arrival.lastSenderReport,
      delay: hasReport ? Math.floor(((now - arrival.lastSenderReportAt) * 65_536) / 1000) : 0,
    }
  }

  /** Decides whether somebody speaks. @returns whether that changed */
  updateSpeaking(now: number, maySpeak: boolean): boolean {
    if (now - this.#lastPacketAt > QUIET_MS) this.loudness *= 0.5
    const speaking = maySpeak && this.loudness >= (this.isSpeaking ? SILENT_BELOW : SPEAKING_FROM)
    const changed = speaking !== this.isSpeaking
    this.isSpeaking = speaking
    return changed
  }

  #loudnessOf(packet: Buffer, payload: number): number {
    const { levelId } = this.publication
    const level = levelId === undefined ? undefined : extensionOf(packet, levelId)
    if (level && level.length > 0) return 127 - (level[0]! & 0x7f)
    // Opus says silence in a few bytes.
    return payload > 8 ? UNKNOWN_LOUDNESS : 0
  }
}

function newArrival(ssrc: number, index: number): Arrival {
  return {
    ssrc,
    first: index,
    highest: index,
    received: 0,
    expectedBefore: 0,
    receivedBefore: 0,
    jitter: 0,
    transit: undefined,
    lastSenderReport: 0,
    lastSenderReportAt: 0,
  }
}
