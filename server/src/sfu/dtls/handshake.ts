import { MalformedError, Reader, uint16, vector } from './reader.ts'

export const HandshakeType = {
  clientHello: 1,
  serverHello: 2,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const

const Extension = {
  supportedGroups: 10,
  pointFormats: 11,
  signatureAlgorithms: 13,
  useSrtp: 14,
  extendedMasterSecret: 23,
  renegotiationInfo: 0xff01,
} as const

/** TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, which every WebRTC client has (RFC 8827 section 6.5). */
export const CIPHER_SUITE = 0xc02b
/** TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746). */
const RENEGOTIATION_SIGNAL = 0x00ff
const DTLS_1_2 = 0xfefd

/** What a client offers. */
export interface ClientHello {
  readonly random: Buffer
  readonly cipherSuites: readonly number[]
  readonly groups: readonly number[]
  readonly signatureAlgorithms: readonly number[]
  readonly srtpProfiles: readonly number[]
  readonly extendedMasterSecret: boolean
  readonly sentPointFormats: boolean
  readonly secureRenegotiation: boolean
}

/** @throws MalformedError */
export function parseClientHello(body: Buffer): ClientHello {
  const reader = new Reader(body)
  // Versions count down from 0xffff: 1.0 is 0xfeff and 1.2 is 0xfefd. A client of 1.3 says 1.2 here.
  if (reader.number(2) > DTLS_1_2) throw new MalformedError('the client does not know DTLS 1.2')
  const random = reader.bytes(32)
  reader.vector(1) // session id
  reader.vector(1) // cookie
  const cipherSuites = new Reader(reader.vector(2)).numbers()
  reader.vector(1) // compression
  const extensions = new Map<number, Buffer>()
  const list = new Reader(reader.isAtEnd ? Buffer.alloc(0) : reader.vector(2))
  while (!list.isAtEnd) extensions.set(list.number(2), list.vector(2))
  const numbersOf = (type: number): number[] => {
    const content = extensions.get(type)
    return content ? new Reader(new Reader(content).vector(2)).numbers() : []
  }
  return {
    random,
    cipherSuites,
    groups: numbersOf(Extension.supportedGroups),
    signatureAlgorithms: numbersOf(Extension.signatureAlgorithms),
    srtpProfiles: numbersOf(Extension.useSrtp),
    extendedMasterSecret: extensions.has(Extension.extendedMasterSecret),
    sentPointFormats: extensions.has(Extension.pointFormats),
    secureRenegotiation:
      extensions.has(Extension.renegotiationInfo) || cipherSuites.includes(RENEGOTIATION_SIGNAL),
  }
}

/** The answer to a client's hello. */
export function serverHello(hello: ClientHello, random: Buffer, srtpProfile: number): Buffer {
  const extension = (type: number, content: Buffer): Buffer =>
    Buffer.concat([uint16(type), vector(2, content)])
  const extensions = [
    extension(Extension.useSrtp, Buffer.concat([vector(2, uint16(srtpProfile)), vector(1)])),
    extension(Extension.extendedMasterSecret, Buffer.alloc(0)),
  ]
  if (hello.secureRenegotiation) extensions.push(extension(Extension.renegotiationInfo, vector(1)))
  if (hello.sentPointFormats) extensions.push(extension(Extension.pointFormats, vector(1, Buffer.from([0]))))
  return Buffer.concat([
    uint16(DTLS_1_2),
    random,
    vector(1), // no session to resume
    uint16(CIPHER_SUITE),
    Buffer.from([0]), // no compression
    vector(2, ...extensions),
  ])
}

export function certificateMessage(der: Buffer): Buffer {
  return vector(3, vector(3, der))
}

/** The first certificate of a chain. @throws MalformedError when there is none */
export function parseCertificate(body: Buffer): Buffer {
  const chain = new Reader(new Reader(body).vector(3))
  if (chain.isAtEnd) throw new MalformedError('the client has no certificate')
  return chain.vector(3)
}

/** The key exchange's parameters, which the server signs (RFC 8422 section 5.4). */
export function ecdhParameters(group: number, publicKey: Buffer): Buffer {
  return Buffer.concat([Buffer.from([3]), uint16(group), vector(1, publicKey)])
}

export function certificateRequest(signatureAlgorithms: readonly number[]): Buffer {
  const types = vector(1, Buffer.from([64, 1])) // ECDSA, RSA
  return Buffer.concat([types, vector(2, uint16(...signatureAlgorithms)), vector(2)])
}

/** A message of a handshake (RFC 6347 section 4.2.2), whole. */
export interface HandshakeMessage {
  readonly type: number
  readonly sequence: number
  readonly body: Buffer
}

/** A message as one fragment; in this form it also counts for the transcript. */
export function writeMessage({ type, sequence, body }: HandshakeMessage): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt8(type)
  header.writeUIntBE(body.length, 1, 3)
  header.writeUInt16BE(sequence, 4)
  header.writeUIntBE(body.length, 9, 3)
  return Buffer.concat([header, body])
}
