import { expect, test } from 'vitest'
import { parseActivity } from '../inbox/activity.ts'
import type { RemoteActor } from '../remote-actor.ts'
import { readNote, type IncomingNote } from './incoming-note.ts'

/* Direct messages in the forms of other software. Facts of their formats; names and hosts are made up. */

const ME = 'https://chat.example/ap/users/0190a1b2'

function read(activity: { actor: string; [member: string]: unknown }): IncomingNote | string {
  const actor: RemoteActor = {
    id: activity.actor,
    host: new URL(activity.actor).host,
    name: 'bob',
    displayName: 'Bob',
    inbox: `${activity.actor}/inbox`,
    followers: `${activity.actor}/followers`,
    keys: [],
    alsoKnownAs: [],
  }
  return readNote(parseActivity(Buffer.from(JSON.stringify(activity))), actor)
}

const mastodon = {
  '@context': [
    'https://www.w3.org/ns/activitystreams',
    { ostatus: 'http://ostatus.org#', sensitive: 'as:sensitive', conversation: 'ostatus:conversation' },
  ],
  id: 'https://social.example/users/bob/statuses/1/activity',
  type: 'Create',
  actor: 'https://social.example/users/bob',
  published: '2026-11-24T12:00:00Z',
  to: [ME],
  cc: [],
  object: {
    id: 'https://social.example/users/bob/statuses/1',
    type: 'Note',
    summary: 'food',
    inReplyTo: null,
    published: '2026-11-24T12:00:00Z',
    url: 'https://social.example/@bob/1',
    attributedTo: 'https://social.example/users/bob',
    to: [ME],
    cc: [],
    sensitive: true,
    conversation: 'tag:social.example,2026-11-24:objectId=1:objectType=Conversation',
    content:
      `<p><span class="h-card" translate="no"><a href="${ME}" class="u-url mention">@<span>ann</span></a></span> ` +
      'lunch?</p>',
    contentMap: { en: '<p>lunch?</p>' },
    attachment: [
      {
        type: 'Document',
        mediaType: 'image/jpeg',
        url: 'https://files.social.example/lunch.jpg',
        name: 'a plate',
        blurhash: 'UBL_:rOpGG',
        width: 800,
        height: 600,
      },
    ],
    tag: [{ type: 'Mention', href: ME, name: '@ann@chat.example' }],
    replies: { id: 'https://social.example/users/bob/statuses/1/replies', type: 'Collection' },
  },
}

// Lists of one are no lists.
const goToSocial = {
  '@context': 'https://www.w3.org/ns/activitystreams',
  actor: 'https://gts.example/users/bob',
  id: 'https://gts.example/users/bob/statuses/01H/activity#Create',
  object: {
    attachment: [],
    attributedTo: 'https://gts.example/users/bob',
    cc: [],
    content: `<p><span class="h-card"><a href="${ME}" class="u-url mention">@<span>ann</span></a></span> hello</p>`,
    id: 'https://gts.example/users/bob/statuses/01H',
    interactionPolicy: { canReply: { always: ME } },
    published: '2026-11-24T12:00:00+01:00',
    sensitive: false,
    summary: '',
    tag: { href: ME, name: '@ann@chat.example', type: 'Mention' },
    to: ME,
    type: 'Note',
    url: 'https://gts.example/@bob/statuses/01H',
  },
  published: '2026-11-24T12:00:00+01:00',
  to: ME,
  type: 'Create',
}

const pleroma = {
  '@context': [
    'https://www.w3.org/ns/activitystreams',
    'https://pleroma.example/schemas/litepub-0.1.jsonld',
    { '@language': 'und' },
  ],
  actor: 'https://pleroma.example/users/bob',
  cc: [],
  context: 'https://pleroma.example/contexts/1',
  directMessage: true,
  id: 'https://pleroma.example/activities/1',
  object: {
    actor: 'https://pleroma.example/users/bob',
    attachment: [
      {
        mediaType: 'image/png',
        name: 'cat.png',
        type: 'Document',
        url: [{ href: 'https://pleroma.example/media/cat.png', mediaType: 'image/png', type: 'Link' }],
      },
    ],
    attributedTo: 'https://pleroma.example/users/bob',
    cc: [],
    content: `<span class="h-card"><a class="u-url mention" href="${ME}">@<span>ann</span></a></span> look<br>here`,
    directMessage: true,
    id: 'https://pleroma.example/objects/1',
    published: '2026-11-24T12:00:00.000000Z',
    source: { content: '@ann@chat.example look\nhere', mediaType: 'text/plain' },
    tag: [{ href: ME, name: '@ann@chat.example', type: 'Mention' }],
    to: [ME],
    type: 'Note',
  },
  published: '2026-11-24T12:00:00.000000Z',
  to: [ME],
  type: 'Create',
}

const chatMessage = {
  ...pleroma,
  id: 'https://pleroma.example/activities/2',
  object: {
    actor: 'https://pleroma.example/users/bob',
    attributedTo: 'https://pleroma.example/users/bob',
    content: 'you there?',
    id: 'https://pleroma.example/objects/2',
    published: '2026-11-24T12:00:00Z',
    to: [ME],
    type: 'ChatMessage',
  },
}

const misskey = {
  '@context': ['https://www.w3.org/ns/activitystreams', { misskey: 'https://misskey-hub.net/ns#' }],
  id: 'https://misskey.example/notes/9xyz/activity',
  actor: 'https://misskey.example/users/9abc',
  type: 'Create',
  published: '2026-11-24T12:00:00.000Z',
  object: {
    id: 'https://misskey.example/notes/9xyz',
    type: 'Note',
    attributedTo: 'https://misskey.example/users/9abc',
    content: `<p><a href="https://chat.example/@ann" class="u-url mention">@ann@chat.example</a><span> hi</span></p>`,
    _misskey_content: '@ann@chat.example hi',
    source: { content: '@ann@chat.example hi', mediaType: 'text/x.misskeymarkdown' },
    published: '2026-11-24T12:00:00.000Z',
    to: [ME],
    cc: [],
    inReplyTo: null,
    attachment: [],
    sensitive: false,
    tag: [{ type: 'Mention', href: ME, name: '@ann@chat.example' }],
  },
  to: [ME],
  cc: [],
}

test.each([
  [
    'Mastodon',
    mastodon,
    {
      text: expect.stringMatching(/^\[food\]\n.*lunch\?$/),
      files: [{ url: 'https://files.social.example/lunch.jpg', name: 'a plate' }],
    },
  ],
  [
    'GoToSocial',
    goToSocial,
    { text: expect.stringMatching(/hello$/), files: [], publishedAt: Date.parse('2026-11-24T11:00:00Z') },
  ],
  [
    'Pleroma',
    pleroma,
    {
      text: expect.stringMatching(/look\nhere$/),
      files: [{ url: 'https://pleroma.example/media/cat.png', name: 'cat.png' }],
    },
  ],
  ['a chat of Pleroma', chatMessage, { text: 'you there?', files: [] }],
  ['Misskey', misskey, { text: expect.stringMatching(/hi$/), files: [] }],
])('a direct message of %s is understood', (_name, activity, expected) => {
  expect(read(activity)).toMatchObject({ addressees: [ME], objectId: activity.object.id, ...expected })
})

test.each([mastodon, goToSocial, pleroma, misskey])(
  'what they show to followers too is no direct message',
  (activity) => {
    const { object } = activity
    const shown = { ...activity, object: { ...object, cc: `${activity.actor}/followers` } }
    expect(read(shown)).toBe('public_ignored')
  },
)
