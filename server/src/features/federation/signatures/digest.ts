import { createHash, timingSafeEqual } from 'node:crypto'
import { parseDictionary } from 'structured-headers'
import { fromBase64, onlyLine, SignatureError, type SignableMessage } from './message.ts'

const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['sha-256', 'sha256'],
  ['sha-512', 'sha512'],
])

/** `Digest` (RFC 3230), as signatures of draft-cavage cover it. */
export function digestOf(body: Uint8Array): string {
  return `SHA-256=${sha('sha256', body).toString('base64')}`
}

/** `Content-Digest` (RFC 9530), as signatures of RFC 9421 cover it. */
export function contentDigestOf(body: Uint8Array): string {
  return `sha-256=:${sha('sha256', body).toString('base64')}:`
}

/** @throws SignatureError when `Digest` does not belong to `body` */
export function checkDigest(message: SignableMessage, body: Uint8Array): void {
  const entries = onlyLine(message, 'digest').split(',')
  const stated = entries.map((entry): Stated => {
    const [, name = '', value = ''] = /^\s*([\w-]+)=(\S*)\s*$/.exec(entry) ?? []
    return { name: name.toLowerCase(), hash: fromBase64(value) }
  })
  check(stated, body)
}

/** @throws SignatureError when `Content-Digest` does not belong to `body` */
export function checkContentDigest(message: SignableMessage, body: Uint8Array): void {
  const stated: Stated[] = []
  try {
    for (const [name, [value]] of parseDictionary(onlyLine(message, 'content-digest'))) {
      stated.push({ name, hash: value instanceof ArrayBuffer ? Buffer.from(value) : undefined })
    }
  } catch (error) {
    if (error instanceof SignatureError) throw error
    throw new SignatureError('the digest is malformed')
  }
  check(stated, body)
}

interface Stated {
  readonly name: string
  readonly hash: Buffer | undefined
}

/** Whatever algorithm we know must match, and there must be one. */
function check(stated: readonly Stated[], body: Uint8Array): void {
  let known = 0
  for (const { name, hash } of stated) {
    const algorithm = ALGORITHMS.get(name)
    if (algorithm === undefined) continue
    known++
    const actual = sha(algorithm, body)
    if (!hash || hash.length !== actual.length || !timingSafeEqual(hash, actual)) {
      throw new SignatureError('the digest is not the one of the body')
    }
  }
  if (known === 0) throw new SignatureError('the digest has no algorithm that is known here')
}

function sha(algorithm: string, body: Uint8Array): Buffer {
  return createHash(algorithm).update(body).digest()
}
