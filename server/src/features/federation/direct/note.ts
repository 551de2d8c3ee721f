import type { AttachedFile, MessageContent } from '#events/events.ts'
import { isoTime } from '#lib/clock.ts'
import { conversationIdOf } from '#lib/conversation-id.ts'
import { newId } from '#lib/id.ts'
import { ACTIVITY_STREAMS } from '../actor-document.ts'
import type { OutgoingActivity } from '../activities.ts'
import { activityUrl, actorUrl, noteUrl } from '../identity.ts'
import type { RemoteActor } from '../remote-actor.ts'
import { escapeHtml, textToHtml } from './html.ts'

/**
 * Terms beyond ActivityStreams. `directMessage` is what Pleroma, Friendica and Hubzilla know a direct message by;
 * `pufferblow` is what servers of the same API put there.
 */
function contextOf(origin: string): unknown {
  return [
    ACTIVITY_STREAMS,
    {
      litepub: 'http://litepub.social/ns#',
      directMessage: 'litepub:directMessage',
      ostatus: 'http://ostatus.org#',
      conversation: 'ostatus:conversation',
      sensitive: 'as:sensitive',
      pufferblow: `${origin}/ns#`,
    },
  ]
}

/** Where the recipient's server can fetch a file. */
type LinkOf = (file: AttachedFile) => string

/**
 * A direct message as a note. Mastodon takes it for a direct one because it is to nobody but people, and notifies whom
 * it mentions; so all who are mentioned are addressed, and nobody else is (Misskey shows it to whoever is mentioned).
 */
export function createNoteActivity(
  origin: string,
  message: MessageContent,
  recipient: RemoteActor,
  linkOf: LinkOf,
): OutgoingActivity {
  return {
    '@context': contextOf(origin),
    id: activityUrl(origin, message.id),
    type: 'Create',
    ...envelopeOf(origin, message, recipient),
    directMessage: true,
    object: noteOf(origin, message, recipient, linkOf),
  }
}

/** A direct message that says something else now. Mastodon wants to be told since when. */
export function updateNoteActivity(
  origin: string,
  message: MessageContent & { readonly edited: { readonly at: number } },
  recipient: RemoteActor,
  linkOf: LinkOf,
): OutgoingActivity {
  const updated = isoTime(message.edited.at)
  return {
    '@context': contextOf(origin),
    id: activityUrl(origin, newId(message.edited.at)),
    type: 'Update',
    ...envelopeOf(origin, message, recipient),
    updated,
    directMessage: true,
    object: { ...noteOf(origin, message, recipient, linkOf), updated },
  }
}

function envelopeOf(origin: string, message: MessageContent, recipient: RemoteActor) {
  return {
    actor: actorUrl(origin, message.senderId),
    to: [recipient.id],
    cc: [],
    published: isoTime(message.sentAt),
  }
}

function noteOf(origin: string, message: MessageContent, recipient: RemoteActor, linkOf: LinkOf) {
  return {
    id: noteUrl(origin, message.id),
    type: 'Note',
    attributedTo: actorUrl(origin, message.senderId),
    to: [recipient.id],
    cc: [],
    published: isoTime(message.sentAt),
    content: contentOf(message.text, recipient),
    source: { content: message.text, mediaType: 'text/plain' },
    tag: [{ type: 'Mention', href: recipient.id, name: `@${recipient.name}@${recipient.host}` }],
    attachment: message.files.map((file) => attachmentOf(file, linkOf(file))),
    conversation: conversationIdOf(message.channelId),
    sensitive: false,
    directMessage: true,
    'pufferblow:visibility': 'direct',
    'pufferblow:kind': 'dm',
  }
}

/** A message that is no more. */
export function deleteNoteActivity(
  origin: string,
  message: { readonly id: string; readonly senderId: string },
  recipient: RemoteActor,
): OutgoingActivity {
  return {
    '@context': ACTIVITY_STREAMS,
    id: `${activityUrl(origin, message.id)}#delete`,
    type: 'Delete',
    actor: actorUrl(origin, message.senderId),
    to: [recipient.id],
    object: { id: noteUrl(origin, message.id), type: 'Tombstone' },
  }
}

/** Somebody here has read a note from elsewhere, and what came before it. */
export function readActivity(
  origin: string,
  { readerId, objectId }: { readerId: string; objectId: string },
  recipient: RemoteActor,
  now: number,
): OutgoingActivity {
  return {
    '@context': ACTIVITY_STREAMS,
    id: activityUrl(origin, newId(now)),
    type: 'Read',
    actor: actorUrl(origin, readerId),
    to: [recipient.id],
    object: objectId,
  }
}

/** The text, after a visible mention: without one, answers look as if they were to nobody. */
function contentOf(text: string, { id, name }: RemoteActor): string {
  const mention =
    `<span class="h-card"><a href="${escapeHtml(id)}" class="u-url mention">@<span>${escapeHtml(name)}</span></a>` +
    '</span>'
  const html = textToHtml(text)
  return text === '' ? `<p>${mention}</p>` : html.replace('<p>', `<p>${mention} `)
}

function attachmentOf(file: AttachedFile, url: string) {
  const types = {
    image: 'Image',
    video: 'Video',
    audio: 'Audio',
    document: 'Document',
    file: 'Document',
  } as const
  return {
    type: types[file.kind],
    mediaType: file.type,
    url,
    name: file.name,
    ...(file.width !== null && { width: file.width, height: file.height }),
  }
}
