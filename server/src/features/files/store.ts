import type { Db, Tx } from '#db/database.ts'
import type { BlobTable, FileTable, ThumbnailTable } from '#db/tables.ts'

export async function findFile(db: Db, id: string): Promise<FileTable | undefined> {
  return db.selectFrom('file').selectAll().where('id', '=', id).executeTakeFirst()
}

export async function findFiles(db: Db, ids: readonly string[]): Promise<FileTable[]> {
  if (ids.length === 0) return []
  return db.selectFrom('file').selectAll().where('id', 'in', ids).execute()
}

export function findBlob(db: Db, object: string): Promise<BlobTable | undefined> {
  return db.selectFrom('blob').selectAll().where('object', '=', object).executeTakeFirst()
}

/** Files with this content, the oldest first. */
export function filesByContent(db: Db, sha256: string, limit: number): Promise<FileTable[]> {
  return db
    .selectFrom('file')
    .innerJoin('blob', 'blob.object', 'file.object')
    .selectAll('file')
    .where('blob.sha256', '=', sha256)
    .orderBy('file.created_at')
    .orderBy('file.id')
    .limit(limit)
    .execute()
}

/** Whether a user has a file with this content already. */
export async function ownsContent(db: Db, sha256: string, userId: string): Promise<boolean> {
  const row = await db
    .selectFrom('file')
    .innerJoin('blob', 'blob.object', 'file.object')
    .select('file.id')
    .where('blob.sha256', '=', sha256)
    .where('file.owner_id', '=', userId)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Files of messages, in their order. */
export async function filesOfMessages(db: Db, messageIds: readonly string[]): Promise<FileTable[]> {
  if (messageIds.length === 0) return []
  return db
    .selectFrom('file')
    .selectAll()
    .where('message_id', 'in', messageIds)
    .orderBy('message_id')
    .orderBy('place')
    .execute()
}

export async function thumbnailsOf(db: Db, fileIds: readonly string[]): Promise<ThumbnailTable[]> {
  if (fileIds.length === 0) return []
  return db.selectFrom('thumbnail').selectAll().where('file_id', 'in', fileIds).orderBy('width').execute()
}

/**
 * Stores a blob, or takes a reference on the one that has the same content. Who comes at the same time waits.
 *
 * @returns the object that counts from now on
 */
export async function takeBlob(tx: Tx, row: BlobTable): Promise<string> {
  const { object } = await tx
    .insertInto('blob')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['sha256', 'is_sealed']).doUpdateSet((eb) => ({ refs: eb('blob.refs', '+', 1) })),
    )
    .returning('object')
    .executeTakeFirstOrThrow()
  return object
}

/** Gives back references. @returns blobs that nothing refers to any more; they are gone */
export async function releaseBlobs(
  tx: Tx,
  counts: ReadonlyMap<string, number>,
): Promise<Pick<BlobTable, 'object' | 'store' | 'size'>[]> {
  const gone: Pick<BlobTable, 'object' | 'store' | 'size'>[] = []
  if (counts.size === 0) return gone
  // In the order of their content, in which they are taken too, so that nobody waits for who waits for them.
  const inOrder = await tx
    .selectFrom('blob')
    .select('object')
    .where('object', 'in', [...counts.keys()])
    .orderBy('sha256')
    .execute()
  for (const { object } of inOrder) {
    const count = counts.get(object)!
    const row = await tx
      .updateTable('blob')
      .set((eb) => ({ refs: eb('refs', '-', count) }))
      .where('object', '=', object)
      .returning(['object', 'store', 'size', 'refs'])
      .executeTakeFirstOrThrow()
    if (row.refs > 0) continue
    await tx.deleteFrom('blob').where('object', '=', object).execute()
    gone.push(row)
  }
  return gone
}

export async function insertFile(
  tx: Tx,
  file: FileTable,
  thumbnails: readonly ThumbnailTable[],
): Promise<void> {
  await tx.insertInto('file').values(file).execute()
  if (thumbnails.length > 0) await tx.insertInto('thumbnail').values(thumbnails).execute()
}

/** Removes files. @returns those that were there, with how often each object was referred to by them */
export async function deleteFiles(
  tx: Tx,
  ids: readonly string[],
): Promise<{ files: FileTable[]; references: Map<string, number> }> {
  // Of two removals at once each row is given to one, so that its reference is released once.
  const thumbnails = await tx
    .deleteFrom('thumbnail')
    .where('file_id', 'in', ids)
    .returning('object')
    .execute()
  const files = await tx.deleteFrom('file').where('id', 'in', ids).returningAll().execute()
  const references = new Map<string, number>()
  for (const { object } of [...thumbnails, ...files])
    references.set(object, (references.get(object) ?? 0) + 1)
  return { files, references }
}

/** @returns false if the object is not this writer's any more: it was given up meanwhile */
export async function claimLoose(tx: Tx, object: string, writer: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('loose_object')
    .where('object', '=', object)
    .where('writer', '=', writer)
    .executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

/** Leaves objects to be removed from their store. */
export async function loosen(
  tx: Tx,
  objects: readonly Pick<BlobTable, 'object' | 'store'>[],
  now: number,
): Promise<void> {
  if (objects.length === 0) return
  const rows = objects.map(({ object, store }) => ({ object, store, writer: null, since: now }))
  await tx
    .insertInto('loose_object')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .column('object')
        .doUpdateSet((eb) => ({ store: eb.ref('excluded.store'), writer: null, since: now })),
    )
    .execute()
  tx.enqueue(sweep)
}

/** One sweep takes all that is there, so one that waits is enough. */
export const sweep = { type: 'files.sweep', payload: {}, key: 'files.sweep' } as const

/** Whether any object is being written, or waits to be removed. */
export async function hasLoose(db: Db): Promise<boolean> {
  return (await db.selectFrom('loose_object').select('object').limit(1).executeTakeFirst()) !== undefined
}

/** Objects to be removed, in the order of their names. */
export function findLoose(
  db: Db,
  after: string,
  limit: number,
): Promise<{ object: string; store: string }[]> {
  return db
    .selectFrom('loose_object')
    .select(['object', 'store'])
    .where('writer', 'is', null)
    .where('object', '>', after)
    .orderBy('object')
    .limit(limit)
    .execute()
}

export async function forgetLoose(tx: Tx, objects: readonly string[]): Promise<void> {
  if (objects.length === 0) return
  await tx.deleteFrom('loose_object').where('object', 'in', objects).where('writer', 'is', null).execute()
}

/** Takes over what earlier lives of this process, or anybody before `since`, have left unfinished. */
export async function loosenAbandoned(
  tx: Tx,
  { writer, earlierLives, since }: { writer: string; earlierLives: string; since: number },
): Promise<void> {
  await tx
    .updateTable('loose_object')
    .set({ writer: null })
    .where('writer', '!=', writer)
    .where((eb) => eb.or([eb('writer', 'like', `${earlierLives}%`), eb('since', '<', since)]))
    .execute()
}

/**
 * Adds to what a scope uses. A row is changed only while it stays within the limit, so of two that come at once only
 * one gets the last free byte.
 *
 * @returns false if it would be more than `limit`
 */
export async function addUsage(tx: Tx, scope: string, bytes: number, limit: number): Promise<boolean> {
  if (bytes > limit) return false
  const row = await tx
    .insertInto('storage_usage')
    .values({ scope, bytes })
    .onConflict((conflict) =>
      conflict
        .column('scope')
        .doUpdateSet((eb) => ({ bytes: eb('storage_usage.bytes', '+', bytes) }))
        .where((eb) => eb(eb('storage_usage.bytes', '+', bytes), '<=', limit)),
    )
    .returning('bytes')
    .executeTakeFirst()
  return row !== undefined
}

export async function subtractUsage(tx: Tx, scope: string, bytes: number): Promise<void> {
  if (bytes === 0) return
  await tx
    .updateTable('storage_usage')
    .set((eb) => ({ bytes: eb('bytes', '-', bytes) }))
    .where('scope', '=', scope)
    .execute()
}

export async function usageOf(db: Db, scope: string): Promise<number> {
  const row = await db
    .selectFrom('storage_usage')
    .select('bytes')
    .where('scope', '=', scope)
    .executeTakeFirst()
  return row?.bytes ?? 0
}

/** Which of `objects` a row knows, and the store it has them in: of a blob, or loose. */
export async function knownObjects(db: Db, objects: readonly string[]): Promise<Map<string, string>> {
  if (objects.length === 0) return new Map()
  const loose = await db
    .selectFrom('loose_object')
    .select(['object', 'store'])
    .where('object', 'in', objects)
    .execute()
  const blobs = await db
    .selectFrom('blob')
    .select(['object', 'store'])
    .where('object', 'in', objects)
    .execute()
  return new Map([...loose, ...blobs].map(({ object, store }) => [object, store]))
}

/** How many objects wait to be removed. */
export async function looseObjects(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('loose_object')
    .where('writer', 'is', null)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}
