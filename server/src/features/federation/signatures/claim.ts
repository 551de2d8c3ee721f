import { constants, sign, verify, type KeyObject } from 'node:crypto'
import { SignatureError } from './message.ts'

/** Signature algorithms, by their names of RFC 9421, section 6.2.2. */
export type SignatureAlgorithm = 'rsa-v1_5-sha256' | 'rsa-pss-sha512' | 'ed25519'

/** What a signature says, before anybody has looked at the key. */
export interface SignatureClaim {
  readonly scheme: SignatureScheme
  readonly keyId: string
  /** Undefined: the usual one of the key. */
  readonly algorithm: SignatureAlgorithm | undefined
  /** What was signed. */
  readonly base: string
  readonly signature: Buffer
}

/** HTTP signatures as most of the Fediverse makes them, and as the standard has them. */
export type SignatureScheme = 'draft-cavage' | 'rfc9421'

/** How far the clock of a sender may be off, and how long a request may be under way. */
const WINDOW_MS = 15 * 60_000

/** Longer ones are none: keys of 16 384 bits make 2 731 characters. */
export const MAX_SIGNATURE_FIELD = 8192

/** Whether the claim is true of `key`. */
export function verifyClaim(claim: SignatureClaim, key: KeyObject): boolean {
  const algorithm = claim.algorithm ?? usualAlgorithmOf(key)
  if (!algorithm || !fits(algorithm, key)) return false
  const base = Buffer.from(claim.base)
  try {
    switch (algorithm) {
      case 'rsa-v1_5-sha256':
        return verify('sha256', base, key, claim.signature)
      case 'rsa-pss-sha512':
        return verify('sha512', base, { key, ...PSS }, claim.signature)
      case 'ed25519':
        return verify(null, base, key, claim.signature)
    }
  } catch {
    // OpenSSL throws on some signatures that are no numbers of the key at all.
    return false
  }
}

export function signBase(base: string, key: KeyObject): Buffer {
  return sign(key.asymmetricKeyType === 'rsa' ? 'sha256' : null, Buffer.from(base), key)
}

export function usualAlgorithmOf(key: KeyObject): SignatureAlgorithm | undefined {
  if (key.asymmetricKeyType === 'rsa') return 'rsa-v1_5-sha256'
  return key.asymmetricKeyType === 'ed25519' ? 'ed25519' : undefined
}

/** @throws SignatureError when a signature was made too long ago, or will be made */
export function checkTime(madeAt: number, now: number): void {
  if (!(Math.abs(now - madeAt) <= WINDOW_MS)) {
    throw new SignatureError('the date is more than 15 minutes off')
  }
}

/** @throws SignatureError when it is over */
export function checkExpiry(expiresAt: number | undefined, now: number): void {
  if (expiresAt !== undefined && !(expiresAt > now)) throw new SignatureError('the signature has expired')
}

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }

function fits(algorithm: SignatureAlgorithm, key: KeyObject): boolean {
  return algorithm === 'ed25519' ? key.asymmetricKeyType === 'ed25519' : key.asymmetricKeyType === 'rsa'
}
