import { createHash, sign, verify, type KeyObject } from 'node:crypto'
import type { Received } from './peer.ts'

/*
 * Signatures as other servers make and check them. Written apart from ours, so that a mistake is not made twice.
 */

export type Scheme = 'draft-cavage' | 'rfc9421'

export interface ToSign {
  readonly url: string
  readonly body: string | Uint8Array
  readonly keyId: string
  readonly key: KeyObject
  readonly scheme?: Scheme
  /** Milliseconds since the epoch. */
  readonly at?: number
  /** What the signature covers; by default, all that it should. */
  readonly covers?: readonly string[]
}

/** Header fields that sign a POST. */
export function signedFields(options: ToSign): Record<string, string> {
  return options.scheme === 'rfc9421' ? signRfc9421(options) : signCavage(options)
}

function signCavage({ url, body, keyId, key, at = Date.now(), covers }: ToSign): Record<string, string> {
  const { host, pathname, search } = new URL(url)
  const date = new Date(at).toUTCString()
  const digest = `SHA-256=${createHash('sha256').update(body).digest('base64')}`
  const values: Record<string, string> = {
    '(request-target)': `post ${pathname}${search}`,
    host,
    date,
    digest,
    'content-type': 'application/activity+json',
  }
  const covered = covers ?? ['(request-target)', 'host', 'date', 'digest', 'content-type']
  const base = covered.map((name) => `${name}: ${values[name]}`).join('\n')
  const signature = signWith(key, base)
  return {
    date,
    digest,
    signature: `keyId="${keyId}",algorithm="hs2019",headers="${covered.join(' ')}",signature="${signature}"`,
  }
}

function signRfc9421({ url, body, keyId, key, at = Date.now(), covers }: ToSign): Record<string, string> {
  const target = new URL(url)
  const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
  const values: Record<string, string> = {
    '@method': 'POST',
    '@target-uri': url,
    '@authority': target.host,
    '@path': target.pathname,
    '@query': target.search || '?',
    'content-digest': digest,
    'content-type': 'application/activity+json',
  }
  const covered = covers ?? ['@method', '@target-uri', 'content-digest', 'content-type']
  const list = covered.map((name) => `"${name}"`).join(' ')
  const input = `(${list});created=${Math.floor(at / 1000)};keyid="${keyId}"`
  const base = [...covered.map((name) => `"${name}": ${values[name]}`), `"@signature-params": ${input}`].join(
    '\n',
  )
  return {
    'content-digest': digest,
    'signature-input': `any=${input}`,
    signature: `any=:${signWith(key, base)}:`,
  }
}

function signWith(key: KeyObject, base: string): string {
  const algorithm = key.asymmetricKeyType === 'rsa' ? 'sha256' : null
  return sign(algorithm, Buffer.from(base), key).toString('base64')
}

/** What a signature in the form of draft-cavage claims. */
export function readClaim(
  { method, path, headers }: Pick<Received, 'method' | 'path' | 'headers'>,
  origin: string,
): { keyId: string; covered: string[]; verify(key: KeyObject): boolean } {
  const parameters = new Map(
    [...String(headers['signature']).matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  )
  const covered = parameters.get('headers')!.split(' ')
  const base = covered
    .map((name) => {
      if (name === '(request-target)') return `(request-target): ${method.toLowerCase()} ${path}`
      if (name === 'host') return `host: ${new URL(origin).host}`
      return `${name}: ${String(headers[name])}`
    })
    .join('\n')
  const signature = Buffer.from(parameters.get('signature')!, 'base64')
  return {
    keyId: parameters.get('keyId')!,
    covered,
    verify: (key) => verify('sha256', Buffer.from(base), key, signature),
  }
}
