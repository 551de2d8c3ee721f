import type { Db, Tx } from '#db/database.ts'
import type { RemoteActorTable } from '#db/tables.ts'

export function findRemoteActor(db: Db, id: string): Promise<RemoteActorTable | undefined> {
  return db.selectFrom('remote_actor').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Keeps what an actor said about itself last. Who stands for it here stays. */
export async function putRemoteActor(
  tx: Tx,
  row: Pick<RemoteActorTable, 'id' | 'host' | 'document' | 'fetched_at'>,
): Promise<void> {
  const { document, fetched_at } = row
  await tx
    .insertInto('remote_actor')
    .values({ ...row, user_id: null, gone_at: null })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ document, fetched_at, gone_at: null }))
    .execute()
}
