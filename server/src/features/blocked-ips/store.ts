import type { Db, Tx } from '#db/database.ts'
import type { BlockedIpTable } from '#db/tables.ts'

export interface BlockedIpRow extends BlockedIpTable {
  /** Name of whoever blocked it. */
  blocked_by_name: string | null
}

/** Those that are in force, newest first. */
export function listBlockedIps(db: Db, now: number): Promise<BlockedIpRow[]> {
  return db
    .selectFrom('blocked_ip')
    .leftJoin('user', 'user.id', 'blocked_ip.blocked_by')
    .selectAll('blocked_ip')
    .select('user.username as blocked_by_name')
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', now)]))
    .orderBy('blocked_at', 'desc')
    .orderBy('network')
    .execute()
}

/** Takes the place of one for the same network that is over. @returns false if one is in force */
export async function insertBlockedIp(tx: Tx, row: BlockedIpTable): Promise<boolean> {
  const { network: _network, ...values } = row
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('blocked_ip')
    .values(row)
    .onConflict((conflict) =>
      conflict.column('network').doUpdateSet(values).where('blocked_ip.expires_at', '<=', row.blocked_at),
    )
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** @returns false if there was none in force */
export async function deleteBlockedIp(tx: Tx, network: string, now: number): Promise<boolean> {
  const deleted = await tx
    .deleteFrom('blocked_ip')
    .where('network', '=', network)
    .returning('expires_at')
    .executeTakeFirst()
  return deleted !== undefined && (deleted.expires_at === null || deleted.expires_at > now)
}

/** @returns how many there were */
export async function deleteAllBlockedIps(tx: Tx): Promise<number> {
  const { numDeletedRows } = await tx.deleteFrom('blocked_ip').executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

/** @returns how many were over */
export async function deleteExpiredBlockedIps(tx: Tx, now: number): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('blocked_ip')
    .where('expires_at', '<=', now)
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

export async function addAttempts(tx: Tx, network: string, count: number, lastAt: number): Promise<void> {
  await tx
    .updateTable('blocked_ip')
    .set(({ ref, eb }) => ({ attempts: eb(ref('attempts'), '+', count), last_attempt_at: lastAt }))
    .where('network', '=', network)
    .execute()
}
