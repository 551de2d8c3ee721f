import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import { removeFilesOfMessages } from '#features/files/index.ts'
import { deleteMessages } from './store.ts'

/**
 * Removes the oldest messages of a channel without a trace, with their files; tombstones too.
 *
 * @param which.upToSeq none after this number; all if not given
 * @returns how many, and the number of the last one
 */
export async function removeMessages(
  ctx: Pick<Context, 'clock'>,
  tx: Tx,
  channelId: string,
  which: { limit: number; upToSeq?: number },
): Promise<{ removed: number; lastSeq: number | undefined }> {
  const { removed, lastSeq, withFiles } = await deleteMessages(tx, channelId, which)
  if (withFiles.length > 0) await removeFilesOfMessages(ctx, tx, withFiles)
  return { removed, lastSeq }
}
