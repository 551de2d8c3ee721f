import { verify, type KeyObject } from 'node:crypto'
import type { Received } from './peer.ts'

/**
 * Takes a signature in the form of draft-cavage apart, as another server would: written apart from ours, so that a
 * mistake is not made twice.
 */
export function readClaimForTest(
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
