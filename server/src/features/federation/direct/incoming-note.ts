import { cleanText } from '#lib/text.ts'
import { idOf, idsOf, isObject, originOf, stringOf, typeAmong, type JsonObject } from '../json.ts'
import type { RemoteActor } from '../remote-actor.ts'
import type { Activity } from '../inbox/activity.ts'
import { attachmentsOf, type RemoteFile } from './attachments.ts'
import { htmlToText } from './html.ts'

/** A direct message from another server, of which everything has been believed that can be. */
export interface IncomingNote {
  readonly objectId: string
  /** Ids of all it is addressed to. */
  readonly addressees: readonly string[]
  readonly text: string
  readonly files: readonly RemoteFile[]
  /** When it was written, as its server says. */
  readonly publishedAt: number | undefined
}

const NOTES = new Set(['Note', 'ChatMessage', 'Article', 'Question', 'Page'] as const)
const PUBLIC = new Set(['https://www.w3.org/ns/activitystreams#Public', 'as:Public', 'Public'])
const MAX_OBJECT_ID = 2048

/**
 * What a Create carries, if it is a direct message of its actor.
 *
 * @returns why not, in a word, if it is none
 */
export function readNote(activity: Activity, actor: RemoteActor): IncomingNote | string {
  const { object: note, document } = activity
  if (!isObject(note) || !typeAmong(note, NOTES)) return 'non_note_ignored'
  const objectId = idOf(note)
  // Only what is the actor's own, on the actor's own server: anything else would be said in somebody else's name.
  if (objectId === undefined || objectId.length > MAX_OBJECT_ID) return 'ignored'
  if (originOf(objectId) !== originOf(actor.id) || idOf(note['attributedTo']) !== actor.id) return 'ignored'
  const addressees = new Set([...audienceOf(note), ...audienceOf(document)])
  const isPublic = [...addressees].some((id) => PUBLIC.has(id) || id === actor.followers)
  if (isPublic) return 'public_ignored'
  return {
    objectId,
    addressees: [...addressees],
    text: textOf(note, addressees),
    files: attachmentsOf(note),
    publishedAt: timeOf(note['published'] ?? document['published']),
  }
}

function audienceOf(document: JsonObject): string[] {
  return ['to', 'cc', 'bto', 'bcc', 'audience'].flatMap((member) => idsOf(document[member]))
}

/** What its author typed, if their server says so, else what its HTML shows; a warning or title before it. */
function textOf(note: JsonObject, addressees: ReadonlySet<string>): string {
  const { source } = note
  const typed =
    isObject(source) && source['mediaType'] === 'text/plain' ? stringOf(source['content']) : undefined
  const text = typed ?? htmlToText(stringOf(note['content']) ?? '', addressees)
  const title = [note['summary'], note['name']]
    .map((part) => htmlToText(stringOf(part) ?? ''))
    .filter((part) => part !== '')
  return cleanText([...title.map((part) => `[${part}]`), text].join('\n')).trim()
}

function timeOf(value: unknown): number | undefined {
  const text = stringOf(value)
  const time = text === undefined || text.length > 40 ? Number.NaN : Date.parse(text)
  return Number.isNaN(time) ? undefined : time
}
