import type { KeyObject } from 'node:crypto'
import { checkExpiry, checkTime, MAX_SIGNATURE_FIELD, signBase } from './claim.ts'
import type { SignatureAlgorithm, SignatureClaim } from './claim.ts'
import { digestOf } from './digest.ts'
import { fromBase64, onlyLine, SignatureError, type SignableMessage } from './message.ts'

/*
 * Signing HTTP Messages, draft-cavage-http-signatures-12, as servers of the Fediverse use it.
 */

/** `hs2019` says that the key tells; nothing else is in use. */
const ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm | undefined> = new Map([
  ['hs2019', undefined],
  ['rsa-sha256', 'rsa-v1_5-sha256'],
  ['ed25519', 'ed25519'],
])

const PARAMETER = /\s*([a-zA-Z]+)=(?:"([^"\\]*)"|(\d{1,15}))\s*(?:,|$)/y

/**
 * Reads the `Signature` field of a request with a body, which must cover method, path, host, date and digest.
 *
 * @throws SignatureError
 */
export function readCavage(message: SignableMessage, now: number): SignatureClaim {
  const parameters = parse(onlyLine(message, 'signature'))
  const keyId = parameters.get('keyId')
  if (!keyId) throw new SignatureError('the signature names no key')
  const algorithm = parameters.get('algorithm')
  if (algorithm !== undefined && !ALGORITHMS.has(algorithm)) {
    throw new SignatureError('the signature has an unknown algorithm')
  }
  const signature = fromBase64(parameters.get('signature') ?? '')
  if (!signature) throw new SignatureError('the signature is not base64')

  const covered = (parameters.get('headers') ?? 'date').toLowerCase().split(' ')
  if (new Set(covered).size !== covered.length)
    throw new SignatureError('the signature covers something twice')
  for (const name of ['(request-target)', 'host', 'digest']) {
    if (!covered.includes(name)) throw new SignatureError(`the signature does not cover ${name}`)
  }
  checkTime(madeAt(message, covered, parameters), now)
  checkExpiry(secondsOf(parameters, 'expires'), now)
  const base = covered.map((name) => `${name}: ${valueOf(message, name, parameters)}`).join('\n')
  return {
    scheme: 'draft-cavage',
    keyId,
    algorithm: algorithm === undefined ? undefined : ALGORITHMS.get(algorithm),
    base,
    signature,
  }
}

/** The fields that sign a request. @param key private, RSA or Ed25519 */
export function signCavage(
  request: { method: 'GET' | 'POST'; target: URL; body?: Uint8Array | undefined },
  { keyId, key, now }: { keyId: string; key: KeyObject; now: number },
): Record<string, string> {
  const date = new Date(now).toUTCString()
  const digest = request.body && digestOf(request.body)
  const lines = [
    ['(request-target)', targetLine(request)],
    ['host', request.target.host],
    ['date', date],
    ...(digest === undefined ? [] : [['digest', digest]]),
  ]
  const signature = signBase(lines.map(([name, value]) => `${name}: ${value}`).join('\n'), key)
  const covered = lines.map(([name]) => name).join(' ')
  return {
    date,
    ...(digest !== undefined && { digest }),
    signature:
      `keyId="${keyId}",algorithm="${key.asymmetricKeyType === 'rsa' ? 'rsa-sha256' : 'hs2019'}",` +
      `headers="${covered}",signature="${signature.toString('base64')}"`,
  }
}

function parse(field: string): Map<string, string> {
  const malformed = new SignatureError('the signature is malformed')
  if (field.length > MAX_SIGNATURE_FIELD) throw malformed
  const parameters = new Map<string, string>()
  PARAMETER.lastIndex = 0
  while (PARAMETER.lastIndex < field.length) {
    const match = PARAMETER.exec(field)
    if (!match || parameters.has(match[1]!)) throw malformed
    parameters.set(match[1]!, match[2] ?? match[3]!)
  }
  return parameters
}

function madeAt(
  message: SignableMessage,
  covered: readonly string[],
  parameters: Map<string, string>,
): number {
  if (covered.includes('date')) return Date.parse(onlyLine(message, 'date'))
  if (covered.includes('(created)')) return secondsOf(parameters, 'created') ?? Number.NaN
  throw new SignatureError('the signature does not cover a date')
}

function secondsOf(parameters: Map<string, string>, name: string): number | undefined {
  const value = parameters.get(name)
  return value === undefined ? undefined : Number(value) * 1000
}

function valueOf(message: SignableMessage, name: string, parameters: Map<string, string>): string {
  switch (name) {
    case '(request-target)':
      return targetLine(message)
    case '(created)':
    case '(expires)': {
      const value = parameters.get(name.slice(1, -1))
      if (value === undefined) throw new SignatureError(`the signature covers ${name} without saying it`)
      return value
    }
    default: {
      const lines = message.fields.get(name)
      if (!lines) throw new SignatureError(`the header ${name} is missing`)
      return lines.map((line) => line.trim()).join(', ')
    }
  }
}

function targetLine({ method, target }: { method: string; target: URL }): string {
  return `${method.toLowerCase()} ${target.pathname}${target.search}`
}
