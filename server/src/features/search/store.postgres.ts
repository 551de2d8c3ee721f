import type { Database, Tx } from '#db/database.ts'
import { toTsquery, type Expression } from './expression.ts'
import { monthsBetween, monthToken } from './months.ts'
import type { Found, IndexEntry, Place, Range, SearchStore } from './store.ts'

/** So many messages are looked at one by one, the newest first. */
const FIRST = 2000
/** The second window should hold so many times what is wanted, going by the first one. */
const SAFETY = 1.5
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
 * the index, as far back as should do, going by how many matches were among those, then farther, then all the rest. Each
 * message has its month as a token, so that the index itself can tell what is outside of a window.
 */
export class PostgresSearchStore implements SearchStore {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
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
    const floor = Number.isFinite(range.since) ? range.since : 0
    const start = startOf(range)
    const found = await this.#lookThrough(query, range, { since: floor, before: start })
    if (found.length === range.limit) return found
    const [newest, last] = await this.#placesAfter(start, [0, FIRST - 1])
    if (!newest || !last || last.sentAt < floor) return found
    let span = ((newest.sentAt - last.sentAt) * SAFETY * range.limit) / Math.max(1, found.length)
    let before = last
    for (let turn = 1; found.length < range.limit; turn++, span *= GROWTH) {
      const since = turn === WINDOWS ? floor : Math.max(floor, Math.floor(newest.sentAt - span))
      const limit = range.limit - found.length
      found.push(...(await this.#searchIndex(query, { ...range, limit }, { since, before })))
      if (since === floor) break
      before = { sentAt: since, messageId: '' }
    }
    return found
  }

  /** The places of the messages that come so many after another place, as far as there are any. */
  async #placesAfter({ sentAt, messageId }: Place, counts: readonly [number, number]): Promise<Place[]> {
    const one = (count: number) =>
      this.#db.aside
        .selectFrom('search_document')
        .select(['sent_at', 'message_id'])
        .where((where) => where(where.refTuple('sent_at', 'message_id'), '<', where.tuple(sentAt, messageId)))
        .orderBy('sent_at', 'desc')
        .orderBy('message_id', 'desc')
        .offset(count)
        .limit(1)
    const rows = await this.#db.aside
      .selectFrom(one(counts[0]).as('one'))
      .selectAll()
      .unionAll(this.#db.aside.selectFrom(one(counts[1]).as('two')).selectAll())
      .execute()
    return rows.map((row) => ({ sentAt: row.sent_at, messageId: row.message_id }))
  }

  /** Looks at the newest messages of a window one by one, until enough are found. */
  #lookThrough(query: string, { channelIds, limit }: Range, window: Window): Promise<Found[]> {
    return this.#db.aside
      .selectFrom(
        // The limit keeps the planner from asking the index for all there is, only to throw most of it away.
        this.#within(window).orderBy('sent_at', 'desc').orderBy('message_id', 'desc').limit(FIRST).as('hit'),
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
