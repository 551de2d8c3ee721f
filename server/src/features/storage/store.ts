import type { Db } from '#db/database.ts'
import type { FileTable } from '#db/tables.ts'
import type { Directory, Kind, Purpose } from '#features/files/index.ts'

/** A file with what it belongs to. */
export interface ListedFile extends FileTable {
  username: string | null
  avatar: string | null
  banner: string | null
  channel_name: string | null
  channel_deleted_at: number | null
  /** Null when the message is gone, or there never was one. */
  living_message_id: string | null
}

export interface FileFilter {
  readonly directories: readonly Directory[]
  readonly kind?: Kind | undefined
  readonly purpose?: Purpose | undefined
  readonly ownerId?: string | undefined
}

export interface FileOrder {
  readonly sort: 'name' | 'created' | 'size' | 'type'
  readonly order: 'asc' | 'desc'
  readonly limit: number
  readonly offset: number
}

const columnOf = { created: 'file.created_at', size: 'file.size', type: 'file.type' } as const

export function listFiles(db: Db, filter: FileFilter, page: FileOrder): Promise<ListedFile[]> {
  let query = matching(listed(db), filter)
  if (page.sort === 'name') query = query.orderBy('file.directory', page.order)
  else query = query.orderBy(columnOf[page.sort], page.order)
  return query.orderBy('file.id', page.order).limit(page.limit).offset(page.offset).execute()
}

export async function countFiles(db: Db, filter: FileFilter): Promise<number> {
  let query = db.selectFrom('file').where('directory', 'in', filter.directories)
  if (filter.kind !== undefined) query = query.where('kind', '=', filter.kind)
  if (filter.purpose !== undefined) query = query.where('purpose', '=', filter.purpose)
  if (filter.ownerId !== undefined) query = query.where('owner_id', '=', filter.ownerId)
  const { count } = await query
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

/** Files by id, `limit` at a time, to look at all of them. */
export function filesAfter(db: Db, after: string, limit: number): Promise<ListedFile[]> {
  return listed(db).where('file.id', '>', after).orderBy('file.id').limit(limit).execute()
}

/** The directories that have files. */
export async function usedDirectories(db: Db): Promise<string[]> {
  const rows = await db.selectFrom('file').select('directory').distinct().orderBy('directory').execute()
  return rows.map(({ directory }) => directory)
}

function listed(db: Db) {
  return db
    .selectFrom('file')
    .leftJoin('user', 'user.id', 'file.owner_id')
    .leftJoin('channel', 'channel.id', 'file.channel_id')
    .leftJoin('message', (join) =>
      join.onRef('message.id', '=', 'file.message_id').on('message.deleted_at', 'is', null),
    )
    .selectAll('file')
    .select([
      'user.username',
      'user.avatar',
      'user.banner',
      'channel.name as channel_name',
      'channel.deleted_at as channel_deleted_at',
      'message.id as living_message_id',
    ])
}

function matching(query: ReturnType<typeof listed>, filter: FileFilter): ReturnType<typeof listed> {
  let matched = query.where('file.directory', 'in', filter.directories)
  if (filter.kind !== undefined) matched = matched.where('file.kind', '=', filter.kind)
  if (filter.purpose !== undefined) matched = matched.where('file.purpose', '=', filter.purpose)
  if (filter.ownerId !== undefined) matched = matched.where('file.owner_id', '=', filter.ownerId)
  return matched
}
