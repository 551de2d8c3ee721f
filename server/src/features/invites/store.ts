import type { Db, Tx } from '#db/database.ts'
import type { InviteTable } from '#db/tables.ts'

export interface InviteRow extends InviteTable {
  created_by_name: string | null
}

export async function insertInvite(tx: Tx, row: InviteTable): Promise<void> {
  await tx.insertInto('invite').values(row).execute()
}

/** All there are, newest first. */
export function listInvites(db: Db): Promise<InviteRow[]> {
  return db
    .selectFrom('invite')
    .leftJoin('user', 'user.id', 'invite.created_by')
    .selectAll('invite')
    .select('user.username as created_by_name')
    .orderBy('invite.created_at', 'desc')
    .orderBy('code')
    .execute()
}

/** Takes one use of an invite that is good. Of people who take the last one at the same moment one gets it. */
export async function takeInvite(tx: Tx, code: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('invite')
    .set(({ eb, ref }) => ({ uses: eb(ref('uses'), '+', 1) }))
    .where('code', '=', code)
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', now)]))
    .where((where) => where.or([where('max_uses', 'is', null), where('uses', '<', where.ref('max_uses'))]))
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** @returns false if there is none */
export async function deleteInvite(tx: Tx, code: string): Promise<boolean> {
  const { numDeletedRows } = await tx.deleteFrom('invite').where('code', '=', code).executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}
