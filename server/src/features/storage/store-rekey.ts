import type { Db, Tx } from '#db/database.ts'
import type { BlobTable, FileTable } from '#db/tables.ts'

/** Sealed blobs whose secret another key than `kid` wraps. */
export function blobsOfOtherKeys(db: Db, kid: string, limit: number): Promise<BlobTable[]> {
  return db
    .selectFrom('blob')
    .selectAll()
    .where('is_sealed', '=', 1)
    .where('kid', '!=', kid)
    .limit(limit)
    .execute()
}

export function filesOfOtherKeys(db: Db, kid: string, limit: number): Promise<FileTable[]> {
  return db.selectFrom('file').selectAll().where('kid', '!=', kid).limit(limit).execute()
}

export async function countOfOtherKeys(db: Db, kid: string): Promise<number> {
  const blobs = await db
    .selectFrom('blob')
    .where('is_sealed', '=', 1)
    .where('kid', '!=', kid)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  const files = await db
    .selectFrom('file')
    .where('kid', '!=', kid)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return blobs.count + files.count
}

/** Only if it is still wrapped by the key it was opened with. */
export async function replaceSecret(
  tx: Tx,
  object: string,
  oldKid: string,
  change: Pick<BlobTable, 'kid' | 'wrapped_secret'>,
): Promise<void> {
  await tx.updateTable('blob').set(change).where('object', '=', object).where('kid', '=', oldKid).execute()
}

export async function replaceName(
  tx: Tx,
  id: string,
  oldKid: string,
  change: Pick<FileTable, 'kid' | 'sealed_name'>,
): Promise<void> {
  await tx.updateTable('file').set(change).where('id', '=', id).where('kid', '=', oldKid).execute()
}
