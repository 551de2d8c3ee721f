import type { Context } from '#context'
import type { BlobTable, FileTable } from '#db/tables.ts'
import { filesByContent, findBlob, findFiles, removeFiles } from '#features/files/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { lockChannel, noteChange } from '#features/channels/index.ts'
import type { Actor } from '#http/access.ts'
import { forbidden } from '#http/errors.ts'
import { fileNotFound, parseFilePath } from './access.ts'

const MANY = 10_000

/**
 * The files that an address names, whoever may see them: one, or, for the hash of a content, all that have it.
 *
 * @param url absolute or relative, in any of the forms in which this server gives addresses
 * @throws HttpError 404
 */
async function findByUrl(ctx: Pick<Context, 'db'>, url: string): Promise<FileTable[]> {
  const named = parseFilePath(pathOf(url))
  const files = !named
    ? []
    : 'id' in named
      ? await findFiles(ctx.db.read, [named.id])
      : await filesByContent(ctx.db.read, named.sha256, MANY)
  if (files.length === 0) throw fileNotFound()
  return files
}

/** What comes after the part that is common to all addresses of files. */
function pathOf(url: string): string {
  const path = URL.canParse(url, 'http://x') ? new URL(url, 'http://x').pathname : ''
  return path.replace(/^\/(api\/v1\/(cdn|storage)\/file\/|storage\/)?/, '')
}

/** A file with the blob that holds its content. @throws HttpError 404 */
export async function findWithBlob(
  ctx: Pick<Context, 'db'>,
  url: string,
): Promise<{ file: FileTable; blob: BlobTable }> {
  const [file] = await findByUrl(ctx, url)
  const blob = await findBlob(ctx.db.read, file!.object)
  if (!blob) throw fileNotFound()
  return { file: file!, blob }
}

/**
 * Takes a file away from whatever it belongs to. Messages stay.
 *
 * @throws HttpError 403 it is an avatar or banner, 404
 */
export async function deleteByUrl(ctx: Context, actor: Actor, url: string): Promise<void> {
  const files = await findByUrl(ctx, url)
  if (files.some(({ purpose }) => purpose.endsWith('avatar') || purpose.endsWith('banner'))) {
    throw forbidden('The file is in use as an avatar or banner')
  }
  const channels = new Set(files.flatMap(({ channel_id }) => channel_id ?? []))
  await ctx.db.transact(async (tx) => {
    for (const channelId of [...channels].toSorted()) await lockChannel(tx, channelId)
    const removed = await removeFiles(
      ctx,
      tx,
      files.map(({ id }) => id),
    )
    if (removed.length === 0) throw fileNotFound()
    for (const { id, owner_id, message_id, channel_id, type, size } of removed) {
      const details = { owner_id, message_id, channel_id, type, size }
      recordAudit(tx, {
        actorId: actor.userId,
        action: 'file.deleted',
        targetType: 'file',
        targetId: id,
        details,
        at: ctx.clock(),
      })
      if (message_id === null || channel_id === null) continue
      noteChange(tx, channel_id)
      tx.publish({ type: 'file.deleted', fileId: id, messageId: message_id, channelId: channel_id })
    }
  })
}
