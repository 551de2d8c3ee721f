import type { Context } from '#context'
import type { FileTable } from '#db/tables.ts'
import {
  addressOf,
  directories,
  nameOf,
  type Directory,
  type Kind,
  type Purpose,
} from '#features/files/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest } from '#http/errors.ts'
import { isoTime } from '#lib/clock.ts'
import { maySee } from './access.ts'
import { referenceTypes } from './schema.ts'
import { isOrphaned } from './orphans.ts'
import { countFiles, listFiles, usedDirectories, type FileFilter, type ListedFile } from './store.ts'

const groups: Readonly<Record<string, readonly Directory[]>> = {
  all: directories,
  uploads: ['uploads', 'attachments', 'images', 'videos', 'audio', 'documents', 'files', 'gifs', 'config'],
  attachments: ['attachments', 'images', 'videos', 'audio', 'documents', 'files', 'gifs', 'config'],
  server: ['avatars', 'banners'],
}

export interface FilesRequest {
  readonly directory: string
  readonly page: number
  readonly per_page: number
  readonly sort: 'name' | 'created' | 'size' | 'type'
  readonly order?: 'asc' | 'desc' | undefined
  readonly kind?: Kind | undefined
  readonly reference_type?: string | undefined
  readonly uploader_user_id?: string | undefined
}

/** A page of what is stored, for those who manage it. @throws HttpError 400 */
export async function listStoredFiles(ctx: Context, actor: Actor, request: FilesRequest) {
  const scanned = directoriesOf(request.directory)
  const filter: FileFilter = {
    directories: scanned,
    kind: request.kind,
    purpose: purposeOf(request.reference_type),
    ownerId: request.uploader_user_id,
  }
  const { page, per_page: limit, sort } = request
  const order = request.order ?? (sort === 'name' || sort === 'type' ? 'asc' : 'desc')
  const rows = await listFiles(ctx.db.read, filter, { sort, order, limit, offset: (page - 1) * limit })
  return {
    directory: request.directory,
    files: await Promise.all(rows.map((row) => itemOf(ctx, actor, row))),
    existing_dirs: await usedDirectories(ctx.db.read),
    scanned_dirs: [...scanned],
    page,
    per_page: limit,
    total: await countFiles(ctx.db.read, filter),
  }
}

/** @throws HttpError 400 for a name that is none: nothing that was sent becomes a path */
export function directoriesOf(name: string): readonly Directory[] {
  const known = groups[name] ?? directories.filter((directory) => directory === name)
  if (known.length === 0)
    throw badRequest(`The directory must be one of: ${[...Object.keys(groups), ...directories].join(', ')}`)
  return known
}

function purposeOf(referenceType: string | undefined): Purpose | undefined {
  if (referenceType === undefined) return undefined
  const found = Object.entries(referenceTypes).find(([, name]) => name === referenceType)?.[0]
  if (!found) throw badRequest(`reference_type must be one of: ${Object.values(referenceTypes).join(', ')}`)
  return found as Purpose
}

async function itemOf(ctx: Context, actor: Actor, row: ListedFile) {
  return {
    id: row.id,
    filename: await shownName(ctx, actor, row),
    size: row.size,
    uploaded_at: isoTime(row.created_at),
    modified: row.created_at / 1000,
    url: addressOf(row),
    subdirectory: row.directory,
    type: row.type,
    kind: row.kind as Kind,
    uploader: row.username ?? 'Unknown',
    uploader_user_id: row.owner_id,
    uploader_username: row.username,
    reference_type: referenceTypes[row.purpose as Purpose],
    message_id: row.message_id,
    channel_id: row.channel_id,
    channel_name: row.channel_name,
    is_orphaned: isOrphaned(ctx.settings.current, row),
  }
}

/** Who manages what is stored need not know what people call what they send each other. */
export async function shownName(ctx: Context, actor: Actor, file: FileTable): Promise<string> {
  return (await maySee(ctx, actor, file)) ? nameOf(ctx, file) : `${file.id}.${file.extension}`
}
