import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { decrypt, encrypt } from './aead.ts'
import { KeyError } from './error.ts'

const INFO = 'pufferblow/wrap/v1'

/**
 * Encrypts a key for storage in the database. The result is `version (1) | nonce (12) | tag (16) | ciphertext`, sealed
 * with AES-256-GCM (NIST SP 800-38D) under a key derived from the master key by HKDF-SHA-256 (RFC 5869, no salt: the
 * master key is uniformly random; info `pufferblow/wrap/v1`), so that the master key itself encrypts nothing.
 *
 * The associated data is the JSON text of `[info, purpose, kid]`: a wrapped key can neither be opened for another
 * purpose nor pass for a key with another id.
 */
export function wrapKey(master: KeyObject, purpose: string, kid: string, secret: Uint8Array): Buffer {
  return encrypt(wrappingKey(master), secret, aadOf(purpose, kid))
}

/**
 * Decrypts what {@link wrapKey} made.
 *
 * @throws {KeyError} `mismatch` if the master key, purpose or kid is another one, or any bit was changed
 */
export function unwrapKey(master: KeyObject, purpose: string, kid: string, wrapped: Uint8Array): Buffer {
  try {
    return decrypt(wrappingKey(master), wrapped, aadOf(purpose, kid))
  } catch (cause) {
    const message = `The master key does not belong to this database: it cannot open the ${purpose} key ${kid}`
    throw new KeyError('mismatch', message, { cause })
  }
}

function wrappingKey(master: KeyObject): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync('sha256', master, '', INFO, 32)))
}

// JSON keeps the two apart: no purpose and kid can be cut so as to read like another pair.
function aadOf(purpose: string, kid: string): string {
  return JSON.stringify([INFO, purpose, kid])
}
