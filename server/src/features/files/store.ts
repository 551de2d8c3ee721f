import type { Db, Tx } from '#db/database.ts'
import type { BlobTable, FileTable, ThumbnailTable } from '#db/tables.ts'

/** A file with where its content is. One statement: it runs with every fetch. */
export interface StoredFile extends FileTable {
  readonly blob: BlobTable
}

export async function findStoredFile(db: Db, id: string): Promise<StoredFile | undefined> {
  const row = await db
    .selectFrom('file')
    .innerJoin('blob', 'blob.object', 'file.object')
    .selectAll('file')
    .select([
      'blob.store',
      'blob.sha256',
      'blob.is_sealed',
      'blob.kid as blob_kid',
      'blob.wrapped_secret',
      'blob.refs',
      'blob.created_at as blob_created_at',
    ])
    .where('file.id', '=', id)
    .executeTakeFirst()
  if (!row) return undefined
  const { store, sha256, is_sealed, blob_kid, wrapped_secret, refs, blob_created_at, ...file } = row
  const { object, size } = file
  const blob = { object, store, sha256, size, is_sealed, kid: blob_kid, wrapped_secret, refs }
  return { ...file, blob: { ...blob, created_at: blob_created_at } }
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

/** Their ids are new and their blobs were taken in this transaction, so the writes cannot fail and are not waited for. */
export function insertFile(tx: Tx, file: FileTable, thumbnails: readonly ThumbnailTable[]): void {
  tx.later(tx.insertInto('file').values(file))
  if (thumbnails.length > 0) tx.later(tx.insertInto('thumbnail').values(thumbnails))
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

/** Takes objects off the list of those that nothing refers to: blobs do now. */
export function claimLoose(tx: Tx, objects: readonly string[], writer: string): void {
  if (objects.length === 0) return
  tx.later(tx.deleteFrom('loose_object').where('object', 'in', objects).where('writer', '=', writer))
}

/** Leaves objects to be removed from their store. */
export function loosen(tx: Tx, objects: readonly Pick<BlobTable, 'object' | 'store'>[], now: number): void {
  if (objects.length === 0) return
  const rows = objects.map(({ object, store }) => ({ object, store, writer: null, since: now }))
  tx.later(
    tx
      .insertInto('loose_object')
      .values(rows)
      .onConflict((conflict) =>
        conflict
          .column('object')
          .doUpdateSet((eb) => ({ store: eb.ref('excluded.store'), writer: null, since: now })),
      ),
  )
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
  return (
    db
      .selectFrom('loose_object')
      .select(['object', 'store'])
      .where('writer', 'is', null)
      .where('object', '>', after)
      // Of a writer that was taken for gone and came to its end all the same.
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('blob')
              .select('blob.object')
              .whereRef('blob.object', '=', 'loose_object.object')
              .whereRef('blob.store', '=', 'loose_object.store'),
          ),
        ),
      )
      .orderBy('object')
      .limit(limit)
      .execute()
  )
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

/** What is added to what a scope uses, and what that may be at most afterwards. */
export interface UsageChange {
  readonly scope: string
  readonly bytes: number
  readonly limit: number
}

/**
 * Adds to what scopes use. A row is changed only while it stays within its limit, so of two that come at once only one
 * gets the last free byte.
 *
 * @returns false if any would be more than its limit; what was changed is to be undone then
 */
export async function addUsage(tx: Tx, changes: readonly UsageChange[]): Promise<boolean> {
  if (changes.some(({ bytes, limit }) => bytes > limit)) return false
  const rows = await tx
    .insertInto('storage_usage')
    .values(changes.map(({ scope, bytes }) => ({ scope, bytes })))
    .onConflict((conflict) =>
      conflict
        .column('scope')
        .doUpdateSet((eb) => ({ bytes: eb('storage_usage.bytes', '+', eb.ref('excluded.bytes')) }))
        .where((eb) =>
          eb.or(
            changes.map(({ scope, bytes, limit }) =>
              eb.and([eb('storage_usage.scope', '=', scope), eb('storage_usage.bytes', '<=', limit - bytes)]),
            ),
          ),
        ),
    )
    .returning('scope')
    .execute()
  return rows.length === changes.length
}

/** Takes back from what a scope uses. */
export function subtractUsage(tx: Tx, scope: string, bytes: number): void {
  if (bytes === 0) return
  tx.later(
    tx
      .updateTable('storage_usage')
      .set((eb) => ({ bytes: eb('bytes', '-', bytes) }))
      .where('scope', '=', scope),
  )
}

/** Bytes that scopes use. */
export async function usageOf(db: Db, scopes: readonly string[]): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('storage_usage')
    .select(['scope', 'bytes'])
    .where('scope', 'in', scopes)
    .execute()
  return new Map(rows.map(({ scope, bytes }) => [scope, bytes]))
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
