import type { Db, Tx } from '#db/database.ts'
import type { PeerRuleTable, PeerTable } from '#db/tables.ts'

export function listPeerRules(db: Db): Promise<PeerRuleTable[]> {
  return db.selectFrom('peer_rule').selectAll().orderBy('domain').execute()
}

export function findPeer(db: Db, host: string): Promise<PeerTable | undefined> {
  return db.selectFrom('peer').selectAll().where('host', '=', host).executeTakeFirst()
}

const newPeer = {
  heard_at: null,
  delivered_at: null,
  failed_at: null,
  failure: null,
  failures: 0,
  retry_at: null,
  latency_ms: null,
  signature: 'draft-cavage',
  signature_refused_at: null,
} as const satisfies Partial<PeerTable>

/** Notes something of a peer, which may be new. Never fails for reasons of its own. */
export function notePeer(tx: Tx, host: string, now: number, change: Partial<PeerTable>): void {
  tx.later(
    tx
      .insertInto('peer')
      .values({ ...newPeer, host, first_seen_at: now, ...change })
      .onConflict((conflict) => conflict.column('host').doUpdateSet({ ...change, host })),
  )
}

/** A peer with what waits for it. */
export interface PeerSeen extends PeerTable {
  readonly queued: number
  readonly dead: number
}

/** Peers by host, and how much is on its way to each. @param after the last host of the page before */
export async function listPeers(db: Db, after: string, limit: number): Promise<PeerSeen[]> {
  return db
    .selectFrom('peer')
    .selectAll()
    .select((eb) => {
      const count = (state: 'queued' | 'dead') =>
        eb
          .selectFrom('federation_delivery')
          .select(({ fn }) => fn.countAll<number>().as('count'))
          .whereRef('federation_delivery.host', '=', 'peer.host')
          .where('federation_delivery.state', '=', state)
      return [count('queued').as('queued'), count('dead').as('dead')]
    })
    .where('host', '>', after)
    .orderBy('host')
    .limit(limit)
    .$narrowType<{ queued: number; dead: number }>()
    .execute()
}

export async function putPeerRule(tx: Tx, row: PeerRuleTable): Promise<void> {
  const { action, reason, created_by, created_at } = row
  await tx
    .insertInto('peer_rule')
    .values(row)
    .onConflict((conflict) =>
      conflict.column('domain').doUpdateSet({ action, reason, created_by, created_at }),
    )
    .execute()
}

/** @returns false if there is no such rule */
export async function deletePeerRule(tx: Tx, domain: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('peer_rule')
    .where('domain', '=', domain)
    .executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

/** Every host that anything here has to do with. */
export async function knownHosts(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('peer')
    .select('host')
    .union(db.selectFrom('remote_actor').select('host'))
    .union(db.selectFrom('federation_delivery').select('host'))
    .execute()
  return rows.map(({ host }) => host)
}
