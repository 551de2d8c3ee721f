import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { MessageContent } from '#events/events.ts'
import { isBlocked, openDirectIn } from '#features/dms/index.ts'
import {
  noteReadElsewhere,
  receiveMessage,
  reviseReceived,
  withdrawReceived,
} from '#features/messages/index.ts'
import { restrictionsOf } from '#features/restrictions/index.ts'
import { HttpError } from '#http/errors.ts'
import { characterCount } from '#lib/text.ts'
import { actorUrl, idInActorUrl, messageIdInNoteUrl } from '../identity.ts'
import type { Effect, ProvenActivity } from '../inbox/effect.ts'
import { idOf, originOf } from '../json.ts'
import type { LocalActor } from '../local-actors.ts'
import type { RemoteActor } from '../remote-actor.ts'
import { ensureShadow } from '../shadows.ts'
import { insertNote, messagesOfNote } from '../store/notes.ts'
import { hasSeen, markSeen } from '../store/seen.ts'
import { fetchFiles, type FetchedFiles } from './fetch-files.ts'
import { readNote, type IncomingNote } from './incoming-note.ts'

export type DirectDeps = Pick<
  Context,
  | 'db'
  | 'clock'
  | 'config'
  | 'log'
  | 'keyring'
  | 'instance'
  | 'federation'
  | 'egress'
  | 'settings'
  | 'vault'
  | 'media'
  | 'scanner'
  | 'conversations'
  | 'messages'
  | 'profiles'
  | 'search'
  | 'notifications'
>

/** One note makes a message in the conversation with each of so many people here. */
const MAX_RECIPIENTS = 10

/** A direct message from elsewhere. @returns why it is none, in a word */
export async function receiveNote(
  ctx: DirectDeps,
  { activity, actor }: ProvenActivity,
): Promise<Effect | { action: string }> {
  const note = readNote(activity, actor)
  if (typeof note === 'string') return { action: note }
  const recipients = await recipientsOf(ctx, note)
  if (recipients.length === 0) return { action: 'no_local_recipient' }
  if (await hasSeen(ctx.db.read, actor.id, activity.id)) return { action: 'duplicate' }
  if (note.text === '' && note.files.length === 0) return { action: 'ignored' }
  const senderId = await shadowOf(ctx, actor)
  await using files = new AsyncDisposableStack()
  const fetched: FetchedFiles[] = []
  for (const _recipient of recipients) fetched.push(files.use(await fetchFiles(ctx, note.files, senderId)))
  // The gateway shows the author next to the message and should not have to wait for the database then.
  await ctx.profiles.of([senderId])
  const kept = files.move()
  const stored: { readonly message: MessageContent; readonly files: FetchedFiles }[] = []
  return {
    apply: async (tx, now) => {
      stored.length = 0
      if (await hasSeen(tx, actor.id, deletionOf(note.objectId))) return { action: 'ignored' }
      const { ban, timeout } = await restrictionsOf(tx, senderId, now)
      if (ban || timeout) return { action: 'dropped' }
      for (const [index, recipient] of recipients.entries()) {
        const own = fetched[index]!
        const message = await deliverTo(ctx, tx, {
          note,
          actor,
          senderId,
          recipient,
          files: own,
          now,
        })
        if (message) stored.push({ message, files: own })
      }
      return { action: stored.length > 0 ? 'dm_delivered' : 'dropped', delivered_count: stored.length }
    },
    committed: () => {
      for (const { message, files: own } of stored) {
        ctx.messages.remember(message, 0)
        for (const file of own.staged) file.kept()
      }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Somebody elsewhere says what they wrote in other words. What came with it stays. */
export function reviseNote(
  ctx: DirectDeps,
  { activity, actor }: ProvenActivity,
): Effect | { action: string } {
  const note = readNote(activity, actor)
  if (typeof note === 'string') return { action: 'ignored' }
  return {
    apply: async (tx) => {
      const messageIds = await messagesOfNote(tx, note.objectId, actor.id)
      if (messageIds.length === 0) return { action: 'ignored' }
      const text = fitting(note.text, ctx.settings.current.max_message_length)
      const senderId = await ensureShadow(ctx, tx, actor)
      const count = await reviseReceived(ctx, tx, { messageIds, senderId, text })
      return { action: count > 0 ? 'dm_edited' : 'ignored' }
    },
  }
}

/** Somebody elsewhere takes back what they wrote. */
export function deleteNote(
  ctx: DirectDeps,
  { activity, actor }: ProvenActivity,
): Effect | { action: string } {
  const objectId = idOf(activity.object)
  if (objectId === undefined || originOf(objectId) !== originOf(actor.id)) return { action: 'ignored' }
  return {
    apply: async (tx, now) => {
      const messageIds = await messagesOfNote(tx, objectId, actor.id)
      if (messageIds.length === 0) {
        // It may be overtaking what it deletes.
        await markSeen(tx, actor.id, deletionOf(objectId), now)
        return { action: 'ignored' }
      }
      const count = await withdrawReceived(ctx, tx, messageIds, await ensureShadow(ctx, tx, actor))
      return { action: count > 0 ? 'dm_deleted' : 'ignored' }
    },
  }
}

/** Somebody elsewhere has read what was written to them here. */
export function receiveRead(
  ctx: DirectDeps,
  { activity, actor }: ProvenActivity,
): Effect | { action: string } {
  const url = idOf(activity.object)
  const messageId = url === undefined ? undefined : messageIdInNoteUrl(ctx.instance.origin, url)
  if (messageId === undefined) return { action: 'ignored' }
  return {
    apply: async (tx) => {
      const userId = await ensureShadow(ctx, tx, actor)
      return { action: (await noteReadElsewhere(ctx, tx, { messageId, userId })) ? 'read_noted' : 'ignored' }
    },
  }
}

async function deliverTo(
  ctx: DirectDeps,
  tx: Tx,
  parts: {
    note: IncomingNote
    actor: RemoteActor
    senderId: string
    recipient: LocalActor
    files: FetchedFiles
    now: number
  },
): Promise<MessageContent | undefined> {
  const { note, actor, senderId, recipient, files, now } = parts
  const channelId = await conversationOf(ctx, tx, { actor, senderId, recipient })
  if (channelId === undefined) return undefined
  const message = await receiveMessage(ctx, tx, {
    channelId,
    senderId,
    text: fitting([note.text, ...files.left].join('\n').trim(), ctx.settings.current.max_message_length),
    // Nobody says something tomorrow.
    sentAt: Math.min(note.publishedAt ?? now, now),
    files: files.staged,
  })
  insertNote(tx, { objectId: note.objectId, messageId: message.id, actorId: actor.id })
  return message
}

/** @returns undefined when the recipient takes nothing from this person, of which nobody elsewhere is told */
async function conversationOf(
  ctx: DirectDeps,
  tx: Tx,
  { actor, senderId, recipient }: { actor: RemoteActor; senderId: string; recipient: LocalActor },
): Promise<string | undefined> {
  if (await isBlocked(tx, senderId, recipient.id)) return undefined
  const actorUri = actorUrl(ctx.instance.origin, recipient.id)
  try {
    const initiator = { userId: senderId, actorUri: actor.id }
    const peer = { userId: recipient.id, actorUri, remote: undefined }
    const channelId = await openDirectIn(ctx, tx, initiator, peer)
    await ctx.conversations.admit(tx, channelId, { senderId })
    return channelId
  } catch (error) {
    if (error instanceof HttpError && error.status === 403) return undefined
    throw error
  }
}

async function recipientsOf(ctx: DirectDeps, note: IncomingNote): Promise<LocalActor[]> {
  const ids = note.addressees.flatMap((url) => idInActorUrl(ctx.instance.origin, url) ?? [])
  const found: LocalActor[] = []
  for (const id of ids.slice(0, MAX_RECIPIENTS)) {
    const actor = await ctx.federation.local.byId(id)
    if (actor?.kind === 'person') found.push(actor)
  }
  return found
}

async function shadowOf(ctx: DirectDeps, actor: RemoteActor): Promise<string> {
  const known = ctx.federation.shadows.get(actor.id)
  if (known !== undefined) return known
  const userId = await ctx.db.transact((tx) => ensureShadow(ctx, tx, actor))
  ctx.federation.shadows.set(actor.id, userId)
  return userId
}

/** Text that may be stored: what is too long is cut rather than refused, as nobody is there to be told. */
function fitting(text: string, limit: number): string {
  return characterCount(text) <= limit ? text : `${[...text].slice(0, limit - 1).join('')}…`
}

/** The name under which it is remembered that a note was deleted before it came. */
function deletionOf(objectId: string): string {
  return `deleted ${objectId}`
}
