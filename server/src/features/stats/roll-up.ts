import type { Context } from '#context'
import { addCounts } from './store.ts'
import { advanceRollUp, channelsBehind, countNewMessages, rollUpPlace } from './roll-up-store.ts'

/** Messages counted at once: on SQLite everybody waits for so long. */
const PIECE = 10_000

/**
 * Brings the counts of messages up to date. What is new in a channel is known by its numbers, which have no gaps and
 * follow the commits: the one noted last tells where to go on, and it moves in the transaction that adds the counts. So
 * each message is counted once, whoever counts and whatever becomes of the process.
 *
 * @param limit messages after which it ends
 * @returns how many were counted, and whether that is all
 */
export async function rollUpMessages(
  ctx: Pick<Context, 'db'>,
  {
    limit = Infinity,
    signal,
    progress,
  }: { limit?: number; signal?: AbortSignal; progress?: (done: number) => void } = {},
): Promise<{ counted: number; done: boolean }> {
  let counted = 0
  for (const { id, last_seq: lastSeq, seq } of await channelsBehind(ctx.db.read)) {
    for (let from = seq; from < lastSeq;) {
      if (counted >= limit) return { counted, done: false }
      signal?.throwIfAborted()
      const to = Math.min(lastSeq, from + PIECE)
      if (!(await rollUpPiece(ctx, id, from, to))) break
      counted += to - from
      from = to
      progress?.(counted)
    }
  }
  return { counted, done: true }
}

/** Counts the messages of a channel before they are removed. */
export async function rollUpChannel(ctx: Pick<Context, 'db'>, channelId: string): Promise<void> {
  for (;;) {
    const place = await rollUpPlace(ctx.db.read, channelId)
    if (!place || place.seq >= place.last_seq) return
    await rollUpPiece(ctx, channelId, place.seq, Math.min(place.last_seq, place.seq + PIECE))
  }
}

/** @returns false if somebody else did it at the same time */
async function rollUpPiece(
  ctx: Pick<Context, 'db'>,
  channelId: string,
  from: number,
  to: number,
): Promise<boolean> {
  const counts = await countNewMessages(ctx.db.read, channelId, from, to)
  return ctx.db.transact(async (tx) => {
    if (!(await advanceRollUp(tx, channelId, from, to))) return false
    await addCounts(tx, 'messages', counts)
    return true
  })
}
