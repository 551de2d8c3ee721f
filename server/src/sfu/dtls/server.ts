import { createHash, randomBytes, sign, timingSafeEqual, type KeyObject } from 'node:crypto'
import { srtpProfiles, type MasterKeys, type SrtpProfile } from '../srtp/keys.ts'
import type { Certificate } from './certificate.ts'
import {
  checkCertificate,
  checkPossession,
  signatureAlgorithms,
  type Fingerprint,
} from './client-certificate.ts'
import {
  certificateMessage,
  certificateRequest,
  CIPHER_SUITE,
  ecdhParameters,
  HandshakeType,
  parseCertificate,
  parseClientHello,
  serverHello,
  writeMessage,
  type ClientHello,
  type HandshakeMessage,
} from './handshake.ts'
import { startKeyExchange, type KeyExchange } from './key-exchange.ts'
import { prf } from './prf.ts'
import { MalformedError, Reader, uint16, vector } from './reader.ts'
import { Reassembly } from './reassembly.ts'
import {
  ContentType,
  parseRecords,
  RecordOpener,
  RecordSealer,
  writeRecord,
  type DtlsRecord,
} from './record.ts'

/** Keys for media that a handshake gave (RFC 5764 section 4.2). */
export interface MediaKeys {
  readonly profile: SrtpProfile
  readonly outgoing: MasterKeys
  readonly incoming: MasterKeys
}

export interface DtlsOptions {
  readonly certificate: Certificate
  /** The client must prove to have the certificate with this fingerprint. */
  readonly fingerprint: Fingerprint
  readonly send: (datagram: Buffer) => void
  readonly onConnected: (keys: MediaKeys) => void
  /** The handshake failed, or the client said goodbye. Nothing follows. */
  readonly onClosed: (reason: string) => void
}

/** Datagrams are kept below what every path carries. */
const MAX_DATAGRAM = 1200
const FIRST_RETRY_MS = 100
const RETRIES = 7
/** A flight is sent again on request at most so often, whatever a client repeats. */
const REPEAT_MS = 20
const CLOSE_NOTIFY = 0
const HANDSHAKE_FAILURE = 40

type State = 'hello' | 'certificate' | 'key exchange' | 'proof' | 'finished' | 'connected' | 'closed'

/**
 * The server's side of a DTLS 1.2 handshake (RFC 6347) for media keys: one cipher suite, a certificate required from
 * the client, no cookie (the path was proven by connectivity checks before), no renegotiation, no resumption.
 */
export class DtlsServer {
  readonly #options: DtlsOptions
  readonly #incoming = new Reassembly()
  readonly #random = randomBytes(32)
  #state: State = 'hello'
  #transcript: Buffer[] = []
  #hello: ClientHello | undefined
  #exchange: KeyExchange | undefined
  #profile: SrtpProfile | undefined
  #clientKey: KeyObject | undefined
  #master: Buffer = Buffer.alloc(0)
  #opener: RecordOpener | undefined
  #sealer: RecordSealer | undefined
  #sent: HandshakeMessage[] = []
  #nextMessage = 0
  readonly #nextRecord: [number, number] = [0, 0]
  #retry: NodeJS.Timeout | undefined
  #lastSent = -Infinity

  constructor(options: DtlsOptions) {
    this.#options = options
  }

  get isConnected(): boolean {
    return this.#state === 'connected'
  }

  receive(datagram: Buffer): void {
    for (const record of parseRecords(datagram)) {
      if (this.#state === 'closed') return
      try {
        this.#take(record)
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error
        this.#alert(HANDSHAKE_FAILURE)
        this.#close(error.message)
      }
    }
  }

  /** Says goodbye and stops. */
  close(): void {
    if (this.#state === 'closed') return
    this.#alert(CLOSE_NOTIFY)
    this.#stop()
  }

  #take(record: DtlsRecord): void {
    // What is not protected can come from anybody: before the keys only handshake messages count, and later nothing.
    if (record.epoch === 0) {
      if (record.type === ContentType.handshake && this.#state !== 'connected')
        this.#takeHandshake(record.fragment, 0)
      return
    }
    if (record.epoch !== 1 || !this.#opener) return
    const plain = this.#opener.open(record)
    if (!plain) return
    if (record.type === ContentType.handshake) this.#takeHandshake(plain, 1)
    else if (record.type === ContentType.alert && plain.length === 2) {
      if (plain[0] === 2 || plain[1] === CLOSE_NOTIFY) this.#close('the client closed the connection')
    }
  }

  #takeHandshake(fragment: Buffer, epoch: 0 | 1): void {
    // Finished must be protected, and nothing else may be.
    const isFinished = fragment[0] === HandshakeType.finished
    if (isFinished !== (epoch === 1)) return
    const { messages, repeated } = this.#incoming.take(fragment)
    for (const message of messages) this.#takeMessage(message)
    if (messages.length === 0 && repeated) this.#repeat()
  }

  #takeMessage(message: HandshakeMessage): void {
    switch (this.#state) {
      case 'hello':
        expectType(message, HandshakeType.clientHello)
        this.#transcript.push(writeMessage(message))
        return this.#answerHello(parseClientHello(message.body))
      case 'certificate':
        expectType(message, HandshakeType.certificate)
        this.#clientKey = checkCertificate(parseCertificate(message.body), this.#options.fingerprint)
        this.#transcript.push(writeMessage(message))
        this.#state = 'key exchange'
        return
      case 'key exchange':
        expectType(message, HandshakeType.clientKeyExchange)
        this.#transcript.push(writeMessage(message))
        this.#deriveKeys(new Reader(message.body).vector(1))
        this.#state = 'proof'
        return
      case 'proof':
        expectType(message, HandshakeType.certificateVerify)
        checkPossession(this.#clientKey!, Buffer.concat(this.#transcript), message.body)
        this.#transcript.push(writeMessage(message))
        this.#state = 'finished'
        return
      case 'finished':
        expectType(message, HandshakeType.finished)
        return this.#finish(message)
      default:
    }
  }

  #answerHello(hello: ClientHello): void {
    this.#profile = srtpProfiles.find(({ id }) => hello.srtpProfiles.includes(id))
    this.#exchange = startKeyExchange(hello.groups)
    if (!hello.cipherSuites.includes(CIPHER_SUITE) || !hello.signatureAlgorithms.includes(0x0403))
      throw new MalformedError('the client and this server have no cipher suite in common')
    if (!this.#profile || !this.#exchange || !hello.extendedMasterSecret)
      throw new MalformedError('the client lacks what WebRTC needs of DTLS')
    this.#hello = hello
    const parameters = ecdhParameters(this.#exchange.group, this.#exchange.publicKey)
    const { certificate } = this.#options
    const signature = sign('sha256', Buffer.concat([hello.random, this.#random, parameters]), certificate.key)
    this.#state = 'certificate'
    this.#sendFlight([
      [HandshakeType.serverHello, serverHello(hello, this.#random, this.#profile.id)],
      [HandshakeType.certificate, certificateMessage(certificate.der)],
      [HandshakeType.serverKeyExchange, Buffer.concat([parameters, uint16(0x0403), vector(2, signature)])],
      [HandshakeType.certificateRequest, certificateRequest(signatureAlgorithms)],
      [HandshakeType.serverHelloDone, Buffer.alloc(0)],
    ])
    this.#retryLater(FIRST_RETRY_MS, RETRIES)
  }

  /** Master secret (RFC 7627 section 4) and record keys (RFC 5246 section 6.3). */
  #deriveKeys(clientPoint: Buffer): void {
    let premaster: Buffer
    try {
      premaster = this.#exchange!.secretWith(clientPoint)
    } catch (cause) {
      throw new MalformedError('the key of the client is not a point of the curve', { cause })
    }
    this.#master = prf(premaster, 'extended master secret', this.#transcriptHash(), 48)
    const seed = Buffer.concat([this.#random, this.#hello!.random])
    const block = prf(this.#master, 'key expansion', seed, 40)
    this.#opener = new RecordOpener({ key: block.subarray(0, 16), iv: block.subarray(32, 36) })
    this.#sealer = new RecordSealer({ key: block.subarray(16, 32), iv: block.subarray(36, 40) })
  }

  #finish(message: HandshakeMessage): void {
    const expected = prf(this.#master, 'client finished', this.#transcriptHash(), 12)
    if (message.body.length !== 12 || !timingSafeEqual(message.body, expected))
      throw new MalformedError("the client's handshake is not the one this server saw")
    this.#transcript.push(writeMessage(message))
    clearTimeout(this.#retry)
    this.#state = 'connected'
    const verify = prf(this.#master, 'server finished', this.#transcriptHash(), 12)
    this.#sendFlight([[HandshakeType.finished, verify]])
    this.#transcript = []
    this.#options.onConnected(this.#mediaKeys())
  }

  /** The exporter of RFC 5705, labelled and split as RFC 5764 section 4.2 says. */
  #mediaKeys(): MediaKeys {
    const profile = this.#profile!
    const { keyLength: k, saltLength: s } = profile
    const seed = Buffer.concat([this.#hello!.random, this.#random])
    const block = prf(this.#master, 'EXTRACTOR-dtls_srtp', seed, 2 * (k + s))
    return {
      profile,
      incoming: { key: block.subarray(0, k), salt: block.subarray(2 * k, 2 * k + s) },
      outgoing: { key: block.subarray(k, 2 * k), salt: block.subarray(2 * k + s, 2 * (k + s)) },
    }
  }

  #transcriptHash(): Buffer {
    const hash = createHash('sha256')
    for (const part of this.#transcript) hash.update(part)
    return hash.digest()
  }

  #sendFlight(messages: readonly [type: number, body: Buffer][]): void {
    this.#sent = messages.map(([type, body]) => ({ type, sequence: this.#nextMessage++, body }))
    for (const message of this.#sent) this.#transcript.push(writeMessage(message))
    this.#send()
  }

  /** Sends the last flight, as new records. */
  #send(): void {
    this.#lastSent = performance.now()
    const records = this.#sent.flatMap((message) =>
      message.type === HandshakeType.finished
        ? [
            this.#record(0, ContentType.changeCipherSpec, Buffer.from([1])),
            this.#record(1, ContentType.handshake, writeMessage(message)),
          ]
        : [this.#record(0, ContentType.handshake, writeMessage(message))],
    )
    let datagram: Buffer[] = []
    let size = 0
    for (const record of records) {
      if (size > 0 && size + record.length > MAX_DATAGRAM) {
        this.#options.send(Buffer.concat(datagram))
        datagram = []
        size = 0
      }
      datagram.push(record)
      size += record.length
    }
    this.#options.send(Buffer.concat(datagram))
  }

  #record(epoch: 0 | 1, type: number, fragment: Buffer): Buffer {
    const record = { type, epoch, sequence: this.#nextRecord[epoch]++, fragment }
    return epoch === 0 ? writeRecord(record) : this.#sealer!.seal(record)
  }

  /** The client repeats itself: it has not got our last flight. */
  #repeat(): void {
    if (this.#sent.length > 0 && performance.now() - this.#lastSent >= REPEAT_MS) this.#send()
  }

  #retryLater(delay: number, left: number): void {
    this.#retry = setTimeout(() => {
      if (left === 0) return this.#close('the handshake was not finished in time')
      this.#send()
      this.#retryLater(Math.min(2 * delay, 3200), left - 1)
    }, delay)
    this.#retry.unref()
  }

  #alert(description: number): void {
    const fragment = Buffer.from([description === CLOSE_NOTIFY ? 1 : 2, description])
    this.#options.send(this.#record(this.#state === 'connected' ? 1 : 0, ContentType.alert, fragment))
  }

  #close(reason: string): void {
    this.#stop()
    this.#options.onClosed(reason)
  }

  #stop(): void {
    this.#state = 'closed'
    clearTimeout(this.#retry)
  }
}

function expectType(message: HandshakeMessage, type: number): void {
  if (message.type !== type) throw new MalformedError('a handshake message came out of turn')
}
