import type { MessageContent } from '#events/events.ts'
import type { Profile } from '#features/accounts/index.ts'
import type { ChannelSeen } from '#features/channels/index.ts'
import { Lru } from '#lib/lru.ts'
import { messageJson } from './wire.ts'

const REMEMBERED = 500

interface Page {
  readonly lastSeq: number
  readonly changes: number
  readonly messages: readonly MessageContent[]
}

/**
 * The newest page of busy channels, which is what nearly everybody asks for. A page is current exactly as long as
 * the channel's row says so, and that row is read with every request anyway.
 */
export class NewestPages {
  readonly #pages = new Lru<string, Page>(REMEMBERED)

  /** @param channel as just read: a page that is read after it is at least as new */
  async get(
    channel: Pick<ChannelSeen, 'id' | 'last_seq' | 'changes'>,
    limit: number,
    load: () => Promise<readonly MessageContent[]>,
  ): Promise<readonly MessageContent[]> {
    const name = `${channel.id}/${limit}`
    const known = this.#pages.get(name)
    if (known?.lastSeq === channel.last_seq && known.changes === channel.changes) return known.messages
    const messages = await load()
    this.#pages.set(name, { lastSeq: channel.last_seq, changes: channel.changes, messages })
    return messages
  }
}

interface Rendered {
  readonly authors: ReadonlyMap<string, Profile>
  readonly bytes: Buffer
}

const rendered = new WeakMap<readonly MessageContent[], Rendered>()

/** The answer that carries a page; made again only when the page or one of its authors is another. */
export function pageBytes(
  messages: readonly MessageContent[],
  authors: ReadonlyMap<string, Profile>,
): Buffer {
  const known = rendered.get(messages)
  if (known && sameEntries(known.authors, authors)) return known.bytes
  const items = messages.map((message) => messageJson(message, authors.get(message.senderId)))
  const bytes = Buffer.from(`{"status_code":200,"messages":[${items.join(',')}]}`)
  rendered.set(messages, { authors, bytes })
  return bytes
}

function sameEntries<K, V>(a: ReadonlyMap<K, V>, b: ReadonlyMap<K, V>): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (b.get(key) !== value) return false
  return true
}
