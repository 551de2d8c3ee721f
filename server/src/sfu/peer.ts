import { randomInt } from 'node:crypto'
import type { Permissions, SfuEvent, SlotMode } from './messages.ts'
import { Negotiation, type Publication } from './negotiation.ts'
import { extensionOf, headerLength, payloadEnd } from './rtp/packet.ts'
import { nack, parseRtcp, receiverReport } from './rtp/rtcp.ts'
import type { Room } from './room.ts'
import { MAX_SECTIONS } from './sdp/parse.ts'
import { writeDescription, type Candidate, type WrittenSection } from './sdp/write.ts'
import { Slot } from './slot.ts'
import type { OpenedRtp } from './srtp/session.ts'
import type { Counters } from './counters.ts'
import { Track } from './track.ts'
import { Transport, type TransportIndex } from './transport.ts'

/** What all peers of a media server share. */
export interface PeerSurroundings {
  readonly index: TransportIndex
  readonly counters: Counters
  readonly candidates: readonly Candidate[]
  readonly emit: (event: SfuEvent) => void
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Tracks that one participant may have: a microphone, a shared screen's sound, and a few to spare. */
const MAX_TRACKS = 4
const MAX_SLOTS = MAX_SECTIONS - 8
/** Changes that come together are offered together. */
const OFFER_DELAY_MS = 15
/** A client that has not offered anything by then only listens: the server makes the first offer. */
const FIRST_OFFER_MS = 2_000
/** A client that connects by a single answer has so long for it. */
const CONNECT_MS = 30_000

/** One participant: what they send, what they hear, and the one connection for both. */
export class Peer {
  readonly id: string
  readonly user: string
  readonly room: Room
  readonly transport: Transport
  readonly tracks = new Map<string, Track>()
  readonly slots = new Map<string, Slot>()
  permissions: Permissions
  readonly #mode: SlotMode
  readonly #all: PeerSurroundings
  readonly #negotiation: Negotiation
  readonly #trackOf = new Map<number, Track>()
  readonly #ssrc = newSsrc()
  readonly #admittedAt: number
  #version = 0
  #offered: string | undefined
  #offerTimer: NodeJS.Timeout | undefined
  #gone = false

  constructor(
    all: PeerSurroundings,
    options: {
      id: string
      user: string
      room: Room
      permissions: Permissions
      slots: SlotMode
      bitrateKbps: number
    },
  ) {
    this.#all = all
    this.id = options.id
    this.user = options.user
    this.room = options.room
    this.permissions = options.permissions
    this.#mode = options.slots
    this.#admittedAt = all.now()
    this.#negotiation = new Negotiation({
      opusParameters: `minptime=10;useinbandfec=1;usedtx=1;maxaveragebitrate=${options.bitrateKbps * 1000}`,
      newSsrc: () => this.#freshSsrc(),
      slotsInAnswer: options.slots === 'answer only',
    })
    this.transport = new Transport(all.index, {
      onConnected: () => this.#connected(),
      onFailed: () => void all.counters.totals.handshakesFailed++,
      onClosed: (reason) => this.#leave(reason),
      onRtp: (rtp) => this.#receiveRtp(rtp),
      onRtcp: (packet) => this.#receiveRtcp(packet),
    })
    if (typeof options.slots === 'number') {
      const count = Math.min(options.slots, MAX_SLOTS)
      for (let i = 0; i < count; i++) this.#negotiation.wantSlot(`slot-${i}`)
    }
    if (options.slots !== 'answer only') this.#offerLater(FIRST_OFFER_MS)
  }

  /** Takes a client's offer. @returns the answer; undefined when an offer of the server comes first @throws SdpError */
  acceptOffer(sdp: string): string | undefined {
    // Both offered at once: the client gives way (RFC 8829 section 4.1.8.2, the polite peer of the W3C's pattern).
    if (this.#negotiation.isPending) return undefined
    const sections = this.#negotiation.acceptOffer(sdp)
    this.transport.setRemote(this.#negotiation.remote!)
    this.#settle()
    this.#offerLater(OFFER_DELAY_MS)
    return this.#describe('passive', sections)
  }

  /** Takes a client's answer. @throws SdpError */
  acceptAnswer(sdp: string): void {
    this.#negotiation.acceptAnswer(sdp)
    this.#offered = undefined
    this.transport.setRemote(this.#negotiation.remote!)
    this.#settle()
    if (this.#negotiation.isDirty) this.#offerLater(OFFER_DELAY_MS)
  }

  permit(permissions: Permissions): void {
    this.permissions = permissions
    if (!permissions.listen) for (const slot of this.slots.values()) slot.pause()
    if (!permissions.speak) for (const track of this.tracks.values()) track.pause()
    this.room.arrange()
  }

  /** Tells the client again what it may have missed. */
  repeat(): void {
    if (this.#offered) this.#all.emit({ type: 'offer', peer: this.id, sdp: this.#offered })
    this.tellSlots()
  }

  /** Makes a place for a track of somebody else, where this client has one for each. */
  addTrack(track: Track): void {
    if (this.#mode !== 'named' || track.peer === this || this.#slotFor(track) || this.slots.size >= MAX_SLOTS)
      return
    const line = this.#negotiation.wantSlot(`${track.peer.user}-${track.publication.track}`)
    const slot = new Slot(line, this)
    slot.home = track
    this.slots.set(line.mid, slot)
    this.#offerLater(OFFER_DELAY_MS)
  }

  /** Gives up the place of a track that has ended. */
  removeTrack(track: Track): void {
    for (const slot of this.slots.values()) {
      if (slot.track === track) slot.assign(undefined)
      if (slot.home !== track) continue
      this.slots.delete(slot.line.mid)
      this.#negotiation.dropSlot(slot.line.mid)
      this.#offerLater(OFFER_DELAY_MS)
    }
  }

  /** Puts those who are heard into slots, moving as little as possible. */
  arrange(audible: readonly Track[]): void {
    const wanted = new Set(audible.filter((track) => track.peer !== this))
    let changed = false
    const slots = [...this.slots.values()]
    for (const slot of slots) {
      const atHome = slot.home && wanted.has(slot.home) ? slot.home : undefined
      if (atHome)
        for (const other of slots)
          if (other !== slot && other.track === atHome) changed = other.assign(undefined) || changed
      if (atHome) changed = slot.assign(atHome) || changed
      if (slot.track) wanted.delete(slot.track)
    }
    for (const track of wanted) {
      const free = slots.find((slot) => !slot.track || !slot.track.isActive)
      if (free) changed = free.assign(track) || changed
    }
    if (changed) this.tellSlots()
  }

  tellSlots(): void {
    const slots = [...this.slots.values()].map(({ line, track }) => ({
      mid: line.mid,
      peer: track?.peer.id ?? null,
    }))
    this.#all.emit({ type: 'slots', peer: this.id, slots })
  }

  /** Reports to the client on what it sends and hears. */
  report(now: number, wallClock: number): void {
    if (!this.transport.isConnected) return
    const blocks = [...this.tracks.values()].flatMap((track) => track.report(now) ?? [])
    for (const block of blocks) this.#all.counters.noteArrival(this.id, block)
    const parts = [...this.slots.values()].flatMap((slot) => slot.report(now, wallClock) ?? [])
    this.transport.sendRtcp(Buffer.concat([...parts, receiverReport(this.#ssrc, blocks)]))
  }

  /** Ends what has gone silent. */
  checkConsent(now: number): void {
    if (this.transport.hasLostConsent(now)) this.#leave('the connection was lost')
    else if (
      this.#mode === 'answer only' &&
      !this.transport.isConnected &&
      now - this.#admittedAt > CONNECT_MS
    )
      this.#leave('no connection was made')
  }

  close(): void {
    this.#gone = true
    clearTimeout(this.#offerTimer)
    this.transport.close()
    for (const slot of this.slots.values()) slot.assign(undefined)
  }

  #connected(): void {
    this.#all.counters.totals.handshakes++
    this.#all.emit({ type: 'connected', peer: this.id, protocol: this.transport.path?.protocol ?? 'udp' })
  }

  #leave(reason: string): void {
    if (this.#gone) return
    this.#all.emit({ type: 'gone', peer: this.id, reason })
    this.room.remove(this)
  }

  /** Brings tracks and slots in line with what was agreed. */
  #settle(): void {
    const publications = new Map(
      this.#negotiation.publications.slice(0, MAX_TRACKS).map((one) => [one.mid, one]),
    )
    for (const [mid, track] of this.tracks) {
      if (!publications.has(mid)) this.#endTrack(mid, track)
    }
    for (const [mid, publication] of publications) {
      const known = this.tracks.get(mid)
      if (known) known.publication = publication
      else this.#beginTrack(mid, publication)
    }
    const agreed = this.#negotiation.slots
    for (const { line, payloadType, nack: wantsNack } of agreed) {
      const known = this.slots.get(line.mid)
      if (known) known.agree({ payloadType, nack: wantsNack })
      else {
        const slot = new Slot(line, this)
        slot.agree({ payloadType, nack: wantsNack })
        this.slots.set(line.mid, slot)
      }
    }
    this.room.arrange()
  }

  #beginTrack(mid: string, publication: Publication): void {
    const track = new Track(this, publication)
    this.tracks.set(mid, track)
    this.room.addTrack(track)
  }

  #endTrack(mid: string, track: Track): void {
    this.tracks.delete(mid)
    for (const [ssrc, one] of this.#trackOf) if (one === track) this.#endStream(ssrc)
    this.room.removeTrack(track)
  }

  #endStream(ssrc: number): void {
    this.#trackOf.delete(ssrc)
    this.transport.endStream(ssrc)
  }

  #receiveRtp(rtp: OpenedRtp): void {
    const { packet, ssrc, index } = rtp
    const { totals } = this.#all.counters
    totals.packetsIn++
    totals.bytesIn += packet.length
    const track = this.#trackOf.get(ssrc) ?? this.#bind(ssrc, packet)
    if (!track || (packet[1]! & 0x7f) !== track.publication.payloadType) return
    const start = headerLength(packet)!
    const end = payloadEnd(packet, start)
    if (end === undefined) return
    const now = this.#all.now()
    track.note(rtp, end - start, now)
    const missing = track.missingBefore(index)
    if (missing.length > 0 && track.publication.nack) this.transport.sendRtcp(nack(this.#ssrc, ssrc, missing))
    if (!this.permissions.speak) return
    if (!track.isActive && !this.room.promote(track, now)) return
    for (const slot of track.slots) {
      if (!slot.listener.permissions.listen) continue
      if (slot.forward(packet, start, end, ssrc, index, now)) {
        totals.packetsOut++
        totals.bytesOut += end - start + 12
      }
    }
  }

  /** Finds the track that a new stream belongs to: as the description says, by the stream's mid, or the only one. */
  #bind(ssrc: number, packet: Buffer): Track | undefined {
    const tracks = [...this.tracks.values()]
    const track =
      tracks.find(({ publication }) => publication.ssrcs.includes(ssrc)) ??
      tracks.find(({ publication: { mid, midId } }) => {
        return midId !== undefined && extensionOf(packet, midId)?.toString('latin1') === mid
      }) ??
      (tracks.length === 1 && tracks[0]!.publication.ssrcs.length === 0 ? tracks[0] : undefined)
    if (!track) return undefined
    // A client that begins a new stream for a track has done with the old one.
    for (const [old, one] of this.#trackOf) if (one === track) this.#endStream(old)
    this.#trackOf.set(ssrc, track)
    return track
  }

  #receiveRtcp(packet: Buffer): void {
    for (const message of parseRtcp(packet)) {
      switch (message.type) {
        case 'sender report':
          this.#trackOf.get(message.ssrc)?.noteSenderReport(message.ntpMiddle, this.#all.now())
          break
        case 'nack':
          for (const slot of this.slots.values()) {
            if (slot.line.ssrc !== message.media) continue
            for (const sequence of message.lost) if (slot.resend(sequence)) this.#all.counters.totals.resent++
          }
          break
        case 'bye':
          for (const ssrc of message.sources) if (this.#trackOf.has(ssrc)) this.#endStream(ssrc)
          break
        default:
      }
      if (message.type === 'receiver report' || message.type === 'sender report')
        for (const block of message.blocks) this.#all.counters.noteReport(this.id, block)
    }
  }

  #offerLater(delay: number): void {
    // The first offer should be the client's: what is to be said before goes into the one after it.
    if (this.#offerTimer && !this.#negotiation.remote) return
    clearTimeout(this.#offerTimer)
    this.#offerTimer = setTimeout(() => this.#offer(), delay)
    this.#offerTimer.unref()
  }

  /** One offer at a time; what changes meanwhile goes into the next. */
  #offer(): void {
    this.#offerTimer = undefined
    if (
      this.#gone ||
      this.#mode === 'answer only' ||
      this.#negotiation.isPending ||
      !this.#negotiation.isDirty
    )
      return
    this.#offered = this.#describe('actpass', this.#negotiation.createOffer())
    this.#all.emit({ type: 'offer', peer: this.id, sdp: this.#offered })
  }

  #describe(setup: 'passive' | 'actpass', sections: readonly WrittenSection[]): string {
    const { index, candidates } = this.#all
    const { ufrag, password } = this.transport.credentials
    const { fingerprint } = index.certificate
    return writeDescription(
      { version: ++this.#version, ufrag, password, fingerprint, setup, candidates },
      sections,
    )
  }

  #slotFor(track: Track): Slot | undefined {
    return [...this.slots.values()].find(({ home }) => home === track)
  }

  #freshSsrc(): number {
    let ssrc = newSsrc()
    while ([...this.slots.values()].some(({ line }) => line.ssrc === ssrc)) ssrc = newSsrc()
    return ssrc
  }
}

function newSsrc(): number {
  return randomInt(1, 2 ** 32)
}
