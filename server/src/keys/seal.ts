import type { KeyObject } from 'node:crypto'
import { decrypt, encrypt } from './aead.ts'
import { KeyError } from './error.ts'

/**
 * Encrypts the text of one message with AES-256-GCM (NIST SP 800-38D); the result is
 * `version (1) | nonce (12) | tag (16) | ciphertext`.
 *
 * Nonces are random, which bounds a key to 2^32 messages; the keyring moves on to a new key well before that. `aad` ties
 * the result to its place (message, channel, sender, revision), so that rows cannot be swapped in the database.
 * The text is stored as UTF-8, where half a surrogate pair has no form and becomes U+FFFD.
 *
 * Keep the key as a `KeyObject`: from raw bytes it would be set up anew for each message.
 */
export function sealMessage(key: KeyObject, plaintext: string, aad: string): Buffer {
  return encrypt(key, plaintext, aad)
}

/**
 * Decrypts what {@link sealMessage} made.
 *
 * @throws {KeyError} `mismatch` if the key or `aad` is another one, or any bit was changed
 */
export function openMessage(key: KeyObject, sealed: Uint8Array, aad: string): string {
  try {
    return decrypt(key, sealed, aad).toString('utf8')
  } catch (cause) {
    throw new KeyError(
      'mismatch',
      'The message cannot be decrypted: it was altered or belongs to another key',
      { cause },
    )
  }
}
