import type { Fingerprint } from './dtls/client-certificate.ts'
import { parseDescription, SdpError, type Codec, type Description, type MediaSection } from './sdp/parse.ts'
import type { WrittenSection } from './sdp/write.ts'

/** Header extension with the loudness of a packet (RFC 6464). */
const LEVEL_URI = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level'
/** Header extension that names the media section (RFC 8843 section 14). */
const MID_URI = 'urn:ietf:params:rtp-hdrext:sdes:mid'
/** What browsers use for Opus, where the client has not said otherwise. */
const USUAL_PAYLOAD_TYPE = 111

/** Audio that a client may send in one media section. */
export interface Publication {
  readonly mid: string
  readonly track: string
  readonly payloadType: number
  readonly levelId: number | undefined
  readonly midId: number | undefined
  readonly ssrcs: readonly number[]
  readonly nack: boolean
  /** Whether the client means to send at the moment. */
  readonly sending: boolean
}

/** A place in which this server sends somebody's audio to a client. */
export interface SlotLine {
  readonly mid: string
  readonly ssrc: number
  /** Id of the track as the client will see it. */
  readonly track: string
}

type Section =
  | { readonly use: 'publication'; readonly publication: Publication; readonly slot?: SlotLine }
  | { readonly use: 'slot'; readonly slot: SlotLine; readonly payloadType: number; readonly nack: boolean }
  | { readonly use: 'unused'; readonly mid: string; readonly payloadType: number }
  | { readonly use: 'rejected'; readonly line: Pick<MediaSection, 'kind' | 'protocol' | 'formats' | 'mid'> }

export interface RemoteFacts {
  readonly ufrag: string
  readonly fingerprint: Fingerprint
}

export interface NegotiationOptions {
  /** Parameters of Opus that this server asks clients for. */
  readonly opusParameters: string
  /** Makes the SSRC of a new slot. */
  readonly newSsrc: () => number
  /** Whether a section in which the client sends may also carry a slot: for clients that take one answer and no offer. */
  readonly slotsInAnswer: boolean
}

/**
 * What one client and this server have agreed on, media section by media section (RFC 8829). Sections are only ever
 * appended; one that was given up can be used again under a new mid.
 */
export class Negotiation {
  readonly #options: NegotiationOptions
  #sections: Section[] = []
  #remote: RemoteFacts | undefined
  #pending: Section[] | undefined
  #mids = 0
  /** Slots that the client does not know of yet. */
  #wanted: SlotLine[] = []
  /** Mids of slots that are given up, for the client to know. */
  readonly #given = new Set<string>()

  constructor(options: NegotiationOptions) {
    this.#options = options
  }

  get remote(): RemoteFacts | undefined {
    return this.#remote
  }

  /** Whether an offer of this server waits for its answer. */
  get isPending(): boolean {
    return this.#pending !== undefined
  }

  /** Whether there is something the client should be offered. */
  get isDirty(): boolean {
    return this.#wanted.length > 0 || this.#given.size > 0
  }

  get publications(): Publication[] {
    return this.#sections.flatMap((section) => (section.use === 'publication' ? [section.publication] : []))
  }

  /** The slots that the client has agreed to, in the order of their sections. */
  get slots(): { line: SlotLine; payloadType: number; nack: boolean }[] {
    return this.#sections.flatMap((section) => {
      if (section.use === 'slot')
        return { line: section.slot, payloadType: section.payloadType, nack: section.nack }
      if (section.use !== 'publication' || !section.slot) return []
      const { payloadType, nack } = section.publication
      return { line: section.slot, payloadType, nack }
    })
  }

  /** Asks for a slot; it counts once the client has answered. @param track its id as the client will see it */
  wantSlot(track: string): SlotLine {
    const line = { mid: `s${this.#mids++}`, ssrc: this.#options.newSsrc(), track }
    this.#wanted.push(line)
    return line
  }

  /** Gives a slot up. */
  dropSlot(mid: string): void {
    const waiting = this.#wanted.findIndex((line) => line.mid === mid)
    if (waiting >= 0) this.#wanted.splice(waiting, 1)
    else this.#given.add(mid)
  }

  /** Takes a client's offer. @returns the sections of the answer @throws SdpError */
  acceptOffer(sdp: string): WrittenSection[] {
    const offer = parseDescription(sdp)
    if (offer.sections.length < this.#sections.length)
      throw new SdpError('the offer lacks media sections of before')
    const remote = remoteFacts(offer)
    const next = offer.sections.map((section, index) => this.#answerSection(offer, section, index))
    this.#remote = remote
    this.#sections = next
    return next.map((section) => this.#write(section))
  }

  #answerSection(offer: Description, section: MediaSection, index: number): Section {
    const known = this.#sections[index]
    const opus = opusOf(section)
    const rejected = section.port === 0 && !offer.bundle.has(section.mid)
    if (section.kind !== 'audio' || !opus || rejected || !sharesTransport(offer, section))
      return { use: 'rejected', line: section }
    if (known?.use === 'slot' && known.slot.mid === section.mid) return known
    if (section.direction === 'inactive')
      return { use: 'unused', mid: section.mid, payloadType: opus.payloadType }
    if (section.direction === 'recvonly') {
      const slot = { mid: section.mid, ssrc: this.#options.newSsrc(), track: `slot-${index}` }
      return { use: 'slot', slot, payloadType: opus.payloadType, nack: opus.feedback.includes('nack') }
    }
    const publication = publicationOf(section, opus)
    const before = known?.use === 'publication' ? known.slot : undefined
    if (section.direction !== 'sendrecv' || !this.#options.slotsInAnswer)
      return { use: 'publication', publication }
    const slot = before ?? { mid: section.mid, ssrc: this.#options.newSsrc(), track: `slot-${index}` }
    return { use: 'publication', publication, slot }
  }

  /** Makes an offer of everything the client should know. @returns its sections */
  createOffer(): WrittenSection[] {
    const opus = this.#opus()
    const next: Section[] = this.#sections.map((section) => {
      if (section.use !== 'slot' || !this.#given.has(section.slot.mid)) return section
      const { mid } = section.slot
      return {
        use: 'rejected',
        line: { kind: 'audio', protocol: 'UDP/TLS/RTP/SAVPF', formats: [String(section.payloadType)], mid },
      }
    })
    for (const slot of this.#wanted) {
      // A section that both sides have given up may be used again (RFC 8829 section 5.2.2).
      const free = this.#sections.findIndex(
        (section, index) =>
          section.use === 'rejected' && next[index] === section && section.line.kind === 'audio',
      )
      const section: Section = { use: 'slot', slot, ...opus }
      if (free >= 0) next[free] = section
      else next.push(section)
    }
    this.#given.clear()
    this.#wanted = []
    this.#pending = next
    return next.map((section) => this.#write(section))
  }

  /** Takes the answer to this server's offer. @throws SdpError */
  acceptAnswer(sdp: string): void {
    const offered = this.#pending
    if (!offered) throw new SdpError('there is no offer to answer')
    const answer = parseDescription(sdp)
    if (answer.sections.length !== offered.length) throw new SdpError('the answer does not fit the offer')
    this.#remote = remoteFacts(answer)
    this.#sections = offered.map((section, index) => settle(section, answer.sections[index]!))
    this.#pending = undefined
  }

  /** Payload type and feedback as the client has them. */
  #opus(): { payloadType: number; nack: boolean } {
    for (const section of this.#sections) {
      if (section.use === 'publication') return section.publication
      if (section.use === 'slot') return section
    }
    return { payloadType: USUAL_PAYLOAD_TYPE, nack: false }
  }

  #write(section: Section): WrittenSection {
    if (section.use === 'rejected') {
      const { kind, protocol, formats, mid } = section.line
      return { use: 'rejected', kind, protocol, formats, mid }
    }
    const common = { use: 'audio', parameters: this.#options.opusParameters } as const
    if (section.use === 'unused') {
      const { mid, payloadType } = section
      return { ...common, mid, payloadType, direction: 'inactive', nack: false, extensions: [] }
    }
    if (section.use === 'slot') {
      const { slot, payloadType, nack } = section
      return {
        ...common,
        mid: slot.mid,
        payloadType,
        nack,
        direction: 'sendonly',
        extensions: [],
        stream: slot,
      }
    }
    const { mid, payloadType, nack, levelId, midId } = section.publication
    const extensions: [number, string][] = []
    if (levelId !== undefined) extensions.push([levelId, LEVEL_URI])
    if (midId !== undefined) extensions.push([midId, MID_URI])
    const direction = section.slot ? 'sendrecv' : 'recvonly'
    const stream = section.slot && { stream: section.slot }
    return { ...common, mid, payloadType, nack, direction, extensions, ...stream }
  }
}

function settle(offered: Section, answered: MediaSection): Section {
  if (offered.use !== 'slot') return offered
  const opus = opusOf(answered)
  if (
    answered.port === 0 ||
    !opus ||
    answered.direction === 'inactive' ||
    answered.direction === 'sendonly'
  ) {
    return { use: 'rejected', line: { ...answered, mid: offered.slot.mid } }
  }
  return { ...offered, payloadType: opus.payloadType, nack: offered.nack && opus.feedback.includes('nack') }
}

function opusOf(section: MediaSection): Codec | undefined {
  return section.codecs.find(
    ({ name, clockRate, channels }) => name === 'opus' && clockRate === 48_000 && channels === 2,
  )
}

/** All media of a client goes over one transport: the first section's, and those bundled with it. */
function sharesTransport(offer: Description, section: MediaSection): boolean {
  if (section.protocol !== 'UDP/TLS/RTP/SAVPF' && section.protocol !== 'RTP/SAVPF') return false
  return offer.bundle.has(section.mid) || (offer.bundle.size === 0 && offer.sections[0] === section)
}

function remoteFacts({ sections, bundle }: Description): RemoteFacts {
  const first = sections.find(
    ({ mid, ufrag, port }) => ufrag !== undefined && (port !== 0 || bundle.has(mid)),
  )
  if (!first?.ufrag) throw new SdpError('the description has no ice-ufrag')
  if (!first.fingerprint) throw new SdpError('the description has no fingerprint of SHA-256 or better')
  if (first.setup !== 'active' && first.setup !== 'actpass')
    throw new SdpError('the client must be ready to begin the DTLS handshake (a=setup:actpass or active)')
  return { ufrag: first.ufrag, fingerprint: first.fingerprint }
}

function publicationOf(section: MediaSection, opus: Codec): Publication {
  return {
    mid: section.mid,
    track: section.track ?? section.mid,
    payloadType: opus.payloadType,
    levelId: section.extensions.get(LEVEL_URI),
    midId: section.extensions.get(MID_URI),
    ssrcs: section.ssrcs,
    nack: opus.feedback.includes('nack'),
    sending: section.direction === 'sendonly' || section.direction === 'sendrecv',
  }
}
