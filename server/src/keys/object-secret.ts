import type { KeyObject } from 'node:crypto'
import { decrypt, encrypt } from './aead.ts'
import { KeyError } from './error.ts'

/**
 * Encrypts the secret of one stored object with a data key (AES-256-GCM). The object's name is associated data, so that
 * a wrapped secret cannot be moved to another object. To take a new data key, this value is made anew; the object stays.
 */
export function wrapObjectSecret(key: KeyObject, name: string, secret: Uint8Array): Buffer {
  return encrypt(key, secret, associatedData(name))
}

/**
 * Decrypts what {@link wrapObjectSecret} made.
 *
 * @throws {KeyError} `mismatch` if key or name is another one, or any bit was changed
 */
export function unwrapObjectSecret(key: KeyObject, name: string, wrapped: Uint8Array): Buffer {
  try {
    return decrypt(key, wrapped, associatedData(name))
  } catch (cause) {
    throw new KeyError('mismatch', `The key of the object ${name} cannot be opened`, { cause })
  }
}

function associatedData(name: string): string {
  return JSON.stringify(['pufferblow/object-secret/v1', name])
}
