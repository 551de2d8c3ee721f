import type { Context } from '#context'
import { lockChannel, noteChange } from '#features/channels/index.ts'
import { firstSeqSince, removeMessages } from '#features/messages/index.ts'
import { rollUpChannel } from '#features/stats/index.ts'
import { daysKept } from './policy.ts'
import { listRetention, notePruned, type ChannelRetention } from './store.ts'

const DAY = 24 * 3600 * 1000
/** Few enough that others get their turn in between. */
const BATCH = 500

type Deps = Pick<Context, 'db' | 'clock' | 'settings'>

/** Removes messages that are older than their channel, or the server, says. @returns how many */
export async function pruneOldMessages(
  ctx: Deps,
  { signal, progress }: { signal: AbortSignal; progress: (done: number, total: number) => void },
): Promise<number> {
  const channels = await listRetention(ctx.db.read)
  let total = 0
  for (const [index, channel] of channels.entries()) {
    const days = daysKept(ctx.settings.current.message_retention_days, channel.days)
    if (days !== undefined) total += await pruneChannel(ctx, channel, ctx.clock() - days * DAY, signal)
    progress(index + 1, channels.length)
  }
  return total
}

/**
 * Removes what was sent before a time. The numbers of a channel follow its times, so it is everything up to a number,
 * which is what clients are told.
 */
async function pruneChannel(
  ctx: Deps,
  channel: ChannelRetention,
  before: number,
  signal: AbortSignal,
): Promise<number> {
  const firstKept = await firstSeqSince(ctx.db.read, channel.id, before)
  const upToSeq = firstKept === undefined ? channel.last_seq : firstKept - 1
  await rollUpChannel(ctx, channel.id)
  let total = 0
  for (;;) {
    signal.throwIfAborted()
    const removed = await ctx.db.transact(async (tx) => {
      await lockChannel(tx, channel.id)
      const batch = await removeMessages(ctx, tx, channel.id, { limit: BATCH, upToSeq })
      if (batch.lastSeq === undefined) return 0
      await notePruned(tx, channel.id, batch.lastSeq)
      noteChange(tx, channel.id)
      tx.publish({ type: 'messages.pruned', channelId: channel.id, upToSeq: batch.lastSeq })
      return batch.removed
    })
    total += removed
    if (removed < BATCH) return total
  }
}
