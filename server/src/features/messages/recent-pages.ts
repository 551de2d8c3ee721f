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

/** Which page of a channel: the newest, or the one that ends before a number. */
export interface PageName {
  readonly limit: number
  readonly before: number | undefined
}

/**
 * Pages that were read lately: the newest ones of busy channels, which nearly everybody asks for, and those before
 * them, which people who came at the same time scroll through. Whether a page is current is told by the channel's
 * row, which is read with every request anyway: what is said in the channel is the same as long as `changes` is, and
 * what is below a number does not even change with new messages.
 */
export class RecentPages {
  readonly #pages = new Lru<string, Page>(REMEMBERED)

  /** @param channel as just read: a page that is read after it is at least as new */
  async get(
    channel: Pick<ChannelSeen, 'id' | 'last_seq' | 'changes'>,
    { limit, before }: PageName,
    load: () => Promise<readonly MessageContent[]>,
  ): Promise<readonly MessageContent[]> {
    const isNewest = before === undefined || before > channel.last_seq
    const name = `${channel.id}/${limit}/${isNewest ? '' : before}`
    const known = this.#pages.get(name)
    if (known?.changes === channel.changes && (!isNewest || known.lastSeq === channel.last_seq)) {
      return known.messages
    }
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

/**
 * The answer that carries a page; made again only when the page or one of its authors is another, or when it has
 * reactions, which look different to each reader.
 */
export function pageBytes(
  messages: readonly MessageContent[],
  authors: ReadonlyMap<string, Profile>,
  viewerId: string,
): Buffer {
  const known = rendered.get(messages)
  if (known && sameEntries(known.authors, authors)) return known.bytes
  const items = messages.map((message) => messageJson(message, authors, viewerId))
  const bytes = Buffer.from(`{"status_code":200,"messages":[${items.join(',')}]}`)
  if (messages.every(({ reactions }) => reactions.length === 0)) rendered.set(messages, { authors, bytes })
  return bytes
}

function sameEntries<K, V>(a: ReadonlyMap<K, V>, b: ReadonlyMap<K, V>): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (b.get(key) !== value) return false
  return true
}
