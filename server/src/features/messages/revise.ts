import type { Context } from '#context'
import type { DataKey } from '#db/keyring.ts'
import type { Tx } from '#db/database.ts'
import type { MessageContent } from '#events/events.ts'
import { noteChange } from '#features/channels/index.ts'
import { sealContent } from './content.ts'
import { insertRevision, noteMessageChange, reviseMessage } from './conversation-store.ts'
import type { LivingMessage } from './store.ts'

/** Another text for a message, ready to be stored. */
export interface Revised {
  readonly text: string
  readonly edited: { readonly at: number; readonly by: string }
  readonly key: DataKey
  readonly sealed: Buffer
  readonly indexed: ReturnType<Context['search']['entryOf']>
}

/** Encrypts another text for a message and makes it ready to be found: what no transaction should wait for. */
export function reviseText(
  ctx: Pick<Context, 'keyring' | 'search'>,
  before: MessageContent,
  { text, revision, edited }: { text: string; revision: number; edited: Revised['edited'] },
): Revised {
  const after = { ...before, text }
  const key = ctx.keyring.current('message')
  return {
    text,
    edited,
    key,
    sealed: sealContent(key, after, revision),
    indexed: ctx.search.entryOf(after),
  }
}

/**
 * Gives a message another text, once it is known that it may have it, keeps what it said before, and announces it. To be
 * called when the channel is locked: whoever answers the message waits, and then shows what it says from now on.
 *
 * @param message as it was when `revised` was made
 * @returns the message as it is now; undefined if somebody else has changed its text or deleted it meanwhile
 */
export async function storeRevision(
  ctx: Pick<Context, 'messages' | 'search'>,
  tx: Tx,
  message: LivingMessage,
  { text, edited, key, sealed, indexed }: Revised,
): Promise<MessageContent | undefined> {
  if (!(await reviseMessage(tx, message, { kid: key.kid, sealed }, edited))) return undefined
  insertRevision(tx, revisionOf(message))
  noteMessageChange(tx, message.id)
  noteChange(tx, message.channel_id)
  ctx.search.put(tx, indexed)
  // What is said about it may have changed since it was read; its text has not.
  const [current] = await ctx.messages.readFresh(tx, [message])
  const content = { ...current!, text, edited }
  tx.publish({ type: 'message.edited', message: content })
  return content
}

/** What a message says, as a row of its history. */
export function revisionOf(message: LivingMessage) {
  return {
    message_id: message.id,
    revision: message.revision,
    kid: message.kid,
    sealed: message.sealed,
    written_at: message.edited_at ?? message.sent_at,
    written_by: message.edited_by ?? message.sender_id,
  }
}
