import { Counters } from './counters.ts'
import { createCertificate } from './dtls/certificate.ts'
import { parseStun, StunType } from './ice/stun.ts'
import type { MediaSettings, SfuCommand, SfuEvent, SfuStats } from './messages.ts'
import { forClients, localAddresses } from './net/addresses.ts'
import { MediaPort, type Path } from './net/media-port.ts'
import { Peer, type PeerSurroundings } from './peer.ts'
import { Room } from './room.ts'
import { SdpError } from './sdp/parse.ts'
import type { Candidate } from './sdp/write.ts'
import type { Transport } from './transport.ts'

const SPEAKING_MS = 200
const REPORT_MS = 3_000
const STATS_MS = 2_000
/** Handshakes that one address may begin in a window: people behind one router come together, floods do too. */
const HANDSHAKES = 100
const HANDSHAKE_WINDOW_MS = 10_000

/**
 * The media server: takes participants into rooms and forwards what they say to the others (a selective forwarding
 * unit, RFC 7667 section 3.7). Knows nothing of accounts or channels: it is told what to do by commands and tells
 * what happens by events.
 */
export class MediaServer implements AsyncDisposable {
  readonly #settings: MediaSettings
  readonly #emit: (event: SfuEvent) => void
  readonly #rooms = new Map<string, Room>()
  readonly #peers = new Map<string, Peer>()
  readonly #counters = new Counters()
  readonly #byUfrag = new Map<string, Transport>()
  readonly #byPath = new Map<string, Transport>()
  #handshakes = new Map<string, number>()
  #windowStart = 0
  #port: MediaPort | undefined
  #surroundings: PeerSurroundings | undefined
  readonly #timers: NodeJS.Timeout[] = []

  constructor(settings: MediaSettings, emit: (event: SfuEvent) => void) {
    this.#settings = settings
    this.#emit = emit
  }

  /** Opens the port. @throws when it cannot be */
  async start(): Promise<void> {
    const addresses = localAddresses(this.#settings.host)
    this.#port = await MediaPort.open({
      addresses,
      port: this.#settings.port,
      tcp: this.#settings.tcp,
      onPacket: (packet, path) => this.#receive(packet, path),
      onPathLost: ({ key }) => this.#byPath.get(key)?.losePath(key),
    })
    const { port } = this.#port
    const announced = this.#settings.announcedAddresses
    const told = announced.length > 0 ? announced : forClients(addresses)
    this.#surroundings = {
      index: {
        byUfrag: this.#byUfrag,
        byPath: this.#byPath,
        admitHandshake: (address) => this.#admitHandshake(address),
        certificate: createCertificate(Date.now()),
      },
      counters: this.#counters,
      candidates: candidatesOf(told, port, { tcp: this.#settings.tcp }),
      emit: this.#emit,
      now: () => performance.now(),
    }
    this.#every(SPEAKING_MS, () => this.#update())
    this.#every(REPORT_MS, () => this.#report())
    this.#every(STATS_MS, () => this.#emit({ type: 'stats', stats: this.#stats() }))
    this.#emit({ type: 'ready', port, addresses: told })
  }

  take(command: SfuCommand): void {
    switch (command.type) {
      case 'admit':
        return this.#admit(command)
      case 'offer':
        return this.#negotiate(command, (peer) => {
          const sdp = peer.acceptOffer(command.sdp)
          return sdp === undefined
            ? { type: 'ignored', id: command.id }
            : { type: 'answer', id: command.id, sdp }
        })
      case 'answer':
        return this.#negotiate(command, (peer) => {
          peer.acceptAnswer(command.sdp)
          return { type: 'accepted', id: command.id }
        })
      case 'permit':
        return this.#peers.get(command.peer)?.permit(command.permissions)
      case 'repeat':
        return this.#peers.get(command.peer)?.repeat()
      case 'remove': {
        const peer = this.#peers.get(command.peer)
        return peer?.room.remove(peer)
      }
      case 'stop':
    }
  }

  #admit(command: Extract<SfuCommand, { type: 'admit' }>): void {
    const { room: roomId, peer: id, user, permissions, slots, bitrateKbps } = command
    let room = this.#rooms.get(roomId)
    if (!room) {
      room = new Room(roomId, {
        audible: this.#settings.audibleParticipants,
        emit: this.#emit,
        onRemoved: (peer) => this.#forget(peer),
      })
      this.#rooms.set(roomId, room)
    }
    const peer = new Peer(this.#surroundings!, { id, user, room, permissions, slots, bitrateKbps })
    this.#peers.set(id, peer)
    room.add(peer)
  }

  #negotiate(command: { id: number; peer: string }, act: (peer: Peer) => SfuEvent): void {
    const peer = this.#peers.get(command.peer)
    const refused = (reason: string): SfuEvent => ({ type: 'refused', id: command.id, reason })
    if (!peer) return this.#emit(refused('the participant has left'))
    try {
      this.#emit(act(peer))
    } catch (error) {
      if (!(error instanceof SdpError)) throw error
      this.#emit(refused(error.message))
    }
  }

  #forget(peer: Peer): void {
    this.#peers.delete(peer.id)
    this.#counters.forget(peer.id)
    if (peer.room.peers.size === 0) this.#rooms.delete(peer.room.id)
  }

  /** What one client sends must not end the media of all. */
  #receive(packet: Buffer, path: Path): void {
    try {
      this.#dispatch(packet, path)
    } catch (error) {
      this.#emit({
        type: 'trouble',
        reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      })
    }
  }

  /** Tells apart what shares the port by its first byte (RFC 7983). */
  #dispatch(packet: Buffer, path: Path): void {
    const first = packet[0] ?? 255
    if (first >= 128 && first <= 191) this.#byPath.get(path.key)?.receiveMedia(packet)
    else if (first >= 20 && first <= 63) this.#byPath.get(path.key)?.receiveHandshake(packet, path)
    else if (first <= 3) this.#receiveCheck(packet, path)
  }

  #receiveCheck(packet: Buffer, path: Path): void {
    const check = parseStun(packet)
    if (check?.type !== StunType.request) return
    const [ufrag = ''] = check.username?.split(':') ?? []
    const transport = this.#byUfrag.get(ufrag)
    // No answer to strangers: they may have lied about where they are.
    if (transport) transport.receiveCheck(check, path, performance.now())
    else this.#counters.totals.strayChecks++
  }

  #admitHandshake(address: string): boolean {
    const now = performance.now()
    if (now - this.#windowStart > HANDSHAKE_WINDOW_MS) {
      this.#windowStart = now
      this.#handshakes = new Map()
    }
    const count = this.#handshakes.get(address) ?? 0
    if (count >= HANDSHAKES) return false
    this.#handshakes.set(address, count + 1)
    return true
  }

  #update(): void {
    const now = performance.now()
    for (const room of this.#rooms.values()) room.update(now)
  }

  #report(): void {
    const now = performance.now()
    const wallClock = Date.now()
    for (const peer of this.#peers.values()) {
      peer.report(now, wallClock)
      peer.checkConsent(now)
    }
  }

  #stats(): SfuStats {
    const peers = [...this.#peers.values()]
    const tracks = [...this.#rooms.values()].reduce((sum, room) => sum + room.trackCount, 0)
    return {
      rooms: this.#rooms.size,
      peers: peers.length,
      connected: peers.filter(({ transport }) => transport.isConnected).length,
      tracks,
      ...this.#counters.totals,
    }
  }

  #every(ms: number, act: () => void): void {
    this.#timers.push(setInterval(act, ms))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    for (const peer of this.#peers.values()) peer.room.remove(peer)
    await this.#port?.[Symbol.asyncDispose]()
  }
}

function candidatesOf(addresses: readonly string[], port: number, options: { tcp: boolean }): Candidate[] {
  const protocols = options.tcp ? (['udp', 'tcp'] as const) : (['udp'] as const)
  return protocols.flatMap((protocol) => addresses.map((address) => ({ protocol, address, port })))
}
