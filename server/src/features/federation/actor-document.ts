import { pictureAddress } from '#features/files/index.ts'
import type { ActorKeyPairs } from './actor-keys.ts'
import { base58 } from './base58.ts'
import { actorUrl, followersUrl, followingUrl, inboxUrl, outboxUrl, sharedInboxUrl } from './identity.ts'
import type { LocalActor } from './local-actors.ts'

export const ACTIVITY_STREAMS = 'https://www.w3.org/ns/activitystreams'
const SECURITY = 'https://w3id.org/security/v1'
const MULTIKEY = 'https://w3id.org/security/multikey/v1'

/** Content types of ActivityPub (section 3.2) and of RFC 7033. */
export const ACTIVITY_JSON = 'application/activity+json; charset=utf-8'
export const JRD_JSON = 'application/jrd+json; charset=utf-8'

/** Multicodec prefix of an Ed25519 public key. */
const ED25519_CODEC = Buffer.from([0xed, 0x01])
const RAW_ED25519 = 32

/** Id of the key that others check signatures with, by its algorithm. */
export function keyIdOf(actor: string, algorithm: keyof ActorKeyPairs): string {
  return `${actor}#${algorithm === 'rsa' ? 'main-key' : 'ed25519-key'}`
}

/**
 * What the world may know of an actor: its name, where to write to, its keys. No address, role, presence or time.
 */
export function actorDocument(
  origin: string,
  actor: LocalActor,
  keys: ActorKeyPairs,
): Record<string, unknown> {
  const id = actorUrl(origin, actor.id)
  return {
    '@context': [ACTIVITY_STREAMS, SECURITY, MULTIKEY, { pufferblow: `${origin}/ns#` }],
    id,
    type: actor.kind === 'server' ? 'Application' : 'Person',
    preferredUsername: actor.name,
    name: actor.displayName,
    inbox: inboxUrl(origin, actor.id),
    outbox: outboxUrl(origin, actor.id),
    followers: followersUrl(origin, actor.id),
    following: followingUrl(origin, actor.id),
    ...(actor.avatar !== null && {
      icon: { type: 'Image', url: `${origin}${pictureAddress(actor.avatar)}` },
    }),
    endpoints: { sharedInbox: sharedInboxUrl(origin) },
    'pufferblow:readReceipts': true,
    publicKey: {
      id: keyIdOf(id, 'rsa'),
      type: 'CryptographicKey',
      owner: id,
      publicKeyPem: keys.rsa.publicKey,
    },
    assertionMethod: [
      {
        id: keyIdOf(id, 'ed25519'),
        type: 'Multikey',
        controller: id,
        publicKeyMultibase: multibaseOf(keys.ed25519.publicKey),
      },
    ],
  }
}

/** What is left of an account: ActivityPub, section 7.4. */
export function tombstone(origin: string, id: string): Record<string, unknown> {
  const detail = 'The account was deleted' // every error of ours has one
  return { '@context': ACTIVITY_STREAMS, id: actorUrl(origin, id), type: 'Tombstone', detail }
}

/** FEP-521a: the raw key with its multicodec prefix, in base58btc. */
function multibaseOf(pem: string): string {
  const der = Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64')
  return `z${base58(Buffer.concat([ED25519_CODEC, der.subarray(-RAW_ED25519)]))}`
}
