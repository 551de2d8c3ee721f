/** What is the same in every description that a peer is sent. */
export interface SessionFacts {
  /** Counts up with each description of a peer. */
  readonly version: number
  readonly ufrag: string
  readonly password: string
  /** SHA-256 of this server's certificate. */
  readonly fingerprint: string
  readonly setup: 'passive' | 'actpass'
  readonly candidates: readonly Candidate[]
}

/** Where this server can be reached. */
export interface Candidate {
  readonly protocol: 'udp' | 'tcp'
  readonly address: string
  readonly port: number
}

/** An m-line as this server answers or offers it. */
export type WrittenSection =
  | {
      readonly use: 'rejected'
      readonly kind: string
      readonly protocol: string
      readonly formats: readonly string[]
      readonly mid: string
    }
  | {
      readonly use: 'audio'
      readonly mid: string
      readonly direction: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'
      readonly payloadType: number
      /** What this server wants to receive: parameters of Opus (RFC 7587 section 6.1). */
      readonly parameters: string
      readonly nack: boolean
      readonly extensions: readonly (readonly [id: number, uri: string])[]
      /** What this server sends in it. */
      readonly stream?: { readonly ssrc: number; readonly track: string }
    }

const STREAM_ID = 'pufferblow'

/** A session description (RFC 8866, RFC 8829) as text. */
export function writeDescription(facts: SessionFacts, sections: readonly WrittenSection[]): string {
  const bundled = sections.filter(({ use }) => use !== 'rejected').map(({ mid }) => mid)
  const lines = [
    'v=0',
    `o=pufferblow 1 ${facts.version} IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    ...(bundled.length > 0 ? [`a=group:BUNDLE ${bundled.join(' ')}`] : []),
    `a=msid-semantic: WMS ${STREAM_ID}`,
    'a=ice-lite',
    ...sections.flatMap((section) => sectionLines(facts, section)),
  ]
  return `${lines.join('\r\n')}\r\n`
}

function sectionLines(facts: SessionFacts, section: WrittenSection): string[] {
  if (section.use === 'rejected') {
    return [
      `m=${section.kind} 0 ${section.protocol} ${section.formats.join(' ')}`,
      'c=IN IP4 0.0.0.0',
      `a=mid:${section.mid}`,
      'a=inactive',
    ]
  }
  const { payloadType: pt } = section
  const [first] = facts.candidates
  const version = first?.address.includes(':') ? 'IP6' : 'IP4'
  return [
    `m=audio ${first?.port ?? 9} UDP/TLS/RTP/SAVPF ${pt}`,
    `c=IN ${first ? version : 'IP4'} ${first?.address ?? '0.0.0.0'}`,
    `a=mid:${section.mid}`,
    `a=${section.direction}`,
    'a=rtcp-mux',
    'a=rtcp-rsize',
    `a=ice-ufrag:${facts.ufrag}`,
    `a=ice-pwd:${facts.password}`,
    `a=fingerprint:sha-256 ${facts.fingerprint}`,
    `a=setup:${facts.setup}`,
    `a=rtpmap:${pt} opus/48000/2`,
    `a=fmtp:${pt} ${section.parameters}`,
    ...(section.nack ? [`a=rtcp-fb:${pt} nack`] : []),
    ...section.extensions.map(([id, uri]) => `a=extmap:${id} ${uri}`),
    ...(section.stream
      ? [
          `a=msid:${STREAM_ID} ${section.stream.track}`,
          `a=ssrc:${section.stream.ssrc} cname:${STREAM_ID}`,
          `a=ssrc:${section.stream.ssrc} msid:${STREAM_ID} ${section.stream.track}`,
        ]
      : []),
    ...facts.candidates.map(candidateLine),
    'a=end-of-candidates',
  ]
}

/** RFC 8839 section 5.1; a passive TCP candidate by RFC 6544 section 4.5. */
function candidateLine({ protocol, address, port }: Candidate, index: number): string {
  // RFC 8445 section 5.1.2.1: type host, then UDP before TCP, then the order of the list.
  const localPreference = (protocol === 'udp' ? 65_535 : 8191 + (4 << 13)) - index
  const priority = 126 * 2 ** 24 + localPreference * 2 ** 8 + 255
  const tail = protocol === 'tcp' ? ' tcptype passive' : ''
  return `a=candidate:${index + 1} 1 ${protocol} ${priority} ${address} ${port} typ host${tail}`
}
