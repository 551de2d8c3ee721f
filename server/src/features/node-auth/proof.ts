import { createHmac, createPublicKey, timingSafeEqual, verify, type KeyObject } from 'node:crypto'

const RAW_KEY_BYTES = 32
const SIGNATURE_BYTES = 64
/** What comes before the 32 bytes of an Ed25519 key in SPKI (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** The Ed25519 key in `text`: PEM (SPKI), or its 32 bytes in base64 or base64url. Anything else is no such key. */
export function ed25519KeyFrom(text: string): KeyObject | undefined {
  const trimmed = text.trim()
  try {
    if (trimmed.startsWith('-----BEGIN PUBLIC KEY-----')) {
      const key = createPublicKey(trimmed)
      return key.asymmetricKeyType === 'ed25519' ? key : undefined
    }
    if (!/^[\w+/-]{43}=?$/.test(trimmed)) return undefined
    const raw = Buffer.from(trimmed, 'base64')
    if (raw.length !== RAW_KEY_BYTES) return undefined
    return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

/** Whether `signature` (base64, base64url or hex) is one of Ed25519 over the UTF-8 bytes of `nonce` (RFC 8032). */
export function isSignedBy(key: KeyObject, nonce: string, signature: string): boolean {
  const isHex = /^[0-9a-f]{128}$/i.test(signature)
  if (!isHex && !/^[\w+/-]{86}(==)?$/.test(signature)) return false
  const bytes = Buffer.from(signature, isHex ? 'hex' : 'base64')
  return bytes.length === SIGNATURE_BYTES && verify(null, Buffer.from(nonce), key, bytes)
}

/**
 * Whether `mac` is, in hex, HMAC-SHA-256 over `nonce` under `secret`. The caller brings the secret along, so this
 * proves nothing by itself.
 */
export function isMacOf(secret: string, nonce: string, mac: string): boolean {
  if (!/^[0-9a-f]{64}$/i.test(mac)) return false
  return timingSafeEqual(Buffer.from(mac, 'hex'), createHmac('sha256', secret).update(nonce).digest())
}
