/** What a participant may do with media. Decided outside; the media server enforces it. */
export interface Permissions {
  /** Whether others hear them: they have the right and are not muted, by themselves or by a moderator. */
  readonly speak: boolean
  /** Whether they hear others: not deafened. */
  readonly listen: boolean
  /** Whether they come before others when not everybody can be heard. */
  readonly priority: boolean
}

/** How a client wants to hear others. */
export type SlotMode =
  /** A media section for each participant who sends, offered as they come, named after them. */
  | 'named'
  /** Media sections of the client's own offer, and no offer of the server. */
  | 'answer only'
  /** So many media sections, offered once; who is in which is told beside. */
  | number

/** What the media server needs to know at its start. */
export interface MediaSettings {
  /** Address to receive media on; `0.0.0.0` for all of IPv4, `::` for all addresses. */
  readonly host: string
  readonly port: number
  /** What clients are told instead of the addresses of this machine. */
  readonly announcedAddresses: readonly string[]
  readonly tcp: boolean
  /** Most participants that are heard at once in a room. */
  readonly audibleParticipants: number
}

export type SfuCommand =
  | {
      readonly type: 'admit'
      readonly room: string
      readonly peer: string
      /** Begins the names of the participant's tracks. */
      readonly user: string
      readonly permissions: Permissions
      readonly slots: SlotMode
      /** Highest bitrate that the client is asked to send at. */
      readonly bitrateKbps: number
    }
  /** A client's offer; answered by `answer`, `ignored` or `refused` with the same id. */
  | { readonly type: 'offer'; readonly id: number; readonly peer: string; readonly sdp: string }
  /** A client's answer to an offer of the server; answered by `accepted` or `refused`. */
  | { readonly type: 'answer'; readonly id: number; readonly peer: string; readonly sdp: string }
  | { readonly type: 'permit'; readonly peer: string; readonly permissions: Permissions }
  /** Tells a client again what it may have missed: an offer that waits, the slots. */
  | { readonly type: 'repeat'; readonly peer: string }
  | { readonly type: 'remove'; readonly peer: string }
  | { readonly type: 'stop' }

/** Who is heard in which media section. `peer` is null while nobody is. */
export interface SlotState {
  readonly mid: string
  readonly peer: string | null
}

/** Totals since the media server started, and what is the case now. */
export interface SfuStats {
  readonly rooms: number
  readonly peers: number
  readonly connected: number
  readonly tracks: number
  readonly packetsIn: number
  readonly bytesIn: number
  readonly packetsOut: number
  readonly bytesOut: number
  /** Packets of participants that did not arrive here. */
  readonly lostIn: number
  /** Packets that participants reported missing. */
  readonly lostOut: number
  readonly resent: number
  readonly handshakes: number
  readonly handshakesFailed: number
  /** Connectivity checks that named nobody we know. */
  readonly strayChecks: number
}

export type SfuEvent =
  | { readonly type: 'ready'; readonly port: number; readonly addresses: readonly string[] }
  /** Media cannot be received; the process ends. */
  | { readonly type: 'unavailable'; readonly reason: string }
  /** A defect: something could not be handled, and was dropped. */
  | { readonly type: 'trouble'; readonly reason: string }
  | { readonly type: 'answer'; readonly id: number; readonly sdp: string }
  | { readonly type: 'accepted'; readonly id: number }
  /** Both sides offered at once, and the server's offer counts. */
  | { readonly type: 'ignored'; readonly id: number }
  | { readonly type: 'refused'; readonly id: number; readonly reason: string }
  /** The client must answer this. */
  | { readonly type: 'offer'; readonly peer: string; readonly sdp: string }
  | { readonly type: 'connected'; readonly peer: string; readonly protocol: 'udp' | 'tcp' }
  /** Media of a participant has ended without our doing. */
  | { readonly type: 'gone'; readonly peer: string; readonly reason: string }
  | {
      readonly type: 'speaking'
      readonly peer: string
      readonly speaking: boolean
      readonly loudness: number
    }
  | { readonly type: 'slots'; readonly peer: string; readonly slots: readonly SlotState[] }
  | { readonly type: 'stats'; readonly stats: SfuStats }
