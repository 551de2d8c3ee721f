import type { Database, Tx } from '#db/database.ts'
import { toTsquery, type Expression } from './expression.ts'
import { monthsBetween, monthToken } from './months.ts'
import type { Found, IndexEntry, Place, Range, SearchStore } from './store.ts'

/** So many messages are looked at one by one, the newest first. */
const FIRST = 2000
/** The second window should hold so many matches, going by the first one. They are fetched in a millisecond or two. */
const TARGET = 40
/** If the first window held none, the second one goes so many times as far back: it may hold some hundreds. */
const FAR = 800
/** Each further window goes back so many times as far. */
const GROWTH = 6
/** Windows that are searched by the index; the last one is all the rest. */
const WINDOWS = 4
/** Part of the history: from `since` up to a place. */
interface Window {
  readonly since: number
  readonly before: Place
}

/**
 * The index as a `tsvector` for each message, with a GIN index over them.
 *
 * GIN finds all messages with a word but does not know which of them are the newest. A word that is in every tenth
 * message would mean to fetch and sort a hundred thousand of a million. So the history is searched in windows: first
 * the newest two thousand messages, which are looked at one by one and are enough for words that are common; then, by
 * the index, as far back as should do, going by how many matches were among those, then farther, then all the rest. For
 * words that are rare, that is all the rest at once. Each message has its month as a token, so that the index itself can
 * tell what is outside of a window; reading the lists of months is most of the work, so a window without a beginning
 * does without them.
 */
export class PostgresSearchStore implements SearchStore {
  readonly #db: Database
  readonly #first: number

  /** @param first how many messages are looked at one by one */
  constructor(db: Database, first = FIRST) {
    this.#db = db
    this.#first = first
  }

  put(tx: Tx, entries: readonly IndexEntry[]): void {
    const rows = entries.map((entry) => ({
      message_id: entry.messageId,
      channel_id: entry.channelId,
      sent_at: entry.sentAt,
      generation: entry.generation,
      tokens: toTsvector(entry),
    }))
    tx.later(
      tx
        .insertInto('search_document')
        .values(rows)
        .onConflict((conflict) =>
          conflict.column('message_id').doUpdateSet(({ ref }) => ({
            generation: ref('excluded.generation'),
            tokens: ref('excluded.tokens'),
          })),
        ),
    )
  }

  async find(expressions: readonly Expression[], range: Range): Promise<Found[]> {
    const query = toTsquery(expressions)
    const start = startOf(range)
    const first = { since: Math.max(0, range.since), before: start }
    const found = await this.#lookThrough(query, range, first)
    if (found.length === range.limit) return found
    const [newest, last, oldest] = await this.#placesAfter(start)
    if (!newest || !last || last.sentAt < range.since) return found
    const floor = range.since <= (oldest?.sentAt ?? 0) ? 0 : range.since
    let span = (newest.sentAt - last.sentAt) * (found.length === 0 ? FAR : TARGET / found.length)
    let before = last
    for (let turn = 1; found.length < range.limit; turn++, span *= GROWTH) {
      const back = Math.floor(newest.sentAt - span)
      const since = turn === WINDOWS || back <= (oldest?.sentAt ?? 0) ? floor : Math.max(floor, back)
      const limit = range.limit - found.length
      found.push(...(await this.#searchIndex(query, { ...range, limit }, { since, before })))
      if (since === floor) break
      before = { sentAt: since, messageId: '' }
    }
    return found
  }

  /** The newest message before a place, the last one that is looked at by itself, and the oldest of all. */
  async #placesAfter({ sentAt, messageId }: Place): Promise<(Place | undefined)[]> {
    const one = (name: string, count: number, order: 'asc' | 'desc') =>
      this.#db.aside
        .selectFrom('search_document')
        .select((eb) => ['sent_at', 'message_id', eb.val(name).as('name')])
        .where((where) => where(where.refTuple('sent_at', 'message_id'), '<', where.tuple(sentAt, messageId)))
        .orderBy('sent_at', order)
        .orderBy('message_id', order)
        .offset(count)
        .limit(1)
        .as(name)
    const { aside } = this.#db
    const rows = await aside
      .selectFrom(one('newest', 0, 'desc'))
      .selectAll()
      .unionAll(aside.selectFrom(one('last', this.#first - 1, 'desc')).selectAll())
      .unionAll(aside.selectFrom(one('oldest', 0, 'asc')).selectAll())
      .execute()
    return ['newest', 'last', 'oldest'].map((name) => {
      const row = rows.find((found) => found.name === name)
      return row && { sentAt: row.sent_at, messageId: row.message_id }
    })
  }

  /** Looks at the newest messages of a window one by one, until enough are found. */
  #lookThrough(query: string, { channelIds, limit }: Range, window: Window): Promise<Found[]> {
    return this.#db.aside
      .selectFrom(
        // The limit keeps the planner from asking the index for all there is, only to throw most of it away.
        this.#within(window)
          .orderBy('sent_at', 'desc')
          .orderBy('message_id', 'desc')
          .limit(this.#first)
          .as('hit'),
      )
      .innerJoin('message', 'message.id', 'hit.message_id')
      .select(['message.id', 'message.revision', 'message.changes', 'message.sent_at'])
      .where('hit.tokens', '@@', query)
      .where((where) => where('hit.channel_id', '=', where.fn.any(where.val(channelIds))))
      .orderBy('hit.sent_at', 'desc')
      .orderBy('hit.message_id', 'desc')
      .limit(limit)
      .execute()
  }

  /** Finds messages of a window by the index. */
  #searchIndex(query: string, { channelIds, limit }: Range, window: Window): Promise<Found[]> {
    const months = window.since > 0 ? monthsBetween(window.since, window.before.sentAt) : undefined
    const matching = this.#within(window)
      .where('tokens', '@@', months ? `(${query}) & (${months.join(' | ')})` : query)
      .where((where) => where('channel_id', '=', where.fn.any(where.val(channelIds))))
      // Keeps the planner from walking through the history in its order, in the hope to meet a match soon.
      .offset(0)
    const newest = this.#db.aside
      .selectFrom(matching.as('match'))
      .select(['message_id', 'sent_at'])
      .orderBy('sent_at', 'desc')
      .orderBy('message_id', 'desc')
      .limit(limit)
    return this.#db.aside
      .selectFrom(newest.as('hit'))
      .innerJoin('message', 'message.id', 'hit.message_id')
      .select(['message.id', 'message.revision', 'message.changes', 'message.sent_at'])
      .orderBy('hit.sent_at', 'desc')
      .orderBy('hit.message_id', 'desc')
      .execute()
  }

  #within({ since, before }: Window) {
    return this.#db.aside
      .selectFrom('search_document')
      .select(['message_id', 'channel_id', 'sent_at', 'tokens'])
      .where('sent_at', '>=', since)
      .where((where) =>
        where(where.refTuple('sent_at', 'message_id'), '<', where.tuple(before.sentAt, before.messageId)),
      )
  }

  hold(tx: Tx, ids: readonly string[]): Promise<{ id: string; revision: number }[]> {
    return tx
      .selectFrom('message')
      .select(['id', 'revision'])
      .where('id', 'in', ids)
      .where('deleted_at', 'is', null)
      .orderBy('id')
      .forShare()
      .execute()
  }

  async settle(): Promise<void> {}
}

function startOf({ until, after }: Range): Place {
  const end = { sentAt: Number.isFinite(until) ? until : Number.MAX_SAFE_INTEGER, messageId: '' }
  return after && after.sentAt < end.sentAt ? after : end
}

/** A `tsvector` as PostgreSQL reads it: each token with its places, or without any. */
function toTsvector({ inOrder, besides, sentAt }: IndexEntry): string {
  const places = new Map<string, number[]>()
  for (const [index, token] of inOrder.entries()) {
    const known = places.get(token)
    if (known) known.push(index + 1)
    else places.set(token, [index + 1])
  }
  return [
    ...[...places].map(([token, at]) => `${token}:${at.join(',')}`),
    ...besides,
    monthToken(sentAt),
  ].join(' ')
}
