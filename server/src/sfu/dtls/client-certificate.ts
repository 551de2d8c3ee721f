import { constants, timingSafeEqual, verify, X509Certificate, type KeyObject } from 'node:crypto'
import { fingerprintOf } from './certificate.ts'
import { MalformedError, Reader } from './reader.ts'

/** What signalling said about the client's certificate. */
export interface Fingerprint {
  readonly hash: 'sha-256' | 'sha-384' | 'sha-512'
  /** Upper-case hex bytes with colons. */
  readonly value: string
}

/** Signatures that are taken for a proof, as TLS numbers them, best first. */
export const signatureAlgorithms = [0x0403, 0x0804, 0x0401] as const

/** The client's public key, if its certificate is the one that signalling told of. @throws MalformedError */
export function checkCertificate(der: Buffer, expected: Fingerprint): KeyObject {
  const actual = Buffer.from(fingerprintOf(der, expected.hash))
  const wanted = Buffer.from(expected.value)
  if (actual.length !== wanted.length || !timingSafeEqual(actual, wanted))
    throw new MalformedError("the client's certificate is not the one it announced")
  try {
    return new X509Certificate(der).publicKey
  } catch (cause) {
    throw new MalformedError("the client's certificate cannot be read", { cause })
  }
}

/**
 * Checks that the client has the key of its certificate: it signed everything said so far (RFC 5246 section 7.4.8).
 * Without this, whoever saw a certificate go by could use it.
 *
 * @throws MalformedError
 */
export function checkPossession(key: KeyObject, transcript: Buffer, body: Buffer): void {
  const reader = new Reader(body)
  const algorithm = reader.number(2)
  const signature = reader.vector(2)
  const isGood = (): boolean => {
    switch (algorithm) {
      case 0x0403:
        return key.asymmetricKeyType === 'ec' && verify('sha256', transcript, key, signature)
      case 0x0401:
        return key.asymmetricKeyType === 'rsa' && verify('sha256', transcript, key, signature)
      case 0x0804: {
        const padding = {
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
        }
        return key.asymmetricKeyType === 'rsa' && verify('sha256', transcript, { key, ...padding }, signature)
      }
      default:
        return false
    }
  }
  if (!isGood()) throw new MalformedError('the client does not have the key of its certificate')
}
