import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { base58 } from './base58.ts'
import { PeerError } from './errors.ts'
import { openRemoteKey, parseRemoteActor } from './remote-actor.ts'
import { selfLinkOf } from './webfinger.ts'

const pem = (bits: number): string =>
  generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'pem', type: 'spki' })
const PEM = pem(2048)
const ed25519 = generateKeyPairSync('ed25519').publicKey
const rawEd25519 = ed25519.export({ format: 'der', type: 'spki' }).subarray(-32)
const multikey = `z${base58(Buffer.concat([Buffer.from([0xed, 0x01]), rawEd25519]))}`

/* Documents in the forms of other software. Facts of their formats; names, keys and hosts are made up. */

const mastodon = {
  '@context': [
    'https://www.w3.org/ns/activitystreams',
    'https://w3id.org/security/v1',
    { toot: 'http://joinmastodon.org/ns#', featured: { '@id': 'toot:featured', '@type': '@id' } },
  ],
  id: 'https://social.example/users/ann',
  type: 'Person',
  following: 'https://social.example/users/ann/following',
  followers: 'https://social.example/users/ann/followers',
  inbox: 'https://social.example/users/ann/inbox',
  outbox: 'https://social.example/users/ann/outbox',
  featured: 'https://social.example/users/ann/collections/featured',
  preferredUsername: 'ann',
  name: 'Ann :blobcat:',
  summary: '<p>hello</p>',
  url: 'https://social.example/@ann',
  manuallyApprovesFollowers: false,
  discoverable: true,
  alsoKnownAs: ['https://old.example/users/ann'],
  publicKey: {
    id: 'https://social.example/users/ann#main-key',
    owner: 'https://social.example/users/ann',
    publicKeyPem: PEM,
  },
  tag: [],
  attachment: [{ type: 'PropertyValue', name: 'site', value: '<a href="https://a.example">a</a>' }],
  endpoints: { sharedInbox: 'https://social.example/inbox' },
  icon: { type: 'Image', mediaType: 'image/png', url: 'https://files.social.example/ann.png' },
}

const goToSocial = {
  '@context': ['https://w3id.org/security/v1', 'https://www.w3.org/ns/activitystreams'],
  type: 'Person',
  id: 'https://gts.example/users/bob',
  preferredUsername: 'bob',
  inbox: 'https://gts.example/users/bob/inbox',
  outbox: 'https://gts.example/users/bob/outbox',
  // A path, not a fragment; asked for alone it answers with a shorter document.
  publicKey: {
    id: 'https://gts.example/users/bob/main-key',
    owner: 'https://gts.example/users/bob',
    publicKeyPem: PEM,
  },
}

const pleroma = {
  '@context': [
    'https://www.w3.org/ns/activitystreams',
    'https://pleroma.example/schemas/litepub-0.1.jsonld',
    { '@language': 'und' },
  ],
  id: 'https://pleroma.example/users/cid',
  type: 'Person',
  preferredUsername: 'cid',
  name: 'Cid',
  inbox: 'https://pleroma.example/users/cid/inbox',
  outbox: 'https://pleroma.example/users/cid/outbox',
  followers: 'https://pleroma.example/users/cid/followers',
  capabilities: { acceptsChatMessages: true },
  alsoKnownAs: [],
  endpoints: {
    oauthAuthorizationEndpoint: 'https://pleroma.example/oauth/authorize',
    sharedInbox: 'https://pleroma.example/inbox',
    uploadMedia: 'https://pleroma.example/api/ap/upload_media',
  },
  publicKey: {
    id: 'https://pleroma.example/users/cid#main-key',
    owner: 'https://pleroma.example/users/cid',
    publicKeyPem: `${PEM}\n`,
  },
}

const misskey = {
  '@context': ['https://www.w3.org/ns/activitystreams', 'https://w3id.org/security/v1', { Key: 'sec:Key' }],
  type: 'Person',
  id: 'https://misskey.example/users/9abc',
  inbox: 'https://misskey.example/users/9abc/inbox',
  outbox: 'https://misskey.example/users/9abc/outbox',
  sharedInbox: 'https://misskey.example/inbox',
  endpoints: { sharedInbox: 'https://misskey.example/inbox' },
  preferredUsername: 'dee',
  name: null,
  isCat: true,
  publicKey: {
    id: 'https://misskey.example/users/9abc#main-key',
    type: 'Key',
    owner: 'https://misskey.example/users/9abc',
    publicKeyPem: PEM,
  },
}

test.each([
  [
    'Mastodon',
    mastodon,
    { name: 'ann', displayName: 'Ann :blobcat:', sharedInbox: 'https://social.example/inbox' },
  ],
  ['GoToSocial', goToSocial, { name: 'bob', displayName: 'bob', sharedInbox: undefined }],
  ['Pleroma', pleroma, { name: 'cid', displayName: 'Cid', sharedInbox: 'https://pleroma.example/inbox' }],
  ['Misskey', misskey, { name: 'dee', displayName: 'dee', sharedInbox: 'https://misskey.example/inbox' }],
])('an actor of %s is understood', (_software, document, expected) => {
  const actor = parseRemoteActor(document, document.id)
  expect({ ...expected, sharedInbox: actor.sharedInbox }).toEqual({ ...expected })
  expect(actor).toMatchObject({ id: document.id, inbox: document.inbox, name: expected.name })
  expect(actor.displayName).toBe(expected.displayName)
  expect(actor.keys.map(({ id }) => id)).toEqual([document.publicKey.id])
  expect(openRemoteKey(actor.keys[0]!).asymmetricKeyType).toBe('rsa')
})

test('an Ed25519 key in either form is one, beside the other', () => {
  const actor = parseRemoteActor(
    {
      ...mastodon,
      publicKey: [
        mastodon.publicKey,
        {
          id: `${mastodon.id}#second`,
          owner: mastodon.id,
          publicKeyPem: ed25519.export({ format: 'pem', type: 'spki' }),
        },
      ],
      assertionMethod: {
        id: `${mastodon.id}#third`,
        type: 'Multikey',
        controller: mastodon.id,
        publicKeyMultibase: multikey,
      },
    },
    mastodon.id,
  )
  expect(actor.keys.map((key) => openRemoteKey(key).asymmetricKeyType)).toEqual(['rsa', 'ed25519', 'ed25519'])
  expect(openRemoteKey(actor.keys[2]!).equals(ed25519)).toBe(true)
})

describe('refused is', () => {
  const withKey = (change: object): object => ({
    ...mastodon,
    publicKey: { ...mastodon.publicKey, ...change },
  })

  test.each([
    ['an id that is not the address', { ...mastodon, id: 'https://social.example/users/eve' }, /another id/],
    ['an id of another server', { ...mastodon, id: 'https://other.example/users/ann' }, /another id/],
    ['no id', { ...mastodon, id: undefined }, /another id/],
    ['a note', { ...mastodon, type: 'Note' }, /not one of an actor/],
    ['no name', { ...mastodon, preferredUsername: undefined }, /no usable name/],
    ['a name with an at sign', { ...mastodon, preferredUsername: 'ann@bank.example' }, /no usable name/],
    ['a name with a line break', { ...mastodon, preferredUsername: 'ann\nbob' }, /no usable name/],
    ['a name without end', { ...mastodon, preferredUsername: 'a'.repeat(129) }, /no usable name/],
    ['an inbox on another server', { ...mastodon, inbox: 'https://other.example/inbox' }, /no inbox/],
    ['an inbox on another port', { ...mastodon, inbox: 'https://social.example:8443/inbox' }, /no inbox/],
    ['no inbox', { ...mastodon, inbox: undefined }, /no inbox/],
    ['no key', { ...mastodon, publicKey: undefined }, /no usable key/],
    [
      'a key that belongs to somebody else',
      withKey({ owner: 'https://social.example/users/eve' }),
      /no usable key/,
    ],
    ['a key that belongs to nobody', withKey({ owner: undefined }), /no usable key/],
    ['a key on another server', withKey({ id: 'https://other.example/key' }), /no usable key/],
    ['a short key', withKey({ publicKeyPem: pem(1024) }), /no usable key/],
    ['a key that is none', withKey({ publicKeyPem: 'not a key' }), /no usable key/],
    ['a private key', withKey({ publicKeyPem: '-----BEGIN PRIVATE KEY-----' }), /no usable key/],
  ])('%s', (_what, document, reason) => {
    const parse = (): unknown => parseRemoteActor(document as Record<string, unknown>, mastodon.id)
    expect(parse).toThrow(PeerError)
    expect(parse).toThrow(reason)
  })

  test('a shared inbox of another server, which is left out', () => {
    const actor = parseRemoteActor(
      { ...mastodon, endpoints: { sharedInbox: 'https://victim.example/inbox' } },
      mastodon.id,
    )
    expect(actor.sharedInbox).toBeUndefined()
  })
})

test('a descriptor leads to the actor whatever stands around it', () => {
  const links = [
    { rel: 'http://webfinger.net/rel/profile-page', type: 'text/html', href: 'https://social.example/@ann' },
    { rel: 'self', type: 'application/activity+json', href: mastodon.id },
    { rel: 'http://ostatus.org/schema/1.0/subscribe', template: 'https://social.example/i?uri={uri}' },
  ]
  expect(selfLinkOf({ subject: 'acct:ann@social.example', links })).toBe(mastodon.id)
  const ld = {
    rel: 'self',
    type: 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
    href: 'x',
  }
  expect(selfLinkOf({ links: [ld] })).toBe('x')
  for (const nothing of [
    {},
    { links: [] },
    { links: 'x' },
    { links: [links[0]] },
    { links: [{ rel: 'self', href: 'x' }] },
  ]) {
    expect(selfLinkOf(nothing)).toBeUndefined()
  }
})
