import { isIPv4, isIPv6 } from 'node:net'

/*
 * IP addresses and networks as data. Bytes are kept as a string of 4 or 16 characters from U+0000 to U+00FF: such
 * strings compare, slice and serve as keys of maps faster than arrays or big integers.
 */

/** A block of addresses: all that share the first `prefix` bits. A single address has all 32 or 128 of them. */
export interface Network {
  readonly family: 4 | 6
  /** 4 or 16 bytes; those behind the prefix are zero. */
  readonly bytes: string
  readonly prefix: number
}

/**
 * Reads one address. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`, RFC 4291, section 2.5.5.2) is the IPv4
 * address, which is how a dual-stack listener shows it. A zone (`%eth0`) is left out.
 *
 * @returns undefined when the text is none
 */
export function parseAddress(text: string): Network | undefined {
  const zone = text.indexOf('%')
  const plain = zone === -1 ? text : text.slice(0, zone)
  if (isIPv4(plain)) return { family: 4, bytes: bytesOfIPv4(plain), prefix: 32 }
  if (!isIPv6(plain)) return undefined
  const bytes = bytesOfIPv6(plain)
  if (bytes.startsWith(MAPPED)) return { family: 4, bytes: bytes.slice(12), prefix: 32 }
  return { family: 6, bytes, prefix: 128 }
}

/**
 * Reads an address or a block in CIDR notation (RFC 4632): `192.0.2.0/24`. Bits behind the prefix are taken for zero.
 *
 * @returns undefined when the text is neither
 */
export function parseNetwork(text: string): Network | undefined {
  const [head = '', tail, ...rest] = text.split('/')
  const address = parseAddress(head)
  if (!address || rest.length > 0) return undefined
  if (tail === undefined) return address
  if (!/^\d{1,3}$/.test(tail) || head.includes('%')) return undefined
  // A block of mapped addresses counts from the front of the 16 bytes.
  const prefix = Number(tail) - (address.family === 4 && head.includes(':') ? 96 : 0)
  return prefix < 0 || prefix > address.prefix ? undefined : networkOf(address, prefix)
}

/** The block of the first `prefix` bits of an address or of a smaller block. */
export function networkOf({ family, bytes }: Network, prefix: number): Network {
  return { family, bytes: masked(bytes, prefix), prefix }
}

/** Whether all of `inner` is in `outer`. */
export function contains(outer: Network, inner: Network): boolean {
  return (
    outer.family === inner.family &&
    outer.prefix <= inner.prefix &&
    masked(inner.bytes, outer.prefix) === outer.bytes
  )
}

/** Whether two blocks have addresses in common: one of them contains the other. */
export function overlap(a: Network, b: Network): boolean {
  return contains(a, b) || contains(b, a)
}

/** The one spelling of an address or block: RFC 5952 for IPv6, `/prefix` unless it is a single address. */
export function formatNetwork({ family, bytes, prefix }: Network): string {
  const address = family === 4 ? Array.from(bytes, code).join('.') : formatIPv6(bytes)
  return prefix === bytes.length * 8 ? address : `${address}/${prefix}`
}

/** Addresses of the machine itself: 127.0.0.0/8 and ::1. */
export function isLoopback(network: Network): boolean {
  return overlap(network, network.family === 4 ? LOOPBACK_4 : LOOPBACK_6)
}

const MAPPED = '\0'.repeat(10) + '\xff\xff'
const LOOPBACK_4: Network = { family: 4, bytes: '\x7f\0\0\0', prefix: 8 }
const LOOPBACK_6: Network = { family: 6, bytes: `${'\0'.repeat(15)}\x01`, prefix: 128 }

function code(character: string): number {
  return character.charCodeAt(0)
}

/** The first `bits` of `bytes`, zeros behind them. */
function masked(bytes: string, bits: number): string {
  const whole = bits >> 3
  if (whole === bytes.length) return bytes
  const partial = bytes.charCodeAt(whole) & (0xff00 >> (bits & 7)) & 0xff
  return bytes.slice(0, whole) + String.fromCharCode(partial) + '\0'.repeat(bytes.length - whole - 1)
}

function bytesOfIPv4(text: string): string {
  return String.fromCharCode(...text.split('.').map(Number))
}

function bytesOfIPv6(text: string): string {
  const [head = '', tail] = text.split('::')
  const left = groupsOf(head)
  const right = tail === undefined ? '' : groupsOf(tail)
  return left + '\0'.repeat(16 - left.length - right.length) + right
}

function groupsOf(text: string): string {
  if (text === '') return ''
  return text
    .split(':')
    .map((group) => {
      if (group.includes('.')) return bytesOfIPv4(group)
      const value = Number.parseInt(group, 16)
      return String.fromCharCode(value >> 8, value & 0xff)
    })
    .join('')
}

function formatIPv6(bytes: string): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((bytes.charCodeAt(index * 2) << 8) | bytes.charCodeAt(index * 2 + 1)).toString(16),
  )
  // The longest run of zeros is left out, the first one of several, if there are two or more.
  let [start, length] = [-1, 1]
  for (let from = 0; from < 8; from++) {
    let to = from
    while (groups[to] === '0') to++
    if (to - from > length) [start, length] = [from, to - from]
    from = Math.max(from, to)
  }
  if (start === -1) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
}
