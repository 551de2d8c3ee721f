import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto'
import { deriveKey, Label, type MasterKeys, type SrtpProfile } from './keys.ts'

/** Encrypts and authenticates packets of one direction; says nothing about order or replay. */
export interface PacketCipher {
  /**
   * @param header the RTP header, which stays readable
   * @param roc rollover counter: how often the sequence number has wrapped
   */
  protectRtp(header: Buffer, payload: Buffer, ssrc: number, roc: number, sequence: number): Buffer
  /**
   * @param header length of the RTP header
   * @returns the plain packet; undefined when it is not authentic
   */
  openRtp(packet: Buffer, header: number, ssrc: number, roc: number, sequence: number): Buffer | undefined
  protectRtcp(packet: Buffer, ssrc: number, index: number): Buffer
  /** @returns packet and index; undefined when it is not authentic */
  openRtcp(packet: Buffer): { packet: Buffer; index: number } | undefined
}

export function createPacketCipher(profile: SrtpProfile, master: MasterKeys): PacketCipher {
  return profile.name === 'AEAD_AES_128_GCM' ? new GcmCipher(master) : new CounterCipher(master)
}

const GCM_TAG = 16
const RTCP_HEADER = 8
const ENCRYPTED = 0x8000_0000

/** AEAD_AES_128_GCM (RFC 7714). A key object saves Node.js from making one for each packet. */
class GcmCipher implements PacketCipher {
  readonly #rtpKey: KeyObject
  readonly #rtpSalt: Buffer
  readonly #rtcpKey: KeyObject
  readonly #rtcpSalt: Buffer
  readonly #iv = Buffer.alloc(12)

  constructor(master: MasterKeys) {
    this.#rtpKey = createSecretKey(deriveKey(master, Label.rtpEncryption, 16))
    this.#rtpSalt = deriveKey(master, Label.rtpSalt, 12)
    this.#rtcpKey = createSecretKey(deriveKey(master, Label.rtcpEncryption, 16))
    this.#rtcpSalt = deriveKey(master, Label.rtcpSalt, 12)
  }

  protectRtp(header: Buffer, payload: Buffer, ssrc: number, roc: number, sequence: number): Buffer {
    const cipher = createCipheriv('aes-128-gcm', this.#rtpKey, this.#rtpIv(ssrc, roc, sequence))
    const end = header.length + payload.length
    const out = Buffer.allocUnsafe(end + GCM_TAG)
    header.copy(out)
    cipher.setAAD(header)
    cipher.update(payload).copy(out, header.length)
    cipher.final()
    cipher.getAuthTag().copy(out, end)
    return out
  }

  openRtp(packet: Buffer, header: number, ssrc: number, roc: number, sequence: number): Buffer | undefined {
    const end = packet.length - GCM_TAG
    if (end < header) return undefined
    const decipher = createDecipheriv('aes-128-gcm', this.#rtpKey, this.#rtpIv(ssrc, roc, sequence), {
      authTagLength: GCM_TAG,
    })
    decipher.setAAD(packet.subarray(0, header)).setAuthTag(packet.subarray(end))
    const plain = decipher.update(packet.subarray(header, end))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    const out = Buffer.allocUnsafe(end)
    packet.copy(out, 0, 0, header)
    plain.copy(out, header)
    return out
  }

  protectRtcp(packet: Buffer, ssrc: number, index: number): Buffer {
    const cipher = createCipheriv('aes-128-gcm', this.#rtcpKey, this.#rtcpIv(ssrc, index))
    const out = Buffer.allocUnsafe(packet.length + GCM_TAG + 4)
    out.writeUInt32BE(ENCRYPTED + index, packet.length + GCM_TAG)
    packet.copy(out, 0, 0, RTCP_HEADER)
    cipher.setAAD(Buffer.concat([packet.subarray(0, RTCP_HEADER), out.subarray(packet.length + GCM_TAG)]))
    cipher.update(packet.subarray(RTCP_HEADER)).copy(out, RTCP_HEADER)
    cipher.final()
    cipher.getAuthTag().copy(out, packet.length)
    return out
  }

  openRtcp(packet: Buffer): { packet: Buffer; index: number } | undefined {
    const end = packet.length - GCM_TAG - 4
    if (end < RTCP_HEADER) return undefined
    const word = packet.readUInt32BE(packet.length - 4)
    if (word < ENCRYPTED) return undefined
    const index = word - ENCRYPTED
    const iv = this.#rtcpIv(packet.readUInt32BE(4), index)
    const decipher = createDecipheriv('aes-128-gcm', this.#rtcpKey, iv, { authTagLength: GCM_TAG })
    decipher
      .setAAD(Buffer.concat([packet.subarray(0, RTCP_HEADER), packet.subarray(packet.length - 4)]))
      .setAuthTag(packet.subarray(end, end + GCM_TAG))
    const plain = decipher.update(packet.subarray(RTCP_HEADER, end))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    return { packet: Buffer.concat([packet.subarray(0, RTCP_HEADER), plain]), index }
  }

  /** RFC 7714 section 8.1. */
  #rtpIv(ssrc: number, roc: number, sequence: number): Buffer {
    const [iv, salt] = [this.#iv, this.#rtpSalt]
    iv.writeUInt16BE(0, 0)
    iv.writeUInt32BE(ssrc, 2)
    iv.writeUInt32BE(roc, 6)
    iv.writeUInt16BE(sequence, 10)
    for (let i = 0; i < 12; i++) iv[i]! ^= salt[i]!
    return iv
  }

  /** RFC 7714 section 9.1. */
  #rtcpIv(ssrc: number, index: number): Buffer {
    const iv = Buffer.alloc(12)
    iv.writeUInt32BE(ssrc, 2)
    iv.writeUInt32BE(index, 8)
    for (let i = 0; i < 12; i++) iv[i]! ^= this.#rtcpSalt[i]!
    return iv
  }
}

const HMAC_TAG = 10

/** AES128_CM_HMAC_SHA1_80 (RFC 3711 sections 4.1.1 and 4.2.1). */
class CounterCipher implements PacketCipher {
  readonly #rtpKey: KeyObject
  readonly #rtpAuth: KeyObject
  readonly #rtpSalt: Buffer
  readonly #rtcpKey: KeyObject
  readonly #rtcpAuth: KeyObject
  readonly #rtcpSalt: Buffer

  constructor(master: MasterKeys) {
    this.#rtpKey = createSecretKey(deriveKey(master, Label.rtpEncryption, 16))
    this.#rtpAuth = createSecretKey(deriveKey(master, Label.rtpAuthentication, 20))
    this.#rtpSalt = deriveKey(master, Label.rtpSalt, 14)
    this.#rtcpKey = createSecretKey(deriveKey(master, Label.rtcpEncryption, 16))
    this.#rtcpAuth = createSecretKey(deriveKey(master, Label.rtcpAuthentication, 20))
    this.#rtcpSalt = deriveKey(master, Label.rtcpSalt, 14)
  }

  protectRtp(header: Buffer, payload: Buffer, ssrc: number, roc: number, sequence: number): Buffer {
    const iv = counterIv(this.#rtpSalt, ssrc, roc * 65_536 + sequence)
    const end = header.length + payload.length
    const out = Buffer.allocUnsafe(end + HMAC_TAG)
    header.copy(out)
    createCipheriv('aes-128-ctr', this.#rtpKey, iv).update(payload).copy(out, header.length)
    this.#rtpTag(out.subarray(0, end), roc).copy(out, end, 0, HMAC_TAG)
    return out
  }

  openRtp(packet: Buffer, header: number, ssrc: number, roc: number, sequence: number): Buffer | undefined {
    const end = packet.length - HMAC_TAG
    if (end < header) return undefined
    const tag = this.#rtpTag(packet.subarray(0, end), roc).subarray(0, HMAC_TAG)
    if (!timingSafeEqual(tag, packet.subarray(end))) return undefined
    const iv = counterIv(this.#rtpSalt, ssrc, roc * 65_536 + sequence)
    const out = Buffer.allocUnsafe(end)
    packet.copy(out, 0, 0, header)
    createDecipheriv('aes-128-ctr', this.#rtpKey, iv).update(packet.subarray(header, end)).copy(out, header)
    return out
  }

  protectRtcp(packet: Buffer, ssrc: number, index: number): Buffer {
    const iv = counterIv(this.#rtcpSalt, ssrc, index)
    const out = Buffer.allocUnsafe(packet.length + 4 + HMAC_TAG)
    packet.copy(out, 0, 0, RTCP_HEADER)
    createCipheriv('aes-128-ctr', this.#rtcpKey, iv)
      .update(packet.subarray(RTCP_HEADER))
      .copy(out, RTCP_HEADER)
    out.writeUInt32BE(ENCRYPTED + index, packet.length)
    const tag = createHmac('sha1', this.#rtcpAuth)
      .update(out.subarray(0, packet.length + 4))
      .digest()
    tag.copy(out, packet.length + 4, 0, HMAC_TAG)
    return out
  }

  openRtcp(packet: Buffer): { packet: Buffer; index: number } | undefined {
    const end = packet.length - HMAC_TAG
    if (end - 4 < RTCP_HEADER) return undefined
    const tag = createHmac('sha1', this.#rtcpAuth).update(packet.subarray(0, end)).digest()
    if (!timingSafeEqual(tag.subarray(0, HMAC_TAG), packet.subarray(end))) return undefined
    const word = packet.readUInt32BE(end - 4)
    if (word < ENCRYPTED) return undefined
    const index = word - ENCRYPTED
    const iv = counterIv(this.#rtcpSalt, packet.readUInt32BE(4), index)
    const plain = createDecipheriv('aes-128-ctr', this.#rtcpKey, iv).update(
      packet.subarray(RTCP_HEADER, end - 4),
    )
    return { packet: Buffer.concat([packet.subarray(0, RTCP_HEADER), plain]), index }
  }

  #rtpTag(packet: Buffer, roc: number): Buffer {
    const counter = Buffer.allocUnsafe(4)
    counter.writeUInt32BE(roc)
    return createHmac('sha1', this.#rtpAuth).update(packet).update(counter).digest()
  }
}

/** RFC 3711 section 4.1.1: salt, SSRC and packet index, each in its place. */
function counterIv(salt: Buffer, ssrc: number, index: number): Buffer {
  const iv = Buffer.alloc(16)
  iv.writeUInt32BE(ssrc, 4)
  iv.writeUIntBE(index, 8, 6)
  for (let i = 0; i < 14; i++) iv[i]! ^= salt[i]!
  return iv
}
