import type { Database, Db, Tx } from '#db/database.ts'
import { toFts5, type Expression } from './expression.ts'
import { monthsBetween, monthToken } from './months.ts'
import type { Found, IndexEntry, Range, SearchStore } from './store.ts'

/** Documents that may wait before they are put into the index together. */
const BATCH = 512
/** A document's number is the millisecond it was sent, and below it a counter of this many bits. */
const COUNTER_BITS = 20n
const LAST_COUNT = 2n ** COUNTER_BITS - 1n
const LAST_DOC = 2n ** 63n - 1n

/**
 * The index in FTS5, contentless: only tokens go in, only numbers come out.
 *
 * To put a single document into FTS5 takes as long as to store its message several times over, in a batch it takes a
 * fraction of that. So documents wait in a plain table, written by the transaction of their message, until enough of
 * them have come together or somebody searches.
 */
export class SqliteSearchStore implements SearchStore {
  readonly #db: Database
  readonly #onError: (error: unknown) => void
  /** Documents that may be waiting; others may have left some before this process started. */
  #waiting = 1
  #settling: Promise<void> | undefined
  /** Begins when the one that is under way is over. */
  #next: Promise<void> | undefined

  /** @param onError told when waiting documents could not be indexed in the background; they still wait then */
  constructor(db: Database, onError: (error: unknown) => void) {
    this.#db = db
    this.#onError = onError
  }

  put(tx: Tx, entries: readonly IndexEntry[]): void {
    const rows = entries.map(({ messageId, channelId, generation, sentAt, inOrder, besides }) => ({
      message_id: messageId,
      channel_id: channelId,
      generation,
      first_doc: firstDoc(sentAt),
      tokens: [...inOrder, ...besides, monthToken(sentAt)].join(' '),
    }))
    tx.later(tx.insertInto('search_pending').orReplace().values(rows))
    this.#waiting += rows.length
    if (this.#waiting >= BATCH) this.settle().catch(this.#onError)
  }

  async find(expressions: readonly Expression[], range: Range): Promise<Found[]> {
    await this.settle()
    const db = this.#db.aside
    const since = Number.isFinite(range.since) ? firstDoc(range.since) : 0n
    const until = Number.isFinite(range.until) ? firstDoc(range.until) : LAST_DOC
    const before = range.after ? await this.#placeOf(db, range.after) : LAST_DOC
    const end = until < before ? until : before
    const query = toFts5(expressions)
    const months = since === 0n && end === LAST_DOC ? undefined : await this.#monthsOf(db, since, end)
    if (months?.length === 0) return []
    return db
      .selectFrom('search_index')
      .innerJoin('search_document', 'search_document.doc', 'search_index.rowid')
      .innerJoin('message', 'message.id', 'search_document.message_id')
      .select(['message.id', 'message.revision', 'message.changes', 'message.sent_at'])
      .where('search_index.search_index', 'match', months ? `(${query}) AND (${months.join(' OR ')})` : query)
      .where('search_index.rowid', '>=', since)
      .where('search_index.rowid', '<', end)
      .where('search_document.channel_id', 'in', ({ selectFrom, fn, val }) =>
        selectFrom(
          fn<{ value: string }>('json_each', [val(JSON.stringify(range.channelIds))]).as('channel'),
        ).select('channel.value'),
      )
      .where('message.deleted_at', 'is', null)
      .orderBy('search_index.rowid', 'desc')
      .limit(range.limit)
      .execute()
  }

  /** The number of a document, or of where it would be. */
  async #placeOf(db: Db, { messageId, sentAt }: { messageId: string; sentAt: number }): Promise<bigint> {
    const row = await db
      .selectFrom('search_document')
      .select(({ cast }) => cast<string>('doc', 'text').as('digits'))
      .where('message_id', '=', messageId)
      .executeTakeFirst()
    return row ? BigInt(row.digits) : firstDoc(sentAt)
  }

  /**
   * The months between two numbers, as tokens. FTS5 walks through all that comes after `end` to get there, but skips to
   * where two lists meet.
   *
   * @returns undefined when there are too many
   */
  async #monthsOf(db: Db, since: bigint, end: bigint): Promise<string[] | undefined> {
    const of = (order: 'asc' | 'desc') =>
      db
        .selectFrom('search_document')
        .select(({ cast }) => cast<string>('doc', 'text').as('digits'))
        .orderBy('doc', order)
        .limit(1)
        .executeTakeFirst()
    const [first, last] = [await of('asc'), await of('desc')]
    if (!first || !last) return []
    const from = since > BigInt(first.digits) ? since : BigInt(first.digits)
    const to = end <= BigInt(last.digits) ? end - 1n : BigInt(last.digits)
    return monthsBetween(timeOf(from), timeOf(to))
  }

  hold(tx: Tx, ids: readonly string[]): Promise<{ id: string; revision: number }[]> {
    // Whoever else writes waits until this transaction is over.
    return tx
      .selectFrom('message')
      .select(['id', 'revision'])
      .where('id', 'in', ids)
      .where('deleted_at', 'is', null)
      .execute()
  }

  /** Resolves when everything that waits now is in the index. */
  settle(): Promise<void> {
    if (this.#waiting === 0 && !this.#settling) return Promise.resolve()
    if (!this.#settling) return (this.#settling = this.#settle())
    // What is under way may have begun before the newest document came.
    return (this.#next ??= this.#settling
      .catch(() => {})
      .then(() => {
        this.#next = undefined
        return this.settle()
      }))
  }

  async #settle(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = 0
    try {
      await this.#db.transact(async (tx) => {
        numberPending(tx)
        tx.later(
          tx
            .insertInto('search_index')
            .orReplace()
            .columns(['rowid', 'tokens'])
            .expression(({ selectFrom }) =>
              selectFrom('search_pending')
                .innerJoin('search_document', 'search_document.message_id', 'search_pending.message_id')
                .select(['search_document.doc', 'search_pending.tokens'])
                .orderBy('search_document.doc'),
            ),
        )
        await tx.deleteFrom('search_pending').execute()
      })
    } catch (error) {
      this.#waiting += waiting
      throw error
    } finally {
      this.#settling = undefined
    }
  }
}

/** Gives numbers to waiting messages that have none: the next ones after those that were sent at the same time. */
function numberPending(tx: Tx): void {
  tx.later(
    tx
      .insertInto('search_document')
      .columns(['doc', 'message_id', 'channel_id', 'generation'])
      .expression(({ selectFrom }) =>
        selectFrom('search_pending')
          .select((eb) => [
            eb(
              eb.fn.coalesce(
                eb
                  .selectFrom('search_document')
                  .select(({ fn }) => fn.max<bigint>('doc').as('last'))
                  .whereRef('doc', '>=', 'search_pending.first_doc')
                  .where('doc', '<=', eb(eb.ref('search_pending.first_doc'), '+', LAST_COUNT)),
                eb('search_pending.first_doc', '-', 1n),
              ),
              '+',
              eb.fn
                .agg<bigint>('row_number')
                .over((over) => over.partitionBy('search_pending.first_doc').orderBy('search_pending.id')),
            ).as('doc'),
            'message_id',
            'channel_id',
            'generation',
          ])
          // Without a condition SQLite would take what follows for part of a join.
          .where('search_pending.id', 'is not', null),
      )
      .onConflict((conflict) =>
        conflict.column('message_id').doUpdateSet(({ ref }) => ({ generation: ref('excluded.generation') })),
      ),
  )
}

function firstDoc(sentAt: number): bigint {
  return BigInt(sentAt) << COUNTER_BITS
}

function timeOf(doc: bigint): number {
  return Number(doc >> COUNTER_BITS)
}
