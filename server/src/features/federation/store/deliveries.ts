import type { Db, Tx } from '#db/database.ts'
import type { FederationDeliveryTable } from '#db/tables.ts'
import { HORIZON_MS } from '../delivery/outcome.ts'

export type DeliveryRow = FederationDeliveryTable

/** Its id is new, so the write cannot fail and is not waited for. */
export function insertDelivery(tx: Tx, row: DeliveryRow): void {
  tx.later(tx.insertInto('federation_delivery').values(row))
}

/** What can be sent to a peer now, oldest first. A lane whose first delivery has to wait waits as a whole. */
export function dueDeliveries(db: Db, host: string, now: number, limit: number): Promise<DeliveryRow[]> {
  return db
    .selectFrom('federation_delivery as row')
    .selectAll('row')
    .where('row.host', '=', host)
    .where('row.state', '=', 'queued')
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('federation_delivery as other')
            .select('other.id')
            .whereRef('other.host', '=', 'row.host')
            .where('other.state', '=', 'queued')
            .whereRef('other.lane', '=', 'row.lane')
            .where('other.next_at', '>', now)
            .where('other.next_at', '<', now + HORIZON_MS),
        ),
      ),
    )
    .orderBy('row.id')
    .limit(limit)
    .execute()
}

/** When the next of what is queued for a peer is due, once nothing is due now. */
export async function nextDueDelivery(db: Db, host: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('federation_delivery')
    .select(({ fn }) => fn.max('next_at').as('at'))
    .where('host', '=', host)
    .where('state', '=', 'queued')
    .groupBy('lane')
    .orderBy('at')
    .limit(1)
    .executeTakeFirst()
  return row?.at
}

export async function removeDelivery(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('federation_delivery').where('id', '=', id).execute()
}

export async function changeDelivery(tx: Tx, id: string, change: Partial<DeliveryRow>): Promise<void> {
  await tx.updateTable('federation_delivery').set(change).where('id', '=', id).execute()
}

/** A peer that was away is back: what waited because of that waits no longer. */
export async function hastenDeliveries(tx: Tx, host: string, now: number): Promise<void> {
  await tx
    .updateTable('federation_delivery')
    .set({ next_at: now })
    .where('host', '=', host)
    .where('state', '=', 'queued')
    .where('is_revivable', '=', 1)
    .where('next_at', '>', now)
    .execute()
}

/** Peers for which something is queued. */
export async function hostsWithQueue(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('federation_delivery')
    .select('host')
    .where('state', '=', 'queued')
    .groupBy('host')
    .execute()
  return rows.map(({ host }) => host)
}

/** Whether something for a peer was given up because it was away, and can be sent when it is back. */
export async function hasRevivable(db: Db, host: string): Promise<boolean> {
  const row = await db
    .selectFrom('federation_delivery')
    .select('id')
    .where('host', '=', host)
    .where('state', '=', 'dead')
    .where('is_revivable', '=', 1)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** The inbox of something that was given up because its peer was away. */
export async function revivableInbox(db: Db, host: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('federation_delivery')
    .select('inbox')
    .where('host', '=', host)
    .where('state', '=', 'dead')
    .where('is_revivable', '=', 1)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row?.inbox
}

const REVIVED = {
  state: 'queued',
  attempts: 0,
  is_revivable: 0,
  died_at: null,
} as const satisfies Partial<DeliveryRow>

/** Queues again what was given up because a peer was away. */
export async function reviveDeliveries(tx: Tx, host: string, now: number): Promise<void> {
  await tx
    .updateTable('federation_delivery')
    .set({ ...REVIVED, next_at: now })
    .where('host', '=', host)
    .where('state', '=', 'dead')
    .where('is_revivable', '=', 1)
    .execute()
}

/** Gives up what has been queued for a peer since before `before`; it can be sent when the peer is back. */
export async function giveUpOld(
  tx: Tx,
  host: string,
  { before, now, reason }: { before: number; now: number; reason: string },
): Promise<void> {
  await tx
    .updateTable('federation_delivery')
    .set({ state: 'dead', died_at: now, is_revivable: 1, reason })
    .where('host', '=', host)
    .where('state', '=', 'queued')
    .where('created_at', '<', before)
    .execute()
}

/** Gives up everything that is queued for a peer, for good. @returns the ids */
export async function giveUpAll(tx: Tx, host: string, now: number, reason: string): Promise<string[]> {
  const rows = await tx
    .updateTable('federation_delivery')
    .set({ state: 'dead', died_at: now, is_revivable: 0, reason })
    .where('host', '=', host)
    .where((where) => where.or([where('state', '=', 'queued'), where('is_revivable', '=', 1)]))
    .returning('id')
    .execute()
  return rows.map(({ id }) => id)
}

/** What an operator picks among what was given up. */
export interface DeadLetterChoice {
  readonly ids?: readonly string[] | undefined
  readonly host?: string | undefined
}

/** What was given up, the newest first, without what it says. */
export function listDeadDeliveries(
  db: Db,
  { host, limit }: { host: string | undefined; limit: number },
): Promise<Omit<DeliveryRow, 'sealed'>[]> {
  let query = db
    .selectFrom('federation_delivery')
    .select(['id', 'host', 'lane', 'sender_id', 'inbox', 'activity_id', 'activity_type', 'kid', 'state'])
    .select(['attempts', 'next_at', 'reason', 'is_revivable', 'created_at', 'died_at'])
    .where('state', '=', 'dead')
  if (host !== undefined) query = query.where('host', '=', host)
  return query.orderBy('died_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
}

/** Queues again what was given up. @returns its hosts, one for each */
export async function retryDeadDeliveries(tx: Tx, choice: DeadLetterChoice, now: number): Promise<string[]> {
  let query = tx
    .updateTable('federation_delivery')
    .set({ ...REVIVED, next_at: now })
    .where('state', '=', 'dead')
  if (choice.ids) query = query.where('id', 'in', choice.ids)
  if (choice.host !== undefined) query = query.where('host', '=', choice.host)
  const rows = await query.returning('host').execute()
  return rows.map(({ host }) => host)
}

/** Forgets what was given up. @returns how much */
export async function dropDeadDeliveries(tx: Tx, choice: DeadLetterChoice): Promise<number> {
  let query = tx.deleteFrom('federation_delivery').where('state', '=', 'dead')
  if (choice.ids) query = query.where('id', 'in', choice.ids)
  if (choice.host !== undefined) query = query.where('host', '=', choice.host)
  const { numDeletedRows } = await query.executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

/** Forgets what was given up before `before`. @returns how much */
export async function dropOldDeadDeliveries(tx: Tx, before: number, limit: number): Promise<number> {
  const rows = await tx
    .selectFrom('federation_delivery')
    .select('id')
    .where('died_at', '<', before)
    .limit(limit)
    .execute()
  return rows.length === 0 ? 0 : dropDeadDeliveries(tx, { ids: rows.map(({ id }) => id) })
}

export async function countQueued(db: Db, host: string): Promise<number> {
  const { count } = await db
    .selectFrom('federation_delivery')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('host', '=', host)
    .where('state', '=', 'queued')
    .executeTakeFirstOrThrow()
  return count
}

/** What was given up too long ago is not sent any more by itself. */
export async function endReviving(tx: Tx, before: number): Promise<void> {
  await tx
    .updateTable('federation_delivery')
    .set({ is_revivable: 0 })
    .where('died_at', '<', before)
    .where('is_revivable', '=', 1)
    .execute()
}
