import { createCipheriv, createECDH, ECDH, hkdfSync, randomBytes } from 'node:crypto'

const CURVE = 'prime256v1'
const SALT_BYTES = 16
const AUTH_BYTES = 16
const POINT_BYTES = 65
/** One record holds all that push services take. */
const RECORD_BYTES = 4096
/** Marks the last record (RFC 8188, section 2). */
const LAST_RECORD = 2

/** The keys that a browser gives with a subscription. */
export interface ReceiverKeys {
  /** A point on P-256, uncompressed. */
  readonly p256dh: Buffer
  readonly auth: Buffer
}

/** The keys as clients send them, in base64url. @returns undefined when they are none */
export function parseReceiverKeys(keys: { p256dh: string; auth: string }): ReceiverKeys | undefined {
  const p256dh = Buffer.from(keys.p256dh, 'base64url')
  const auth = Buffer.from(keys.auth, 'base64url')
  if (auth.length !== AUTH_BYTES || p256dh.length !== POINT_BYTES || p256dh[0] !== 4) return undefined
  try {
    // Throws for what is not on the curve.
    ECDH.convertKey(p256dh, CURVE)
  } catch {
    return undefined
  }
  return { p256dh, auth }
}

/**
 * Encrypts a push message for one receiver: RFC 8291, as one record of RFC 8188 (`aes128gcm`).
 *
 * @param own a private key and a salt, for the examples of the RFC; new ones otherwise
 */
export function encryptPush(
  plaintext: Uint8Array,
  { p256dh, auth }: ReceiverKeys,
  own?: { readonly privateKey: Buffer; readonly salt: Buffer },
): Buffer {
  const ecdh = createECDH(CURVE)
  if (own) ecdh.setPrivateKey(own.privateKey)
  else ecdh.generateKeys()
  const sender = ecdh.getPublicKey()
  const salt = own?.salt ?? randomBytes(SALT_BYTES)

  const info = Buffer.concat([Buffer.from('WebPush: info\0'), p256dh, sender])
  const secret = derive(ecdh.computeSecret(p256dh), auth, info, 32)
  const key = derive(secret, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16)
  const nonce = derive(secret, salt, Buffer.from('Content-Encoding: nonce\0'), 12)

  const header = Buffer.alloc(SALT_BYTES + 5)
  header.set(salt)
  header.writeUInt32BE(RECORD_BYTES, SALT_BYTES)
  header.writeUInt8(sender.length, SALT_BYTES + 4)
  const cipher = createCipheriv('aes-128-gcm', key, nonce)
  const body = Buffer.concat([
    cipher.update(plaintext),
    cipher.update(Buffer.of(LAST_RECORD)),
    cipher.final(),
  ])
  return Buffer.concat([header, sender, body, cipher.getAuthTag()])
}

function derive(input: Buffer, salt: Buffer, info: Buffer, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', input, salt, info, bytes))
}
