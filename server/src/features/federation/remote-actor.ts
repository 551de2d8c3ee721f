import { createPublicKey, type KeyObject } from 'node:crypto'
import { cleanLine } from '#lib/text.ts'
import { fromBase58 } from './base58.ts'
import { PeerError } from './errors.ts'
import { idsOf, idOf, isObject, listOf, originOf, stringOf, typeAmong, type JsonObject } from './json.ts'

/** An actor of another server, reduced to what we use. Plain data: it is kept as JSON. */
export interface RemoteActor {
  readonly id: string
  /** `host[:port]` of the id. */
  readonly host: string
  /** What stands before the `@`. */
  readonly name: string
  readonly displayName: string
  readonly inbox: string
  readonly sharedInbox?: string
  readonly followers?: string
  readonly keys: readonly RemoteKey[]
  readonly alsoKnownAs: readonly string[]
  readonly movedTo?: string
  /** Its server shows people what others have read of what they wrote. */
  readonly takesReadReceipts?: true
}

/** A key that the actor says is its own. */
export interface RemoteKey {
  readonly id: string
  /** DER, base64. */
  readonly spki: string
}

const ACTOR_TYPES = new Set(['Person', 'Service', 'Application', 'Group', 'Organization'] as const)
const MAX_KEYS = 10
const MAX_ALIASES = 20
const MAX_NAME = 128
const MAX_DISPLAY_NAME = 100
const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 8192
const ED25519_SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const MULTIBASE_ED25519 = 64

/**
 * What a document that was fetched from `url` says about the actor of this id. Nothing of another origin is taken
 * from it, and no key that does not name the actor as its owner.
 *
 * @throws PeerError `invalid`
 */
export function parseRemoteActor(document: JsonObject, url: string): RemoteActor {
  const id = stringOf(document['id'])
  if (id !== url) throw invalid('the actor has another id than its address')
  if (!typeAmong(document, ACTOR_TYPES)) throw invalid('the address is not one of an actor')
  const origin = originOf(id)!
  const name = stringOf(document['preferredUsername'])?.normalize('NFC')
  if (!name || name.length > MAX_NAME || cleanLine(name) !== name || /[@/\s]/.test(name)) {
    throw invalid('the actor has no usable name')
  }
  const inbox = sameOrigin(document['inbox'], origin)
  if (!inbox) throw invalid('the actor has no inbox on its own server')
  const keys = keysOf(document, id, origin)
  if (keys.length === 0) throw invalid('the actor has no usable key of its own')
  const { endpoints } = document
  const sharedInbox = isObject(endpoints) ? sameOrigin(endpoints['sharedInbox'], origin) : undefined
  const followers = sameOrigin(idOf(document['followers']), origin)
  const movedTo = idOf(document['movedTo'])
  return {
    id,
    host: new URL(id).host,
    name,
    displayName: cleanLine(stringOf(document['name']) ?? '').slice(0, MAX_DISPLAY_NAME) || name,
    inbox,
    ...(sharedInbox && { sharedInbox }),
    ...(followers && { followers }),
    keys,
    alsoKnownAs: idsOf(document['alsoKnownAs']).slice(0, MAX_ALIASES),
    ...(movedTo && { movedTo }),
    ...(document['pufferblow:readReceipts'] === true && { takesReadReceipts: true as const }),
  }
}

/** The key object behind a key. Kept keys were checked when they came. */
export function openRemoteKey({ spki }: RemoteKey): KeyObject {
  return createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' })
}

function keysOf(document: JsonObject, actor: string, origin: string): RemoteKey[] {
  const candidates = [...listOf(document['publicKey']), ...listOf(document['assertionMethod'])]
  return candidates.slice(0, MAX_KEYS).flatMap((candidate) => {
    if (!isObject(candidate)) return []
    const id = stringOf(candidate['id'])
    const owner = idOf(candidate['owner']) ?? idOf(candidate['controller'])
    if (!id || owner !== actor || originOf(id) !== origin) return []
    const key = publicKeyOf(candidate)
    return key ? [{ id, spki: key.export({ format: 'der', type: 'spki' }).toString('base64') }] : []
  })
}

function publicKeyOf(candidate: JsonObject): KeyObject | undefined {
  const pem = stringOf(candidate['publicKeyPem'])
  const multibase = stringOf(candidate['publicKeyMultibase'])
  try {
    const key = pem === undefined ? fromMultibase(multibase ?? '') : createPublicKey(pem)
    return key && isStrong(key) ? key : undefined
  } catch {
    return undefined
  }
}

function isStrong({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  const bits = asymmetricKeyDetails?.modulusLength ?? 0
  return (
    asymmetricKeyType === 'ed25519' ||
    (asymmetricKeyType === 'rsa' && bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS)
  )
}

/** FEP-521a: base58btc of a multicodec prefix and a raw key. Of codecs, Ed25519. */
function fromMultibase(text: string): KeyObject | undefined {
  const bytes = text.startsWith('z') ? fromBase58(text.slice(1), MULTIBASE_ED25519) : undefined
  if (bytes?.length !== 34 || bytes[0] !== 0xed || bytes[1] !== 0x01) return undefined
  const der = Buffer.concat([ED25519_SPKI_PREFIX, bytes.subarray(2)])
  return createPublicKey({ key: der, format: 'der', type: 'spki' })
}

function sameOrigin(value: unknown, origin: string): string | undefined {
  const url = stringOf(value)
  return originOf(url) === origin ? url : undefined
}

function invalid(message: string): PeerError {
  return new PeerError('invalid', message)
}
