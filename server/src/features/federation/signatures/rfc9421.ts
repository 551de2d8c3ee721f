import type { KeyObject } from 'node:crypto'
import { isInnerList, parseDictionary, serializeInnerList, serializeItem } from 'structured-headers'
import type { InnerList, Item, Parameters } from 'structured-headers'
import { checkExpiry, checkTime, MAX_SIGNATURE_FIELD, signBase, usualAlgorithmOf } from './claim.ts'
import type { SignatureAlgorithm, SignatureClaim } from './claim.ts'
import { contentDigestOf } from './digest.ts'
import { onlyLine, SignatureError, type SignableMessage } from './message.ts'

/*
 * HTTP Message Signatures, RFC 9421. Of components, those of requests; of field parameters, none: nobody uses them.
 */

const ALGORITHMS: ReadonlySet<string> = new Set<SignatureAlgorithm>([
  'rsa-v1_5-sha256',
  'rsa-pss-sha512',
  'ed25519',
])
const MAX_COMPONENTS = 32
const LABEL = 'sig1'

/**
 * Reads the signature of a request with a body, which must cover method, whole target and digest.
 *
 * @throws SignatureError
 */
export function readRfc9421(message: SignableMessage, now: number): SignatureClaim {
  const { input, signature } = parse(message)
  const { covered, base, parameters } = baseOf(message, input)
  checkCoverage(covered, message.target)
  const created = parameters.get('created')
  if (typeof created !== 'number') throw new SignatureError('the signature does not say when it was made')
  checkTime(created * 1000, now)
  const expires = parameters.get('expires')
  if (expires !== undefined && typeof expires !== 'number') throw malformed()
  checkExpiry(expires === undefined ? undefined : expires * 1000, now)
  const keyId = parameters.get('keyid')
  if (typeof keyId !== 'string' || keyId === '') throw new SignatureError('the signature names no key')
  return { scheme: 'rfc9421', keyId, algorithm: algorithmOf(parameters), base, signature }
}

/**
 * What is signed (RFC 9421, section 2.5), for the components and parameters that `input` lists.
 *
 * @throws SignatureError when a component is unknown, missing or there twice
 */
export function baseOf(
  message: SignableMessage,
  input: InnerList,
): { covered: ReadonlySet<string>; base: string; parameters: Parameters } {
  const [items, parameters] = input
  if (items.length > MAX_COMPONENTS) throw malformed()
  const covered = new Set<string>()
  const identifiers = new Set<string>()
  const lines: string[] = []
  for (const item of items) {
    const identifier = serializeItem(item)
    if (identifiers.has(identifier)) throw new SignatureError('the signature covers something twice')
    identifiers.add(identifier)
    lines.push(`${identifier}: ${valueOf(message, item)}`)
    covered.add(String(item[0]))
  }
  lines.push(`"@signature-params": ${serializeInnerList(input)}`)
  return { covered, base: lines.join('\n'), parameters }
}

/** The fields that sign a request. @param key private, RSA or Ed25519 */
export function signRfc9421(
  request: { method: 'GET' | 'POST'; target: URL; body?: Uint8Array | undefined },
  { keyId, key, now }: { keyId: string; key: KeyObject; now: number },
): Record<string, string> {
  const digest = request.body && contentDigestOf(request.body)
  const fields = new Map(digest === undefined ? [] : [['content-digest', [digest]]])
  const names = ['@method', '@target-uri', ...(digest === undefined ? [] : ['content-digest'])]
  const parameters: Parameters = new Map<string, string | number>([
    ['created', Math.floor(now / 1000)],
    ['keyid', keyId],
    ['alg', usualAlgorithmOf(key)!],
  ])
  const input: InnerList = [names.map((name): Item => [name, new Map()]), parameters]
  const { base } = baseOf({ method: request.method, target: request.target, fields }, input)
  return {
    ...(digest !== undefined && { 'content-digest': digest }),
    'signature-input': `${LABEL}=${serializeInnerList(input)}`,
    signature: `${LABEL}=:${signBase(base, key).toString('base64')}:`,
  }
}

/** Exactly one signature: with several, it would be a matter of taste which one counts. */
function parse(message: SignableMessage): { input: InnerList; signature: Buffer } {
  const inputs = dictionaryOf(message, 'signature-input')
  const signatures = dictionaryOf(message, 'signature')
  const [label] = inputs.keys()
  if (inputs.size !== 1 || signatures.size !== 1 || label === undefined) {
    throw new SignatureError('there must be exactly one signature')
  }
  const input = inputs.get(label)!
  const [value] = signatures.get(label) ?? []
  if (!isInnerList(input) || !(value instanceof ArrayBuffer)) throw malformed()
  return { input, signature: Buffer.from(value) }
}

function dictionaryOf(message: SignableMessage, name: string): ReturnType<typeof parseDictionary> {
  const line = onlyLine(message, name)
  if (line.length > MAX_SIGNATURE_FIELD) throw malformed()
  try {
    return parseDictionary(line)
  } catch {
    throw malformed()
  }
}

function checkCoverage(covered: ReadonlySet<string>, target: URL): void {
  for (const name of ['@method', 'content-digest']) {
    if (!covered.has(name)) throw new SignatureError(`the signature does not cover ${name}`)
  }
  const path =
    covered.has('@request-target') ||
    (covered.has('@path') && (target.search === '' || covered.has('@query')))
  if (!covered.has('@target-uri') && !(covered.has('@authority') && path)) {
    throw new SignatureError('the signature does not cover the whole target')
  }
}

function algorithmOf(parameters: Parameters): SignatureAlgorithm | undefined {
  const algorithm = parameters.get('alg')
  if (algorithm === undefined) return undefined
  if (typeof algorithm === 'string' && ALGORITHMS.has(algorithm)) return algorithm as SignatureAlgorithm
  throw new SignatureError('the signature has an unknown algorithm')
}

/** RFC 9421, sections 2.1 and 2.2. */
function valueOf({ method, target, fields }: SignableMessage, [name, parameters]: Item): string {
  if (typeof name !== 'string') throw malformed()
  if (name === '@query-param') return queryParameterOf(target, parameters)
  if (parameters.size > 0) throw new SignatureError('the signature covers a component in an unknown way')
  switch (name) {
    case '@method':
      return method
    case '@target-uri':
      return target.href
    case '@authority':
      return target.host
    case '@scheme':
      return target.protocol.slice(0, -1)
    case '@request-target':
      return target.pathname + target.search
    case '@path':
      return target.pathname
    case '@query':
      return target.search === '' ? '?' : target.search
    default: {
      const lines = fields.get(name)
      if (!lines) throw new SignatureError(`the signature covers ${name}, which is not there`)
      return lines.map((line) => line.trim()).join(', ')
    }
  }
}

/** RFC 9421, section 2.2.8: the value, decoded and encoded again in the one way. */
function queryParameterOf(target: URL, parameters: Parameters): string {
  const name = parameters.get('name')
  if (typeof name !== 'string' || parameters.size > 1) throw malformed()
  const found = [...target.searchParams].filter(([key]) => encoded(key) === name)
  if (found.length !== 1) throw new SignatureError('the signature covers a parameter that is not there once')
  return encoded(found[0]![1])
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function malformed(): SignatureError {
  return new SignatureError('the signature is malformed')
}
