import type { KeyObject } from 'node:crypto'
import { readCavage, signCavage } from './cavage.ts'
import type { SignatureClaim, SignatureScheme } from './claim.ts'
import { checkContentDigest, checkDigest } from './digest.ts'
import { SignatureError, type SignableMessage } from './message.ts'
import { readRfc9421, signRfc9421 } from './rfc9421.ts'

export { verifyClaim, type SignatureClaim, type SignatureScheme } from './claim.ts'
export { fieldsOf, SignatureError } from './message.ts'

/**
 * What the signature of a request claims: complete coverage, good form, a date within the window, a digest that is
 * the body's. Nothing is fetched for it, and nothing is proven before the key has been asked.
 *
 * @throws SignatureError
 */
export function readClaim(message: SignableMessage, body: Uint8Array, now: number): SignatureClaim {
  if (message.fields.has('signature-input')) {
    const claim = readRfc9421(message, now)
    checkContentDigest(message, body)
    return claim
  }
  if (!message.fields.has('signature')) throw new SignatureError('the request is not signed')
  const claim = readCavage(message, now)
  checkDigest(message, body)
  return claim
}

/** The fields that sign a request on its way out, made for each attempt anew: they carry the time. */
export function signRequest(
  request: { method: 'GET' | 'POST'; target: URL; body?: Uint8Array | undefined },
  signer: { keyId: string; key: KeyObject; now: number; scheme: SignatureScheme },
): Record<string, string> {
  return signer.scheme === 'rfc9421' ? signRfc9421(request, signer) : signCavage(request, signer)
}
