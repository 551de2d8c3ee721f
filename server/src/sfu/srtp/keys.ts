import { createCipheriv } from 'node:crypto'

/** What DTLS agreed on for protecting media (RFC 5764 section 4.1.2, RFC 7714 section 14.2). */
export interface SrtpProfile {
  readonly id: number
  readonly name: 'AEAD_AES_128_GCM' | 'AES128_CM_HMAC_SHA1_80'
  readonly keyLength: 16
  readonly saltLength: 12 | 14
}

/** In the order in which this server prefers them: GCM costs least. */
export const srtpProfiles: readonly SrtpProfile[] = [
  { id: 0x0007, name: 'AEAD_AES_128_GCM', keyLength: 16, saltLength: 12 },
  { id: 0x0001, name: 'AES128_CM_HMAC_SHA1_80', keyLength: 16, saltLength: 14 },
]

/** Keys of one direction, as the handshake gives them. */
export interface MasterKeys {
  readonly key: Buffer
  readonly salt: Buffer
}

/** What a session key is for (RFC 3711 section 4.3.2). */
export const Label = {
  rtpEncryption: 0,
  rtpAuthentication: 1,
  rtpSalt: 2,
  rtcpEncryption: 3,
  rtcpAuthentication: 4,
  rtcpSalt: 5,
} as const

/**
 * Derives a session key (RFC 3711 section 4.3.1, key derivation rate 0): AES in counter mode over the master salt
 * with the label in its eighth byte. A salt of 12 bytes is filled up with zeros (RFC 7714 section 11).
 */
export function deriveKey(master: MasterKeys, label: number, length: number): Buffer {
  const counter = Buffer.alloc(16)
  master.salt.copy(counter)
  counter[7]! ^= label
  const cipher = createCipheriv('aes-128-ctr', master.key, counter)
  return cipher.update(Buffer.alloc(length))
}
