import type { Db, Tx } from '#db/database.ts'
import type { FederationKeyTable } from '#db/tables.ts'

export function keysInUse(db: Db, ownerId: string): Promise<FederationKeyTable[]> {
  return db
    .selectFrom('federation_key')
    .selectAll()
    .where('owner_id', '=', ownerId)
    .where('retired_at', 'is', null)
    .execute()
}

export async function insertKeys(tx: Tx, rows: readonly FederationKeyTable[]): Promise<void> {
  await tx.insertInto('federation_key').values(rows).execute()
}

/** Whether an actor of this id was ever given out. */
export async function hadKeys(db: Db, ownerId: string): Promise<boolean> {
  const row = await db
    .selectFrom('federation_key')
    .select('id')
    .where('owner_id', '=', ownerId)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Takes keys out of use, of one owner or of all. @returns the owners */
export async function retireKeys(tx: Tx, ownerId: string | undefined, now: number): Promise<Set<string>> {
  let query = tx.updateTable('federation_key').set({ retired_at: now }).where('retired_at', 'is', null)
  if (ownerId !== undefined) query = query.where('owner_id', '=', ownerId)
  const rows = await query.returning('owner_id').execute()
  return new Set(rows.map(({ owner_id }) => owner_id))
}
