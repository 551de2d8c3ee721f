import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

/** A certificate that proves nothing by itself: peers compare its fingerprint with what signalling told them. */
export interface Certificate {
  readonly der: Buffer
  readonly key: KeyObject
  /** SHA-256 as SDP has it (RFC 8122): upper-case hex bytes with colons. */
  readonly fingerprint: string
}

const DAY = 24 * 3600 * 1000
const OID_ECDSA_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex')
const OID_COMMON_NAME = Buffer.from('0603550403', 'hex')

/** A self-signed X.509 certificate (RFC 5280) with a fresh P-256 key, for as long as this process lives. */
export function createCertificate(now: number): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = der(0x30, OID_ECDSA_SHA256)
  const name = der(0x30, der(0x31, der(0x30, OID_COMMON_NAME, der(0x0c, Buffer.from('pufferblow')))))
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, serial),
    algorithm,
    name,
    der(0x30, utcTime(now - DAY), utcTime(now + 3650 * DAY)),
    name,
    publicKey.export({ format: 'der', type: 'spki' }),
  )
  const signature = sign('sha256', body, privateKey)
  const certificate = der(0x30, body, algorithm, der(0x03, Buffer.from([0]), signature))
  return { der: certificate, key: privateKey, fingerprint: fingerprintOf(certificate, 'sha-256') }
}

/** A certificate's hash as SDP has it. @param hash such as `sha-256` */
export function fingerprintOf(certificate: Buffer, hash: string): string {
  const digest = createHash(hash.replace('-', '')).update(certificate).digest('hex').toUpperCase()
  return digest.match(/../g)!.join(':')
}

function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return der(0x17, Buffer.from(`${digits}Z`))
}

/** Tag, length, content (X.690). */
function der(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  if (body.length < 128) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const length = body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
