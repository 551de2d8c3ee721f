import type { Db } from '#db/database.ts'
import type { BlobTable } from '#db/tables.ts'

/** A count that is not what the rows add up to. */
export interface WrongCount {
  readonly name: string
  readonly counted: number
  readonly actual: number
}

export function blobsAfter(db: Db, after: string, limit: number): Promise<BlobTable[]> {
  return db
    .selectFrom('blob')
    .selectAll()
    .where('object', '>', after)
    .orderBy('object')
    .limit(limit)
    .execute()
}

export async function blobTotals(db: Db): Promise<{ count: number; bytes: number }> {
  const row = await db
    .selectFrom('blob')
    .select(({ fn }) => [
      fn.countAll<number>().as('count'),
      fn.sum<number | string | null>('size').as('bytes'),
    ])
    .executeTakeFirstOrThrow()
  return { count: row.count, bytes: Number(row.bytes ?? 0) }
}

/** Blobs whose number of references is not how many there are. One statement, so that nothing comes between. */
export async function wrongReferences(db: Db): Promise<WrongCount[]> {
  const rows = await db
    .selectFrom('blob')
    .select((eb) => [
      'object',
      'refs',
      eb
        .selectFrom('file')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('file.object', '=', 'blob.object')
        .as('files'),
      eb
        .selectFrom('thumbnail')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('thumbnail.object', '=', 'blob.object')
        .as('thumbnails'),
    ])
    .execute()
  return rows.flatMap(({ object, refs, files, thumbnails }) => {
    const actual = Number(files) + Number(thumbnails)
    return refs === actual ? [] : [{ name: object, counted: refs, actual }]
  })
}

/** Scopes whose counted bytes are not what their files have. */
export async function wrongUsage(db: Db): Promise<WrongCount[]> {
  const rows = await db
    .selectFrom('storage_usage')
    .select((eb) => [
      'scope',
      'bytes',
      eb
        .selectFrom('file')
        .select(({ fn }) => fn.sum<number | string | null>('file.size').as('sum'))
        .whereRef('file.owner_id', '=', 'storage_usage.scope')
        .as('own'),
      eb
        .selectFrom('blob')
        .select(({ fn }) => fn.sum<number | string | null>('blob.size').as('sum'))
        .as('all'),
    ])
    .execute()
  return rows.flatMap(({ scope, bytes, own, all }) => {
    const actual = Number((scope === 'server' ? all : own) ?? 0)
    return bytes === actual ? [] : [{ name: scope, counted: bytes, actual }]
  })
}

/** Attachments whose message is gone. */
export async function countOrphans(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('file')
    .leftJoin('message', (join) =>
      join.onRef('message.id', '=', 'file.message_id').on('message.deleted_at', 'is', null),
    )
    .where('file.purpose', '=', 'attachment')
    .where('message.id', 'is', null)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}
