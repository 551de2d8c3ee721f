import type { Context } from '#context'
import type { Db } from '#db/database.ts'
import type { AttachedFile } from '#events/events.ts'
import { attachedFile } from './commit.ts'
import { nameOf } from './names.ts'
import { filesOfMessages, thumbnailsOf } from './store.ts'

/** The files of messages, by message id, in their order. */
export async function attachedFiles(
  ctx: Pick<Context, 'config' | 'keyring' | 'log'>,
  db: Db,
  messageIds: readonly string[],
): Promise<Map<string, AttachedFile[]>> {
  const byMessage = new Map<string, AttachedFile[]>()
  const rows = await filesOfMessages(db, messageIds)
  const thumbnails = await thumbnailsOf(
    db,
    rows.filter(({ width }) => width !== null).map(({ id }) => id),
  )
  for (const row of rows) {
    const own = thumbnails.filter(({ file_id }) => file_id === row.id)
    const file = attachedFile(ctx.config, row, { name: await nameOf(ctx, row), thumbnails: own })
    const known = byMessage.get(row.message_id!)
    if (known) known.push(file)
    else byMessage.set(row.message_id!, [file])
  }
  return byMessage
}
