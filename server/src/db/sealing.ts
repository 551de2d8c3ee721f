import { decrypt, encrypt } from '#keys/aead.ts'
import type { Keyring, KeyPurpose } from './keyring.ts'

const KID_BYTES = 36

/**
 * Encrypts with the data key that a purpose has now: the id of the key, then what AES-256-GCM makes.
 *
 * @param context ties the result to its use: it must be the same when it is opened
 */
export function seal(
  keyring: Keyring,
  purpose: KeyPurpose,
  plaintext: string | Uint8Array,
  context: string,
): Buffer {
  const { kid, key } = keyring.current(purpose)
  return Buffer.concat([Buffer.from(kid, 'latin1'), encrypt(key, plaintext, context)])
}

/** Decrypts what {@link seal} made. @throws when the key is not known, or it was altered or made for another context */
export async function open(keyring: Keyring, sealed: Buffer, context: string): Promise<Buffer> {
  const kid = sealed.toString('latin1', 0, KID_BYTES)
  const found = keyring.byId(kid) ?? (await keyring.find(kid))
  if (!found) throw new Error('the key that this was sealed with is not known')
  return decrypt(found.key, sealed.subarray(KID_BYTES), context)
}
