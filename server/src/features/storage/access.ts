import type { Context } from '#context'
import type { Db } from '#db/database.ts'
import type { FileTable } from '#db/tables.ts'
import { filesByContent, findStoredFile, type StoredFile } from '#features/files/index.ts'
import { accessChannel } from '#features/channels/index.ts'
import { HttpError, notFound } from '#http/errors.ts'
import type { Standing } from '#lib/permission.ts'
import type { Right } from '#lib/rights.ts'

const FILE_ID = /^[\w-]{22}$/
const HASH = /^[0-9a-f]{64}$/
/** Uses of the same content that are looked at; beyond that, somebody sends the same picture all day. */
const MAX_USES = 200

type Viewer = Standing | undefined

/** What an address names: a file by its id, a smaller copy of it, or content by its hash. */
export type Named =
  | { readonly id: string; readonly width: number | undefined }
  | { readonly sha256: string }
  | undefined

/**
 * Reads the rest of a file's address: `<id>.<extension>`, `<id>/<width>.webp`, or a SHA-256; a folder may come before
 * it. Nothing of it ever becomes a path.
 */
export function parseFilePath(path: string): Named {
  const parts = path.split('/')
  const [last = '', before = ''] = parts.toReversed()
  const [stem = '', extension, ...more] = last.split('.')
  if (
    parts.length > 3 ||
    more.length > 0 ||
    (extension !== undefined && !/^[a-z\d]{1,10}$/.test(extension))
  ) {
    return undefined
  }
  if (HASH.test(stem)) return { sha256: stem }
  if (FILE_ID.test(stem)) return { id: stem, width: undefined }
  const isThumbnail = FILE_ID.test(before) && extension === 'webp' && /^\d{1,5}$/.test(stem)
  return isThumbnail ? { id: before, width: Number(stem) } : undefined
}

/**
 * A file that `viewer` may see: the one rule, for every way to a file.
 *
 * @param viewer undefined: somebody who is not signed in
 * @throws HttpError 404, the same whether it does not exist or is hidden
 */
export async function accessFile(
  ctx: Pick<Context, 'db' | 'settings'>,
  viewer: Viewer,
  id: string,
): Promise<StoredFile> {
  const file = FILE_ID.test(id) ? await findStoredFile(ctx.db.read, id) : undefined
  if (!file || !(await maySee(ctx, viewer, file))) throw fileNotFound()
  return file
}

/** A file with this content that `viewer` may see. @throws HttpError 404, also if only others may see such a file */
export async function accessContent(
  ctx: Pick<Context, 'db' | 'settings'>,
  viewer: Viewer,
  sha256: string,
): Promise<StoredFile> {
  for (const file of await filesByContent(ctx.db.read, sha256, MAX_USES)) {
    if (!(await maySee(ctx, viewer, file))) continue
    const found = await findStoredFile(ctx.db.read, file.id)
    if (found) return found
  }
  throw fileNotFound()
}

/** Whether everybody may see a file, signed in or not. */
export async function isPublic(ctx: Pick<Context, 'db' | 'settings'>, file: FileTable): Promise<boolean> {
  return maySee(ctx, undefined, file)
}

/** The rule itself. */
export async function maySee(
  { db, settings }: Pick<Context, 'db' | 'settings'>,
  viewer: Viewer,
  file: FileTable,
): Promise<boolean> {
  switch (file.visibility) {
    case 'public':
      return true
    case 'members':
      return viewer !== undefined
    default:
      break
  }
  // The file of a message goes where the message goes. When that is deleted, so is the file.
  if (file.channel_id === null) return false
  if (viewer) return seesChannel(db.read, viewer, file.channel_id)
  return settings.current.public_channel_files && seesChannel(db.read, NOBODY, file.channel_id)
}

/** Somebody without an account, who is a member of nothing and sees what nobody is kept from. */
const rights: ReadonlySet<Right> = new Set(['view_messages'])
const NOBODY: Standing = {
  userId: '',
  held: [{ id: 'nobody', name: 'nobody', rights, isSystem: true }],
  rights,
  timedOutUntil: null,
}

async function seesChannel(db: Db, viewer: Standing, channelId: string): Promise<boolean> {
  try {
    const channel = await accessChannel(db, viewer, channelId)
    // Where a channel makes exceptions, only somebody with roles can be told about.
    return viewer !== NOBODY || channel.access_revision === 0
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) return false
    throw error
  }
}

export function fileNotFound(): HttpError {
  return notFound('File')
}
