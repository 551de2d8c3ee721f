import { createCipheriv, createDecipheriv, randomFillSync, type KeyObject } from 'node:crypto'

/*
 * AES-256-GCM (NIST SP 800-38D) as one binary value:
 *
 *   version (1) | nonce (12) | tag (16) | ciphertext
 *
 * The nonce is random, 96 bits (section 8.2.2). By section 8.3 a key may then seal 2^32 values at most before the
 * chance that two nonces meet exceeds 2^-32; whoever holds a key sees to it that it is replaced earlier.
 */

const CIPHER = 'aes-256-gcm'
const VERSION = 1
const NONCE_AT = 1
const TAG_AT = NONCE_AT + 12
const TEXT_AT = TAG_AT + 16

/** Bytes which sealing adds to a plaintext. */
export const OVERHEAD = TEXT_AT

/** Seals a plaintext; text is taken as UTF-8. `aad` is not stored but must be the same when it is opened. */
export function encrypt(key: KeyObject, plaintext: string | Uint8Array, aad: string): Buffer {
  const nonce = nextNonce()
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: 16 })
  cipher.setAAD(Buffer.from(aad))
  const body = typeof plaintext === 'string' ? cipher.update(plaintext, 'utf8') : cipher.update(plaintext)
  cipher.final() // returns nothing in this mode, but completes the tag
  const sealed = Buffer.allocUnsafe(TEXT_AT + body.length)
  sealed[0] = VERSION
  sealed.set(nonce, NONCE_AT)
  sealed.set(cipher.getAuthTag(), TAG_AT)
  sealed.set(body, TEXT_AT)
  return sealed
}

/**
 * Opens what {@link encrypt} made.
 *
 * @throws if the key or `aad` is another one, or any bit was changed
 */
export function decrypt(key: KeyObject, sealed: Uint8Array, aad: string): Buffer {
  if (sealed.length < TEXT_AT) throw new Error('The sealed value is too short')
  if (sealed[0] !== VERSION) throw new Error('The sealed value has an unknown version')
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(NONCE_AT, TAG_AT), { authTagLength: 16 })
  decipher.setAAD(Buffer.from(aad))
  decipher.setAuthTag(sealed.subarray(TAG_AT, TEXT_AT))
  const plaintext = decipher.update(sealed.subarray(TEXT_AT))
  decipher.final() // checks the tag; nothing is returned before
  return plaintext
}

// Asking the system for 12 bytes at a time takes longer than sealing a message, hence a supply of 512 nonces.
const supply = Buffer.allocUnsafeSlow(12 * 512)
let used = supply.length

function nextNonce(): Buffer {
  if (used === supply.length) {
    randomFillSync(supply)
    used = 0
  }
  return supply.subarray(used, (used += 12))
}
