import type { IncomingMessage } from 'node:http'
import { formatNetwork, isLoopback, networkOf, overlap, parseAddress, parseNetwork } from '#lib/ip.ts'
import type { Network } from '#lib/ip.ts'

/** Where a request comes from, behind the proxies that are trusted. */
export interface Client {
  readonly address: Network
  /** The network that is counted, and blocked automatically: the address, of IPv6 its /64. */
  readonly network: Network
  /** The network as text. */
  readonly key: string
  /** Who is counted: everybody there, and those there who are not signed in. */
  readonly subjects: Subjects
  /** A trusted proxy, or this machine: never blocked, since it may speak for others. */
  readonly guarded: boolean
}

interface Subjects {
  readonly everybody: string
  readonly anonymous: string
}

/** Under which names those at a network are counted. */
export function subjectsAt(network: string): Subjects {
  return { everybody: `address:${network}`, anonymous: `anonymous:${network}` }
}

/** What a provider gives to one household or machine; inside it, addresses are changed at will. */
const IPV6_PREFIX = 64
const REMEMBERED = 10_000
/** Of a connection that broke before it was asked. */
const UNSPECIFIED = parseAddress('::')!

/**
 * Finds out where requests come from. `X-Forwarded-For` is read from the right, as far as the proxies go that are
 * trusted: the first address that is not one of them is the client. What stands further left was sent by the client
 * and means nothing. Without trusted proxies the header means nothing at all.
 */
export class ClientAddresses {
  readonly #proxies: readonly Network[]
  readonly #remembered = new Map<string, Client | undefined>()
  #onIgnored: (() => void) | undefined

  /**
   * @param trustedProxies addresses and blocks
   * @param onIgnored told once when a program on this machine, such as a proxy, sends the header and is not trusted
   */
  constructor(trustedProxies: readonly string[], onIgnored?: () => void) {
    this.#proxies = trustedProxies.flatMap((text) => parseNetwork(text) ?? [])
    this.#onIgnored = onIgnored
  }

  of({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): Client {
    let client = this.#read(socket.remoteAddress ?? '') ?? this.#clientAt(UNSPECIFIED)
    const forwarded = headers['x-forwarded-for']
    if (forwarded === undefined) return client
    if (!this.isProxy(client.address)) {
      this.#noteIgnored(client)
      return client
    }
    const hops = String(forwarded).split(',')
    for (let index = hops.length - 1; index >= 0 && this.isProxy(client.address); index--) {
      const hop = this.#read(withoutPort(hops[index]!.trim()))
      // Written by a proxy that is trusted, yet no address: then the proxy is all that is known.
      if (!hop) break
      client = hop
    }
    return client
  }

  /** Whether these addresses belong, in whole or in part, to proxies that are trusted. */
  isProxy(network: Network): boolean {
    return this.#proxies.some((proxy) => overlap(proxy, network))
  }

  #noteIgnored({ address }: Client): void {
    if (!this.#onIgnored || !isLoopback(address)) return
    this.#onIgnored()
    this.#onIgnored = undefined
  }

  #read(text: string): Client | undefined {
    if (this.#remembered.has(text)) return this.#remembered.get(text)
    const address = text.length > 64 ? undefined : parseAddress(text)
    const client = address && this.#clientAt(address)
    if (text.length > 64) return undefined
    if (this.#remembered.size >= REMEMBERED) this.#remembered.clear()
    this.#remembered.set(text, client)
    return client
  }

  #clientAt(address: Network): Client {
    const network = address.family === 4 ? address : networkOf(address, IPV6_PREFIX)
    const key = formatNetwork(network)
    return {
      address,
      network,
      key,
      subjects: subjectsAt(key),
      guarded: isLoopback(address) || this.isProxy(network),
    }
  }
}

/** Some proxies add a port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function withoutPort(hop: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(hop)
  if (bracketed) return bracketed[1]!
  return /^[\d.]+:\d{1,5}$/.test(hop) ? hop.slice(0, hop.indexOf(':')) : hop
}
