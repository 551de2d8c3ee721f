import type { Db, Tx } from '#db/database.ts'
import type { ChannelCategoryTable, ChannelTable } from '#db/tables.ts'

/** All categories, in their order. */
export function listCategories(db: Db): Promise<ChannelCategoryTable[]> {
  return db
    .selectFrom('channel_category')
    .selectAll()
    .orderBy('position', (order) => order.asc().nullsLast())
    .orderBy('created_at')
    .orderBy('id')
    .execute()
}

export async function insertCategory(tx: Tx, row: ChannelCategoryTable): Promise<void> {
  await tx.insertInto('channel_category').values(row).execute()
}

/**
 * Changes a category, or only keeps it from being removed until this transaction is over.
 *
 * @returns undefined if there is none
 */
export function updateCategory(
  tx: Tx,
  id: string,
  change: Partial<Pick<ChannelCategoryTable, 'name' | 'name_key' | 'position'>>,
): Promise<ChannelCategoryTable | undefined> {
  return tx
    .updateTable('channel_category')
    .set(({ ref }) => ({ name: ref('name'), ...change }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
}

/** @returns the category that was removed */
export function removeCategory(tx: Tx, id: string): Promise<ChannelCategoryTable | undefined> {
  return tx.deleteFrom('channel_category').where('id', '=', id).returningAll().executeTakeFirst()
}

/** Takes all channels out of a category. @returns those that were not deleted */
export async function emptyCategory(tx: Tx, id: string, now: number): Promise<ChannelTable[]> {
  const channels = await tx
    .updateTable('channel')
    .set({ category_id: null, updated_at: now })
    .where('category_id', '=', id)
    .returningAll()
    .execute()
  return channels.filter(({ deleted_at }) => deleted_at === null)
}
