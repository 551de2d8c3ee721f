import type { Context } from '#context'
import { accessChannelWith } from '#features/channels/index.ts'
import { Lru } from '#lib/lru.ts'
import type { Standing } from '#lib/permission.ts'

/** Clients say it again and again while somebody is typing; more often than this nobody needs to hear it. */
const INTERVAL_MS = 3000
const REMEMBERED = 10_000

/** Tells those who see a channel that somebody is writing there. Nothing of it is stored. */
export class Typing {
  readonly #ctx: Pick<Context, 'bus' | 'clock' | 'conversations' | 'db'>
  /** When somebody was last heard in a channel. */
  readonly #heard = new Lru<string, number>(REMEMBERED)

  constructor(ctx: Pick<Context, 'bus' | 'clock' | 'conversations' | 'db'>) {
    this.#ctx = ctx
  }

  /**
   * Somebody says that they are typing. Who may not write there is not announced.
   *
   * @throws HttpError 403, 404
   */
  async notice(person: Standing, channelId: string): Promise<void> {
    const { bus, clock, conversations, db } = this.#ctx
    const { userId } = person
    const name = `${userId}/${channelId}`
    const at = clock()
    if (at - (this.#heard.get(name) ?? -Infinity) < INTERVAL_MS) return
    this.#heard.set(name, at)
    const { type } = await accessChannelWith(db.read, person, 'send_messages', channelId)
    if (type === 'dm') await conversations.admitReaction(db.read, channelId, userId)
    bus.publish({ event: { type: 'typing.noticed', channelId, userId, at } })
  }
}
