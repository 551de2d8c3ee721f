import { isIP } from 'node:net'
import { kindOfAddress } from './address.ts'
import { EgressRefusedError } from './errors.ts'

/** Where requests may go. */
export interface EgressPolicy {
  /** Also plain http, any port, and addresses of this machine and of private networks. */
  readonly allowPrivate: boolean
  /** Ports besides 443. */
  readonly ports: ReadonlySet<number>
  /** `host[:port]` under which the world knows this server, which has no need to call itself. */
  ownHost(): string
}

const MAX_URL = 2048
/** Names that have no meaning outside of a machine or a house (RFC 6761, 6762, 7686, 8375; ICANN). */
const LOCAL_NAMES = /(^|\.)(localhost|local|internal|home\.arpa|onion)$/

/**
 * The URL behind `text`, if requests may go there as far as one can tell without asking for addresses.
 *
 * @throws EgressRefusedError
 */
export function targetOf(text: string, policy: EgressPolicy): URL {
  if (text.length > MAX_URL) throw new EgressRefusedError('the address is too long')
  // The parser drops or turns these silently, so that what was checked by eye is not what is called.
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u0020\u007f\\]/.test(text) || !URL.canParse(text)) {
    throw new EgressRefusedError('the address is malformed')
  }
  const url = new URL(text)
  const plain = url.protocol === 'http:' && policy.allowPrivate
  if (url.protocol !== 'https:' && !plain) throw new EgressRefusedError('the address is not https')
  if (url.username !== '' || url.password !== '') throw new EgressRefusedError('the address has a password')
  checkHost(text, url, policy)
  if (url.port !== '' && !policy.allowPrivate && !policy.ports.has(Number(url.port))) {
    throw new EgressRefusedError(`port ${url.port} is not allowed`)
  }
  if (url.host === policy.ownHost()) throw new EgressRefusedError('the address is our own')
  return url
}

/** Whether a connection to this address may be made. */
export function mayConnect(address: string, policy: Pick<EgressPolicy, 'allowPrivate'>): boolean {
  const kind = kindOfAddress(address)
  return kind === 'public' || (kind !== 'forbidden' && policy.allowPrivate)
}

function checkHost(text: string, url: URL, policy: EgressPolicy): void {
  const { hostname } = url
  // `0x7f.1`, `2130706433`, `127.1`, `%31…`: all another way to write an address or a name.
  const written = /^\w+:\/\/([^/?#]*)/.exec(text)?.[1]?.replace(/:\d*$/, '').toLowerCase()
  // oxlint-disable-next-line no-control-regex -- names in other alphabets have one ASCII form, which is what counts
  if (written !== hostname && /^[\u0000-\u007f]*$/.test(written ?? '')) {
    throw new EgressRefusedError('the host is written in an unusual way')
  }
  const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  if (isIP(literal) !== 0) {
    if (!mayConnect(literal, policy)) throw new EgressRefusedError('the address is not public')
    return
  }
  if (policy.allowPrivate && hostname === 'localhost') return
  if (hostname.endsWith('.')) throw new EgressRefusedError('the host is written in an unusual way')
  if (!hostname.includes('.') || LOCAL_NAMES.test(hostname)) {
    throw new EgressRefusedError('the host has no public name')
  }
}
