import type { Context } from '#context'
import type { Db } from '#db/database.ts'
import type { DataKey } from '#db/keyring.ts'
import type { AttachedFile, MessageContent } from '#events/events.ts'
import { attachedFiles } from '#features/files/index.ts'
import { openMessage, sealMessage } from '#keys/seal.ts'
import { Lru } from '#lib/lru.ts'
import { findMessages, type MessageInChannel, type MessageRef } from './store.ts'

type Deps = Pick<Context, 'bus' | 'config' | 'keyring' | 'log'>

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
  content: Pick<MessageContent, 'id' | 'channelId' | 'senderId' | 'text'>,
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
    for (const { id, revision } of refs) {
      const known = this.#contents.get(id)
      const content = known?.revision === revision ? known.content : undefined
      contents.push(content)
      if (!content) missing.push(id)
    }
    if (missing.length === 0) return contents as MessageContent[]
    const read = new Map<string, MessageContent>()
    const generation = this.#generation
    const rows = await findMessages(db, missing)
    const withFiles = rows.filter(({ has_files }) => has_files === 1).map(({ id }) => id)
    const files = withFiles.length > 0 ? await attachedFiles(this.#ctx, db, withFiles) : undefined
    for (const row of rows) {
      const content = await this.#open(row, files?.get(row.id) ?? [])
      read.set(row.id, content)
      // A file may have been taken away while we read.
      if (generation === this.#generation && content.text !== UNREADABLE) this.remember(content, row.revision)
    }
    return refs.flatMap(({ id }, index) => contents[index] ?? read.get(id) ?? [])
  }

  /** Keeps a message that was just written: it is about to be read by many. */
  remember(content: MessageContent, revision: number): void {
    this.#contents.set(content.id, { revision, content })
  }

  async #open(row: MessageInChannel, files: readonly AttachedFile[]): Promise<MessageContent> {
    const place = { id: row.id, channelId: row.channel_id, senderId: row.sender_id }
    const frame = { ...place, isDirect: row.channel_type === 'dm', seq: row.seq, sentAt: row.sent_at, files }
    const { keyring, log } = this.#ctx
    try {
      const key = keyring.byId(row.kid) ?? (await keyring.find(row.kid))
      if (!key) throw new Error(`the key ${row.kid} is missing`)
      const text = openMessage(key.key, row.sealed, associatedData({ ...place, revision: row.revision }))
      return { ...frame, text }
    } catch (cause) {
      log.error({ message_id: row.id, err: cause }, 'a message cannot be decrypted')
      return { ...frame, text: UNREADABLE }
    }
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }
}
