import { isIP, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'

/** More addresses than this are of no use to a client. */
const MAX_ADDRESSES = 8

/**
 * The addresses of this machine to receive media on: each gets a socket of its own, so that answers leave from the
 * address that was asked.
 *
 * @param host where the operator wants media: an address, or `0.0.0.0` or `::` for all of IPv4, or of both
 */
export function localAddresses(host: string): string[] {
  const isWildcard = host === '0.0.0.0' || host === '::'
  if (!isWildcard) return isIP(host) === 0 ? ['127.0.0.1'] : [host]
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ address }) => host === '::' || !isIPv6(address))
    .filter(({ address }) => !isLinkLocal(address))
  const outside = found.filter(({ internal }) => !internal).map(({ address }) => address)
  const inside = found.filter(({ internal }) => internal).map(({ address }) => address)
  return [...new Set([...outside, ...inside])].slice(0, MAX_ADDRESSES)
}

/** Whether an address is only good on this machine. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

/** Those that clients are told. Loopback addresses are of use only where there are no others. */
export function forClients(addresses: readonly string[]): readonly string[] {
  const outside = addresses.filter((address) => !isLoopback(address))
  return outside.length > 0 ? outside : addresses
}

/** These need a zone to be of any use. */
function isLinkLocal(address: string): boolean {
  return /^(fe[89ab]|169\.254\.)/i.test(address)
}
