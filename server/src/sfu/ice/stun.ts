import { createHmac, timingSafeEqual } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { crc32 } from 'node:zlib'

const COOKIE = 0x2112_a442
const HEADER = 20
/** Longer than any STUN message of a browser. */
const MAX_LENGTH = 1280

export const StunType = { request: 0x0001, response: 0x0101, error: 0x0111 } as const

const Attribute = {
  mappedAddress: 0x0020, // XOR-MAPPED-ADDRESS
  username: 0x0006,
  integrity: 0x0008,
  errorCode: 0x0009,
  unknown: 0x000a,
  priority: 0x0024,
  useCandidate: 0x0025,
  fingerprint: 0x8028,
  controlled: 0x8029,
  controlling: 0x802a,
} as const

/** Comprehension-required attributes that may stand in a connectivity check (RFC 8489 section 14). */
const understood = new Set<number>([
  Attribute.username,
  Attribute.integrity,
  Attribute.priority,
  Attribute.useCandidate,
  0x001c, // MESSAGE-INTEGRITY-SHA256, not checked beside the older one
])

/** A STUN message (RFC 8489) as connectivity checks use it. */
export interface StunMessage {
  readonly type: number
  readonly transaction: Buffer
  readonly username: string | undefined
  readonly useCandidate: boolean
  readonly isControlled: boolean
  /** Attributes that must be understood and are not. */
  readonly unknown: readonly number[]
  readonly mappedAddress: { address: string; port: number } | undefined
  /** Where MESSAGE-INTEGRITY begins; undefined when there is none. */
  readonly integrityAt: number | undefined
  readonly raw: Buffer
}

/** Takes a message apart and checks its fingerprint. @returns undefined for what is no such message */
export function parseStun(raw: Buffer): StunMessage | undefined {
  if (raw.length < HEADER || raw.length > MAX_LENGTH || raw[0]! > 3) return undefined
  if (raw.readUInt32BE(4) !== COOKIE || raw.readUInt16BE(2) !== raw.length - HEADER) return undefined
  let username: string | undefined
  let mappedAddress: StunMessage['mappedAddress']
  let integrityAt: number | undefined
  let fingerprinted = false
  const seen = new Set<number>()
  const unknown: number[] = []
  for (let at = HEADER; at < raw.length;) {
    if (at + 4 > raw.length || fingerprinted) return undefined
    const type = raw.readUInt16BE(at)
    const length = raw.readUInt16BE(at + 2)
    const end = at + 4 + length
    if (end > raw.length) return undefined
    const value = raw.subarray(at + 4, end)
    // What follows MESSAGE-INTEGRITY is not protected by it, so only the fingerprint counts there.
    if (integrityAt === undefined || type === Attribute.fingerprint) {
      if (!seen.has(type)) {
        seen.add(type)
        if (type === Attribute.username) username = value.toString('utf8')
        else if (type === Attribute.mappedAddress) mappedAddress = readAddress(raw, value)
        else if (type === Attribute.integrity) {
          if (length !== 20) return undefined
          integrityAt = at
        } else if (type === Attribute.fingerprint) {
          if (length !== 4 || value.readUInt32BE() !== fingerprintOf(raw.subarray(0, at))) return undefined
          fingerprinted = true
        } else if (type < 0x8000 && !understood.has(type)) unknown.push(type)
      }
    }
    at = end + ((4 - (length % 4)) % 4)
  }
  if (!fingerprinted) return undefined
  return {
    type: raw.readUInt16BE(0),
    transaction: raw.subarray(8, HEADER),
    username,
    useCandidate: seen.has(Attribute.useCandidate),
    isControlled: seen.has(Attribute.controlled),
    unknown,
    mappedAddress,
    integrityAt,
    raw,
  }
}

/** Whether whoever made the message knows `password` (RFC 8489 section 14.5, short-term credentials). */
export function hasIntegrity(message: StunMessage, password: string): boolean {
  const at = message.integrityAt
  if (at === undefined) return false
  const covered = Buffer.from(message.raw.subarray(0, at))
  covered.writeUInt16BE(at + 24 - HEADER, 2)
  const digest = createHmac('sha1', password).update(covered).digest()
  return timingSafeEqual(digest, message.raw.subarray(at + 4, at + 24))
}

/** The answer to a check that came from `address` and `port`. */
export function bindingResponse(
  request: StunMessage,
  source: { readonly address: string; readonly port: number },
  password: string,
): Buffer {
  const mapped = writeAddress(request.transaction, source)
  return build(StunType.response, request.transaction, [[Attribute.mappedAddress, mapped]], password)
}

/** @param code such as 420 (unknown attribute) or 487 (role conflict) */
export function errorResponse(request: StunMessage, code: number, reason: string, password: string): Buffer {
  const value = Buffer.concat([Buffer.from([0, 0, Math.floor(code / 100), code % 100]), Buffer.from(reason)])
  const attributes: [number, Buffer][] = [[Attribute.errorCode, value]]
  if (code === 420) {
    const list = Buffer.alloc(2 * request.unknown.length)
    for (const [i, type] of request.unknown.entries()) list.writeUInt16BE(type, 2 * i)
    attributes.push([Attribute.unknown, list])
  }
  return build(StunType.error, request.transaction, attributes, password)
}

/** A connectivity check, as the other side makes one. @param attributes beside USERNAME and PRIORITY */
export function bindingRequest(request: {
  readonly transaction: Buffer
  readonly username: string
  readonly password: string
  readonly useCandidate?: boolean
  readonly role?: 'controlling' | 'controlled'
}): Buffer {
  const role = request.role === 'controlled' ? Attribute.controlled : Attribute.controlling
  const attributes: [number, Buffer][] = [
    [Attribute.username, Buffer.from(request.username)],
    [Attribute.priority, Buffer.from([0x6e, 0, 0x01, 0xff])],
    [role, Buffer.alloc(8, 1)],
  ]
  if (request.useCandidate) attributes.push([Attribute.useCandidate, Buffer.alloc(0)])
  return build(StunType.request, request.transaction, attributes, request.password)
}

function build(
  type: number,
  transaction: Buffer,
  attributes: readonly (readonly [number, Buffer])[],
  password: string,
): Buffer {
  const parts = attributes.map(([kind, value]) => {
    const part = Buffer.alloc(4 + value.length + ((4 - (value.length % 4)) % 4))
    part.writeUInt16BE(kind)
    part.writeUInt16BE(value.length, 2)
    value.copy(part, 4)
    return part
  })
  const body = Buffer.concat(parts)
  const message = Buffer.alloc(HEADER + body.length + 24 + 8)
  message.writeUInt16BE(type)
  message.writeUInt32BE(COOKIE, 4)
  transaction.copy(message, 8)
  body.copy(message, HEADER)
  const integrityAt = HEADER + body.length
  message.writeUInt16BE(integrityAt + 24 - HEADER, 2)
  const digest = createHmac('sha1', password).update(message.subarray(0, integrityAt)).digest()
  message.writeUInt16BE(Attribute.integrity, integrityAt)
  message.writeUInt16BE(20, integrityAt + 2)
  digest.copy(message, integrityAt + 4)
  const fingerprintAt = integrityAt + 24
  message.writeUInt16BE(message.length - HEADER, 2)
  message.writeUInt16BE(Attribute.fingerprint, fingerprintAt)
  message.writeUInt16BE(4, fingerprintAt + 2)
  message.writeUInt32BE(fingerprintOf(message.subarray(0, fingerprintAt)), fingerprintAt + 4)
  return message
}

/** RFC 8489 section 14.7. */
function fingerprintOf(covered: Buffer): number {
  return (crc32(covered) ^ 0x5354_554e) >>> 0
}

/** XOR-MAPPED-ADDRESS (RFC 8489 section 14.2). */
function writeAddress(
  transaction: Buffer,
  { address, port }: { readonly address: string; readonly port: number },
): Buffer {
  const bytes = isIPv6(address) ? ipv6Bytes(address) : ipv4Bytes(address)
  const value = Buffer.alloc(4 + bytes.length)
  value.writeUInt8(bytes.length === 4 ? 1 : 2, 1)
  value.writeUInt16BE(port ^ (COOKIE >>> 16), 2)
  const mask = maskOf(transaction)
  for (let i = 0; i < bytes.length; i++) value[4 + i] = bytes[i]! ^ mask[i]!
  return value
}

function readAddress(raw: Buffer, value: Buffer): { address: string; port: number } | undefined {
  const length = value[1] === 1 ? 4 : value[1] === 2 ? 16 : 0
  if (length === 0 || value.length !== 4 + length) return undefined
  const mask = maskOf(raw.subarray(8, HEADER))
  const bytes = value.subarray(4).map((byte, i) => byte ^ mask[i]!)
  const port = value.readUInt16BE(2) ^ (COOKIE >>> 16)
  if (length === 4) return { address: bytes.join('.'), port }
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16))
  return { address: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1), port }
}

function maskOf(transaction: Buffer): Buffer {
  const mask = Buffer.alloc(16)
  mask.writeUInt32BE(COOKIE)
  transaction.copy(mask, 4)
  return mask
}

function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}

function ipv6Bytes(address: string): Buffer {
  const [bare = ''] = address.split('%')
  // The URL parser knows every spelling, also the one with an IPv4 address at its end.
  const [head = '', tail] = new URL(`http://[${bare}]`).hostname.slice(1, -1).split('::')
  const words = (text: string | undefined): string[] => (text ? text.split(':') : [])
  const [first, last] = [words(head), words(tail)]
  const middle = Array<string>(8 - first.length - last.length).fill('0')
  const bytes = Buffer.alloc(16)
  for (const [i, word] of [...first, ...middle, ...last].entries())
    bytes.writeUInt16BE(parseInt(word, 16), 2 * i)
  return bytes
}
