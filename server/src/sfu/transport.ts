import { randomBytes } from 'node:crypto'
import type { Certificate } from './dtls/certificate.ts'
import type { Fingerprint } from './dtls/client-certificate.ts'
import { DtlsServer, type MediaKeys } from './dtls/server.ts'
import { bindingResponse, errorResponse, hasIntegrity, type StunMessage } from './ice/stun.ts'
import type { Path } from './net/media-port.ts'
import { isRtcp } from './rtp/packet.ts'
import { SrtpReceiver, SrtpSender, type OpenedRtp } from './srtp/session.ts'

/** What a transport tells its peer. */
export interface TransportEvents {
  /** Media can flow. */
  readonly onConnected: () => void
  /** A handshake did not come to its end; another may. */
  readonly onFailed: () => void
  /** Media cannot flow any more. */
  readonly onClosed: (reason: string) => void
  readonly onRtp: (rtp: OpenedRtp) => void
  readonly onRtcp: (packet: Buffer) => void
}

/** Where transports are found by what comes in. */
export interface TransportIndex {
  readonly byUfrag: Map<string, Transport>
  readonly byPath: Map<string, Transport>
  /** Whether a source address may begin another handshake now. */
  readonly admitHandshake: (address: string) => boolean
  readonly certificate: Certificate
}

/** Ways that one client may have open at once. */
const MAX_PATHS = 8
/** Without a check from the client for so long, it does not want our packets any more (RFC 7675 section 5.1). */
const CONSENT_MS = 30_000

interface Credentials {
  readonly ufrag: string
  readonly password: string
}

/**
 * The way to one client: connectivity checks (ICE lite, RFC 8445 section 2.5), handshake, and protection of media. A
 * packet counts only when it comes by a path on which the client proved to know our password.
 */
export class Transport {
  readonly #index: TransportIndex
  readonly #events: TransportEvents
  readonly #paths = new Map<string, Path>()
  #credentials: Credentials
  /** From before an ICE restart: good until the client has taken up the new ones. */
  #previous: Credentials | undefined
  #remoteUfrag: string | undefined
  #fingerprint: Fingerprint | undefined
  #selected: Path | undefined
  #dtls: DtlsServer | undefined
  #receiver: SrtpReceiver | undefined
  #sender: SrtpSender | undefined
  #lastCheck = -Infinity
  #closed = false

  constructor(index: TransportIndex, events: TransportEvents) {
    this.#index = index
    this.#events = events
    this.#credentials = this.#newCredentials()
  }

  get credentials(): Credentials {
    return this.#credentials
  }

  get isConnected(): boolean {
    return this.#sender !== undefined && !this.#closed
  }

  get path(): Path | undefined {
    return this.#selected
  }

  /** Takes over what the client's description says. A changed ufrag asks for an ICE restart (RFC 8839 section 4.4.1.1.1). */
  setRemote({ ufrag, fingerprint }: { ufrag: string; fingerprint: Fingerprint }): void {
    const isRestart = this.#remoteUfrag !== undefined && this.#remoteUfrag !== ufrag
    this.#remoteUfrag = ufrag
    if (isRestart) {
      if (this.#previous) this.#index.byUfrag.delete(this.#previous.ufrag)
      this.#previous = this.#credentials
      this.#credentials = this.#newCredentials()
    }
    const isOther = this.#fingerprint !== undefined && this.#fingerprint.value !== fingerprint.value
    this.#fingerprint = fingerprint
    // Another certificate is another connection: this one's keys count no more.
    if (isOther) this.#dropKeys()
  }

  /** Answers a connectivity check that named this transport. */
  receiveCheck(check: StunMessage, path: Path, now: number): void {
    const [ufrag, theirs] = check.username!.split(':')
    const { password } = ufrag === this.#credentials.ufrag ? this.#credentials : this.#previous!
    if (!hasIntegrity(check, password)) return
    // Checks may come before the description that tells the client's ufrag.
    if (this.#remoteUfrag !== undefined && theirs !== this.#remoteUfrag && ufrag === this.#credentials.ufrag)
      return
    if (check.unknown.length > 0) return path.send(errorResponse(check, 420, 'Unknown Attribute', password))
    // A lite agent never checks by itself, so the client must be the one in control.
    if (check.isControlled) return path.send(errorResponse(check, 487, 'Role Conflict', password))
    this.#lastCheck = now
    this.#addPath(path)
    if (check.useCandidate || !this.#selected) this.#selected = this.#paths.get(path.key)
    if (ufrag === this.#credentials.ufrag && this.#previous) {
      this.#index.byUfrag.delete(this.#previous.ufrag)
      this.#previous = undefined
    }
    path.send(bindingResponse(check, path, password))
  }

  #addPath(path: Path): void {
    if (this.#paths.has(path.key)) return
    if (this.#paths.size >= MAX_PATHS) {
      const oldest = [...this.#paths.values()].find(({ key }) => key !== this.#selected?.key)
      if (oldest) this.losePath(oldest.key)
    }
    // An address that somebody else had before is this client's now: it just proved so.
    const before = this.#index.byPath.get(path.key)
    if (before !== this) before?.losePath(path.key)
    this.#paths.set(path.key, path)
    this.#index.byPath.set(path.key, this)
  }

  losePath(key: string): void {
    if (!this.#paths.delete(key)) return
    this.#index.byPath.delete(key)
    if (this.#selected?.key === key) this.#selected = [...this.#paths.values()].at(-1)
  }

  receiveHandshake(datagram: Buffer, path: Path): void {
    if (!this.#dtls) {
      // Nothing is worked out before it is known whose certificate to expect.
      if (!this.#fingerprint || !this.#index.admitHandshake(path.address)) return
      this.#dtls = this.#startHandshake(this.#fingerprint)
    }
    this.#dtls.receive(datagram)
  }

  #startHandshake(fingerprint: Fingerprint): DtlsServer {
    const dtls = new DtlsServer({
      certificate: this.#index.certificate,
      fingerprint,
      send: (datagram) => this.#selected?.send(datagram),
      onConnected: (keys) => this.#takeKeys(keys),
      onClosed: (reason) => {
        // A failed handshake may begin anew; one that had succeeded is over.
        if (this.#dtls !== dtls) return
        if (this.#sender) return this.#events.onClosed(reason)
        this.#dtls = undefined
        this.#events.onFailed()
      },
    })
    return dtls
  }

  #takeKeys({ profile, incoming, outgoing }: MediaKeys): void {
    this.#receiver = new SrtpReceiver(profile, incoming)
    this.#sender = new SrtpSender(profile, outgoing)
    this.#events.onConnected()
  }

  #dropKeys(): void {
    this.#dtls?.close()
    this.#dtls = undefined
    this.#receiver = undefined
    this.#sender = undefined
  }

  receiveMedia(packet: Buffer): void {
    if (!this.#receiver) return
    if (isRtcp(packet)) {
      const plain = this.#receiver.openRtcp(packet)
      if (plain) this.#events.onRtcp(plain)
      return
    }
    const rtp = this.#receiver.openRtp(packet)
    if (rtp) this.#events.onRtp(rtp)
  }

  /** Ends a stream of the client, which makes room for another. */
  endStream(ssrc: number): void {
    this.#receiver?.end(ssrc)
  }

  /** @returns what was sent, to be sent again if it is lost; undefined when nothing could be */
  sendRtp(header: Buffer, payload: Buffer, ssrc: number, index: number): Buffer | undefined {
    if (!this.#sender || !this.#selected) return undefined
    const sealed = this.#sender.protectRtp(header, payload, ssrc, index)
    this.#selected.send(sealed)
    return sealed
  }

  /** Sends what was sent before, unchanged. */
  resend(sealed: Buffer): void {
    this.#selected?.send(sealed)
  }

  sendRtcp(packet: Buffer): void {
    const sealed = this.#sender?.protectRtcp(packet)
    if (sealed) this.#selected?.send(sealed)
  }

  /** Whether the client has been silent for longer than its consent lasts. */
  hasLostConsent(now: number): boolean {
    return this.#sender !== undefined && now - this.#lastCheck > CONSENT_MS
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#dtls?.close()
    for (const key of this.#paths.keys()) this.losePath(key)
    this.#index.byUfrag.delete(this.#credentials.ufrag)
    if (this.#previous) this.#index.byUfrag.delete(this.#previous.ufrag)
    this.#receiver = undefined
    this.#sender = undefined
  }

  #newCredentials(): Credentials {
    // RFC 8839 section 5.4: at least 24 and 128 random bits.
    const credentials = {
      ufrag: randomBytes(6).toString('base64url').replace(/[-_]/g, 'x'),
      password: randomBytes(24).toString('base64'),
    }
    this.#index.byUfrag.set(credentials.ufrag, this)
    return credentials
  }
}
