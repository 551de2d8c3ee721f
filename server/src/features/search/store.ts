import type { Db, Tx } from '#db/database.ts'
import type { Expression } from './expression.ts'

/** A message as it goes into the index: nothing but tokens. */
export interface IndexEntry {
  readonly messageId: string
  readonly channelId: string
  readonly sentAt: number
  /** The generation that its tokens are of. */
  readonly generation: number
  /** Of the words, in their order. */
  readonly inOrder: readonly string[]
  /** What has no place in the order. */
  readonly besides: readonly string[]
}

/** A place in the order of what was found: newest first, by time and id. */
export interface Place {
  readonly sentAt: number
  readonly messageId: string
}

export interface Range {
  /** Only what is in one of these channels. */
  readonly channelIds: readonly string[]
  /** Sent at this time or later, in milliseconds; may be infinite. */
  readonly since: number
  /** Sent before this time; may be infinite. */
  readonly until: number
  /** Only what comes after this place. */
  readonly after: Place | undefined
  readonly limit: number
}

/** Which message was found, as of which edit. */
export interface Found {
  readonly id: string
  readonly revision: number
  readonly changes: number
  readonly sent_at: number
}

/** The full-text index of one database product. */
export interface SearchStore {
  /** Indexes messages, or indexes them anew. Cannot fail, and is not waited for. */
  put(tx: Tx, entries: readonly IndexEntry[]): void
  /** Messages that match one of `expressions`, newest first. Everything committed before is taken into account. */
  find(expressions: readonly Expression[], range: Range): Promise<Found[]>
  /** Those of `ids` that are not deleted; they stay as they are until the transaction is over. */
  hold(tx: Tx, ids: readonly string[]): Promise<{ id: string; revision: number }[]>
  /** Puts into order what was written quickly. */
  settle(): Promise<void>
}

export interface Generation {
  readonly id: number
  readonly kid: string
  readonly rules: string
  readonly completed_at: number | null
}

/** What messages are, or were, indexed with; the newest last. */
export function listGenerations(db: Db): Promise<Generation[]> {
  return db
    .selectFrom('search_generation')
    .select(['id', 'kid', 'rules', 'completed_at'])
    .orderBy('id')
    .execute()
}

/** @returns false if another process was faster */
export async function insertGeneration(
  tx: Tx,
  generation: Omit<Generation, 'id'>,
  now: number,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('search_generation')
    .values({ ...generation, created_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

export async function completeGeneration(tx: Tx, id: number, now: number): Promise<void> {
  await tx.updateTable('search_generation').set({ completed_at: now }).where('id', '=', id).execute()
}

export async function deleteGeneration(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom('search_generation').where('id', '=', id).execute()
}

/** Whether a document was indexed with this generation. Looks at all of them if there is none. */
export async function isGenerationInUse(db: Db, id: number): Promise<boolean> {
  const row = await db
    .selectFrom('search_document')
    .select('message_id')
    .where('generation', '=', id)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export async function hasMessages(db: Db): Promise<boolean> {
  const row = await db
    .selectFrom('message')
    .select('id')
    .where('deleted_at', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Messages with ids below `below`, highest first. */
export function messagesBelow(
  db: Db,
  { below, limit }: { below: string; limit: number },
): Promise<{ id: string; revision: number; changes: number }[]> {
  return db
    .selectFrom('message')
    .select(['id', 'revision', 'changes'])
    .where('id', '<', below)
    .where('deleted_at', 'is', null)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}

/** Those of `ids` that are indexed with `generation`. */
export async function indexedWith(
  db: Db,
  generation: number,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('search_document')
    .select('message_id')
    .where('message_id', 'in', ids)
    .where('generation', '=', generation)
    .execute()
  return new Set(rows.map(({ message_id }) => message_id))
}

/** How many messages there are, and how many of them are indexed with `generation`. */
export async function countIndexed(
  db: Db,
  generation: number,
): Promise<{ messages: number; indexed: number }> {
  const count = ({ fn }: Pick<Db, 'fn'>) => fn.countAll<number>().as('count')
  const messages = await db
    .selectFrom('message')
    .select(count)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow()
  const indexed = await db
    .selectFrom('search_document')
    .select(count)
    .where('generation', '=', generation)
    .executeTakeFirstOrThrow()
  return { messages: messages.count, indexed: indexed.count }
}

/** How many messages were ever sent, in all channels. */
export async function countSent(db: Db): Promise<number> {
  const row = await db
    .selectFrom('channel')
    .select(({ fn }) => fn.sum<string | number | null>('last_seq').as('count'))
    .executeTakeFirstOrThrow()
  return Number(row.count ?? 0)
}
