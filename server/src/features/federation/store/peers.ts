import type { Db } from '#db/database.ts'
import type { PeerRuleTable } from '#db/tables.ts'

export function listPeerRules(db: Db): Promise<PeerRuleTable[]> {
  return db.selectFrom('peer_rule').selectAll().orderBy('domain').execute()
}
