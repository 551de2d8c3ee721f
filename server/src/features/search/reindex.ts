import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '#context'
import {
  completeGeneration,
  countIndexed,
  deleteGeneration,
  indexedWith,
  isGenerationInUse,
  listGenerations,
  messagesBelow,
} from './store.ts'

/** Few enough that others get their turn in between. */
const BATCH = 200
/** Above every id. */
const HIGHEST = 'g'
/** What was begun with an old key is over by then. */
const SETTLED_MS = 60_000

type Deps = Pick<Context, 'db' | 'search' | 'messages' | 'clock' | 'keyring'>

export interface ReindexOptions {
  readonly signal: AbortSignal
  /** Rest between two batches, in milliseconds, for what others want to do. */
  readonly pauseMs: number
  /** Told how many messages were indexed so far. */
  readonly onProgress?: (indexed: number) => void
}

export interface SearchStatus {
  readonly messages: number
  readonly indexed: number
  readonly complete: boolean
}

/**
 * Indexes every message that is not indexed with the key and the rules in use. Searching and sending go on meanwhile.
 * It may be stopped at any time and begun again: what is done is not done twice.
 */
export async function reindex(ctx: Deps, { signal, pauseMs, onProgress }: ReindexOptions): Promise<void> {
  await ctx.search.reload()
  const { id } = ctx.search.generation
  let total = 0
  let indexed: number
  // A message that changed while it was read is left to the next round.
  do {
    indexed = 0
    for (let below: string | undefined = HIGHEST; below !== undefined;) {
      signal.throwIfAborted()
      const batch = await indexBatch(ctx, id, below)
      indexed += batch.indexed
      below = batch.lowest
      onProgress?.(total + indexed)
      if (pauseMs > 0) await sleep(pauseMs)
    }
    // What waits to be indexed together does not count as indexed yet.
    await ctx.search.store.settle()
    total += indexed
  } while (indexed > 0)
  if (ctx.search.generation.completed_at === null)
    await ctx.db.transact(async (tx) => {
      await completeGeneration(tx, id, ctx.clock())
      tx.publish({ type: 'search.changed' })
    })
  await ctx.search.reload()
}

/** Looks at the messages below an id, and indexes those that are to be. */
async function indexBatch(
  ctx: Deps,
  generation: number,
  below: string,
): Promise<{ indexed: number; lowest: string | undefined }> {
  const { db, search } = ctx
  const batch = await messagesBelow(db.aside, { below, limit: BATCH })
  const lowest = batch.at(-1)?.id
  if (lowest === undefined) return { indexed: 0, lowest }
  const done = await indexedWith(
    db.aside,
    generation,
    batch.map(({ id }) => id),
  )
  const stale = batch.filter(({ id }) => !done.has(id))
  if (stale.length === 0) return { indexed: 0, lowest }
  const revisions = new Map(stale.map(({ id, revision }) => [id, revision]))
  const entries = (await ctx.messages.read(db.read, stale)).map((content) => search.entryOf(content))
  const indexed = await db.transact(async (tx) => {
    const held = await search.store.hold(tx, [...revisions.keys()])
    const unchanged = new Set(
      held.filter(({ id, revision }) => revision === revisions.get(id)).map(({ id }) => id),
    )
    const current = entries.filter(({ messageId }) => unchanged.has(messageId))
    if (current.length > 0) search.store.put(tx, current)
    return current.length
  })
  return { indexed, lowest }
}

/**
 * Forgets keys and rules that no message is indexed with any more.
 *
 * @returns when to try again, if it is too early: a message that was being sent may still come with an old key
 */
export async function dropOldGenerations(ctx: Deps): Promise<number | undefined> {
  const { db, search, clock, keyring } = ctx
  const { id, kid, completed_at: completedAt } = search.generation
  const generations = await listGenerations(db.read)
  const old = generations.filter((one) => one.id !== id)
  if (old.length === 0 || completedAt === null) return undefined
  if (clock() - completedAt < SETTLED_MS) return completedAt + SETTLED_MS
  for (const one of old) {
    if (await isGenerationInUse(db.aside, one.id)) return clock() + SETTLED_MS
    await db.transact(async (tx) => {
      await deleteGeneration(tx, one.id)
      tx.publish({ type: 'search.changed' })
    })
  }
  for (const one of old) if (one.kid !== kid) await keyring.destroy(one.kid)
  await search.reload()
  return undefined
}

/** How far the index is. Counts every message. */
export async function searchStatus({ db, search }: Pick<Context, 'db' | 'search'>): Promise<SearchStatus> {
  const { id, completed_at } = search.generation
  return { ...(await countIndexed(db.aside, id)), complete: completed_at !== null }
}

/** Takes a new key for the index; everything is indexed again with it. The old key goes when that is done. */
export async function replaceSearchKey({
  keyring,
  search,
}: Pick<Context, 'keyring' | 'search'>): Promise<void> {
  await keyring.replace('search')
  await search.reload()
}
