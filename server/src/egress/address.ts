import { isIPv4, isIPv6 } from 'node:net'

/**
 * What kind of place an address is. Only `public` ones are for everybody; `loopback` and `private` ones are there
 * for an operator who says so; `forbidden` ones never.
 */
export type AddressKind = 'public' | 'loopback' | 'private' | 'forbidden'

interface Block {
  readonly bytes: readonly number[]
  readonly length: number
  readonly kind: AddressKind
}

/** IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast, and what is not global besides. */
const IPV4: readonly Block[] = blocks({
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  loopback: ['127.0.0.0/8'],
  forbidden: [
    '0.0.0.0/8', // this network
    '100.64.0.0/10', // carrier-grade NAT; has metadata services of clouds
    '168.63.129.16/32', // metadata and DNS of a cloud, in public space
    '169.254.0.0/16', // link-local, with the metadata services of most clouds
    '192.0.0.0/24', // IETF protocol assignments
    '192.0.2.0/24', // documentation
    '192.88.99.0/24', // 6to4 relays
    '198.18.0.0/15', // benchmarks
    '198.51.100.0/24', // documentation
    '203.0.113.0/24', // documentation
    '224.0.0.0/4', // multicast
    '240.0.0.0/4', // reserved, and broadcast
  ],
})

/**
 * IANA IPv6 Special-Purpose Address Registry. Addresses that carry an IPv4 address (mapped, compatible, NAT64, 6to4,
 * Teredo) are refused whatever that is: they are another way to write it, and no public host needs one.
 */
const IPV6: readonly Block[] = blocks({
  loopback: ['::1/128'],
  private: ['fc00::/7'],
  public: ['2000::/3'], // all that has been given out for the Internet
  forbidden: [
    'fd00:ec2::/32', // metadata services of a cloud, in private space
    '2001::/23', // IETF protocol assignments: Teredo, ORCHID, benchmarks
    '2001:db8::/32', // documentation
    '2002::/16', // 6to4
    '3fff::/20', // documentation
    '::/0', // everything else: unspecified, mapped, compatible, NAT64, site-local, link-local, multicast
  ],
})

/** What kind of place `address` is. Text that is no address, or has a zone, is forbidden. */
export function kindOfAddress(address: string): AddressKind {
  const bytes = bytesOf(address)
  if (!bytes) return 'forbidden'
  const list = bytes.length === 4 ? IPV4 : IPV6
  let found: Block | undefined
  // The narrowest block decides.
  for (const block of list) {
    if (block.length > (found?.length ?? -1) && isWithin(bytes, block)) found = block
  }
  return found?.kind ?? 'public'
}

function blocks(byKind: Partial<Record<AddressKind, readonly string[]>>): Block[] {
  return Object.entries(byKind).flatMap(([kind, list]) =>
    list.map((text) => {
      const [address = '', length = ''] = text.split('/')
      return { bytes: bytesOf(address)!, length: Number(length), kind: kind as AddressKind }
    }),
  )
}

function isWithin(bytes: readonly number[], block: Block): boolean {
  const whole = block.length >> 3
  for (let index = 0; index < whole; index++) if (bytes[index] !== block.bytes[index]) return false
  const rest = block.length & 7
  if (rest === 0) return true
  const mask = (0xff << (8 - rest)) & 0xff
  return (bytes[whole]! & mask) === (block.bytes[whole]! & mask)
}

/** The 4 or 16 bytes of an address in its standard spelling. */
function bytesOf(address: string): number[] | undefined {
  if (isIPv4(address)) return address.split('.').map(Number)
  if (!isIPv6(address) || address.includes('%')) return undefined
  const dotted = /(?:\d+\.){3}\d+$/.exec(address)?.[0]
  const text = dotted ? address.slice(0, -dotted.length) + asGroups(dotted) : address
  const [head = '', tail] = text.split('::')
  const left = groupsOf(head)
  const right = tail === undefined ? [] : groupsOf(tail)
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => 0)
  return [...left, ...zeros, ...right].flatMap((group) => [group >> 8, group & 0xff])
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

/** `1.2.3.4` as the last two groups of an IPv6 address. */
function asGroups(dotted: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number)
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
}
