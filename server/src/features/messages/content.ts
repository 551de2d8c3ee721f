import type { Context } from '#context'
import type { Db } from '#db/database.ts'
import type { DataKey } from '#db/keyring.ts'
import type { AttachedFile, MessageContent, Reaction, ReplyTarget } from '#events/events.ts'
import { attachedFiles } from '#features/files/index.ts'
import { openMessage, sealMessage } from '#keys/seal.ts'
import { Lru } from '#lib/lru.ts'
import { listReactions } from './conversation-store.ts'
import { excerptOf } from './excerpt.ts'
import { findMessages, type LivingMessage, type MessageInChannel, type MessageRef } from './store.ts'

type Deps = Pick<Context, 'bus' | 'config' | 'keyring' | 'log'>

/** Shown in place of a message whose key is lost or whose ciphertext was changed. */
const UNREADABLE = '[message unavailable]'
const REMEMBERED = 5_000
/** What only comes to a message after it was sent. */
export const untouched = { edited: null, thread: null, pinned: null, reactions: [] } as const

/** Ties a ciphertext to its place: it cannot be moved to another message, channel or author. */
function associatedData(message: {
  id: string
  channelId: string
  senderId: string
  revision: number
}): string {
  return `message/v1/${message.id}/${message.channelId}/${message.senderId}/${message.revision}`
}

export function sealContent(
  key: DataKey,
  content: Pick<MessageContent, 'id' | 'channelId' | 'senderId' | 'text'>,
  revision: number,
): Buffer {
  return sealMessage(key.key, content.text, associatedData({ ...content, revision }))
}

/** A content is right for one state of its message only. */
interface Remembered {
  readonly changes: number
  readonly content: MessageContent
}

/** What hangs on messages and is in tables of its own. */
interface Attributes {
  readonly files: ReadonlyMap<string, readonly AttachedFile[]>
  readonly reactions: ReadonlyMap<string, readonly Reaction[]>
  readonly replyTargets: ReadonlyMap<string, ReplyTarget>
}

/** Decrypts messages, and remembers what it decrypted lately: the newest page of a busy channel is read often. */
export class MessageReader implements Disposable {
  readonly #ctx: Deps
  readonly #contents = new Lru<string, Remembered>(REMEMBERED)
  readonly #unsubscribe: () => void
  #generation = 0

  constructor(ctx: Deps) {
    this.#ctx = ctx
    this.#unsubscribe = ctx.bus.subscribe(({ event }) => {
      if (event.type === 'file.deleted') this.#contents.delete(event.messageId)
      else if (event.type === 'events.missed') this.#contents.clear()
      else return
      this.#generation++
    })
  }

  /**
   * Contents in the order of `refs`; what was deleted meanwhile is left out. What cannot be decrypted says so
   * instead of failing the whole page.
   */
  async read(db: Db, refs: readonly MessageRef[]): Promise<MessageContent[]> {
    const contents: (MessageContent | undefined)[] = []
    const missing: string[] = []
    for (const { id, changes } of refs) {
      const known = this.#contents.get(id)
      const content = known?.changes === changes ? known.content : undefined
      contents.push(content)
      if (!content) missing.push(id)
    }
    if (missing.length === 0) return contents as MessageContent[]
    const read = new Map<string, MessageContent>()
    const generation = this.#generation
    // What hangs on a message is read after the message, and so is no older than the state it is remembered for.
    const rows = await findMessages(db, missing)
    const attributes = await this.#attributesOf(db, rows)
    for (const row of rows) {
      const content = await this.#open(row, attributes)
      read.set(row.id, content)
      // A file may have been taken away while we read.
      if (generation === this.#generation && content.text !== UNREADABLE) this.remember(content, row.changes)
    }
    return refs.flatMap(({ id }, index) => contents[index] ?? read.get(id) ?? [])
  }

  /** The same from the database alone, and without remembering it: for what a transaction has not committed yet. */
  async readFresh(db: Db, refs: readonly Pick<MessageRef, 'id'>[]): Promise<MessageContent[]> {
    const rows = await findMessages(
      db,
      refs.map(({ id }) => id),
    )
    const attributes = await this.#attributesOf(db, rows)
    const contents = await Promise.all(rows.map((row) => this.#open(row, attributes)))
    return refs.flatMap(({ id }) => contents.find((content) => content.id === id) ?? [])
  }

  /** Keeps a message that was just written: it is about to be read by many. */
  remember(content: MessageContent, changes: number): void {
    this.#contents.set(content.id, { changes, content })
  }

  /** The text of a message, or of one of its revisions. */
  async textOf(
    message: Pick<LivingMessage, 'id' | 'channel_id' | 'sender_id' | 'revision' | 'kid' | 'sealed'>,
  ): Promise<string> {
    const { keyring, log } = this.#ctx
    const place = { id: message.id, channelId: message.channel_id, senderId: message.sender_id }
    try {
      const key = keyring.byId(message.kid) ?? (await keyring.find(message.kid))
      if (!key) throw new Error(`the key ${message.kid} is missing`)
      return openMessage(key.key, message.sealed, associatedData({ ...place, revision: message.revision }))
    } catch (cause) {
      log.error({ message_id: message.id, err: cause }, 'a message cannot be decrypted')
      return UNREADABLE
    }
  }

  async #attributesOf(db: Db, rows: readonly MessageInChannel[]): Promise<Attributes> {
    const withFiles = rows.filter(({ has_files }) => has_files === 1).map(({ id }) => id)
    const withReactions = rows.filter(({ reaction_count }) => reaction_count > 0).map(({ id }) => id)
    const answered = rows.flatMap(({ reply_to_id }) => reply_to_id ?? [])
    return {
      files: withFiles.length > 0 ? await attachedFiles(this.#ctx, db, withFiles) : new Map(),
      reactions: withReactions.length > 0 ? await reactionsOf(db, withReactions) : new Map(),
      replyTargets: answered.length > 0 ? await this.#replyTargets(db, answered) : new Map(),
    }
  }

  async #replyTargets(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, ReplyTarget>> {
    const targets = new Map<string, ReplyTarget>()
    for (const row of await findMessages(db, [...new Set(ids)])) {
      targets.set(row.id, { id: row.id, senderId: row.sender_id, excerpt: excerptOf(await this.textOf(row)) })
    }
    return targets
  }

  async #open(row: MessageInChannel, attributes: Attributes): Promise<MessageContent> {
    const { id, reply_to_id: answered } = row
    return {
      id,
      channelId: row.channel_id,
      isDirect: row.channel_type === 'dm',
      seq: row.seq,
      senderId: row.sender_id,
      text: await this.textOf(row),
      sentAt: row.sent_at,
      files: attributes.files.get(id) ?? [],
      edited: row.edited_at === null ? null : { at: row.edited_at, by: row.edited_by! },
      replyTo:
        answered === null
          ? null
          : (attributes.replyTargets.get(answered) ?? { id: answered, senderId: null, excerpt: null }),
      threadId: row.thread_id,
      thread: row.thread_replies === 0 ? null : { replies: row.thread_replies, lastAt: row.thread_last_at! },
      pinned: row.pinned_at === null ? null : { at: row.pinned_at, by: row.pinned_by! },
      reactions: attributes.reactions.get(id) ?? [],
    }
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }
}

/** Reactions by message: emoji in the order in which they were first used. */
export async function reactionsOf(db: Db, messageIds: readonly string[]): Promise<Map<string, Reaction[]>> {
  const byMessage = Map.groupBy(await listReactions(db, messageIds), ({ message_id }) => message_id)
  const reactions = new Map<string, Reaction[]>()
  for (const [id, rows] of byMessage) {
    const byEmoji = Map.groupBy(rows, ({ emoji }) => emoji)
    reactions.set(
      id,
      Array.from(byEmoji, ([emoji, of]) => ({ emoji, userIds: of.map(({ user_id }) => user_id) })),
    )
  }
  return reactions
}
