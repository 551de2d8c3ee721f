import type { Db, Tx } from '#db/database.ts'
import type { BlobTable, LooseObjectTable } from '#db/tables.ts'
import { loosen } from '#features/files/index.ts'

/** Blobs that are in another store than `store`, by object. */
export function blobsElsewhere(db: Db, store: string, after: string, limit: number): Promise<BlobTable[]> {
  return db
    .selectFrom('blob')
    .selectAll()
    .where('store', '!=', store)
    .where('object', '>', after)
    .orderBy('object')
    .limit(limit)
    .execute()
}

export async function countElsewhere(db: Db, store: string): Promise<number> {
  const { count } = await db
    .selectFrom('blob')
    .where('store', '!=', store)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

/** Notes a copy that is about to be made. @returns false while an older copy is being removed */
export async function noteCopy(tx: Tx, row: LooseObjectTable): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('loose_object')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .column('object')
        // A copy that an interrupted migration was making.
        .doUpdateSet({ store: row.store, writer: row.writer, since: row.since })
        .where('loose_object.writer', 'is not', null),
    )
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** Says that a blob is in another store now, and leaves the copy that counts no more to be removed. */
export async function moveBlob(
  tx: Tx,
  { object, store: from }: BlobTable,
  to: string,
  now: number,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('blob')
    .set({ store: to })
    .where('object', '=', object)
    .where('store', '=', from)
    .executeTakeFirstOrThrow()
  // A blob that was deleted meanwhile has left its old copy to be removed; the new one is of no use either.
  loosen(tx, [{ object, store: numUpdatedRows === 1n ? from : to }], now)
}
