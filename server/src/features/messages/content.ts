import type { Db } from '#db/database.ts'
import type { DataKey, Keyring } from '#db/keyring.ts'
import type { MessageContent } from '#events/events.ts'
import { openMessage, sealMessage } from '#keys/seal.ts'
import { Lru } from '#lib/lru.ts'
import { findMessages, type LivingMessage, type MessageRef } from './store.ts'

/** Shown in place of a message whose key is lost or whose ciphertext was changed. */
const UNREADABLE = '[message unavailable]'
const REMEMBERED = 5_000

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
  content: Omit<MessageContent, 'seq' | 'sentAt'>,
  revision: number,
): Buffer {
  return sealMessage(key.key, content.text, associatedData({ ...content, revision }))
}

/** A content is right for one revision of its message only. */
interface Remembered {
  readonly revision: number
  readonly content: MessageContent
}

/** Decrypts messages, and remembers what it decrypted lately: the newest page of a busy channel is read often. */
export class MessageReader {
  readonly #keyring: Keyring
  readonly #contents = new Lru<string, Remembered>(REMEMBERED)
  readonly #onUnreadable: (messageId: string, cause: unknown) => void

  constructor(keyring: Keyring, onUnreadable: (messageId: string, cause: unknown) => void) {
    this.#keyring = keyring
    this.#onUnreadable = onUnreadable
  }

  /**
   * Contents in the order of `refs`; what was deleted meanwhile is left out. What cannot be decrypted says so
   * instead of failing the whole page.
   */
  async read(db: Db, refs: readonly MessageRef[]): Promise<MessageContent[]> {
    const contents: (MessageContent | undefined)[] = []
    const missing: string[] = []
    for (const { id, revision } of refs) {
      const known = this.#contents.get(id)
      const content = known?.revision === revision ? known.content : undefined
      contents.push(content)
      if (!content) missing.push(id)
    }
    if (missing.length === 0) return contents as MessageContent[]
    const read = new Map<string, MessageContent>()
    for (const row of await findMessages(db, missing)) read.set(row.id, await this.#open(row))
    return refs.flatMap(({ id }, index) => contents[index] ?? read.get(id) ?? [])
  }

  /** Keeps a message that was just written: it is about to be read by many. */
  remember(content: MessageContent, revision: number): void {
    this.#contents.set(content.id, { revision, content })
  }

  async #open(row: LivingMessage): Promise<MessageContent> {
    const place = { id: row.id, channelId: row.channel_id, senderId: row.sender_id }
    const frame = { ...place, seq: row.seq, sentAt: row.sent_at }
    try {
      const key = this.#keyring.byId(row.kid) ?? (await this.#keyring.find(row.kid))
      if (!key) throw new Error(`the key ${row.kid} is missing`)
      const text = openMessage(key.key, row.sealed, associatedData({ ...place, revision: row.revision }))
      const content = { ...frame, text }
      this.remember(content, row.revision)
      return content
    } catch (cause) {
      this.#onUnreadable(row.id, cause)
      return { ...frame, text: UNREADABLE }
    }
  }
}
