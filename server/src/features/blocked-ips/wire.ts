import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import type { BlockedIpRow } from './store.ts'

export function blockedIpToWire(row: BlockedIpRow) {
  return {
    ip: row.network,
    reason: row.reason,
    blocked_at: isoTime(row.blocked_at),
    expires_at: isoTimeOrNull(row.expires_at),
    automatic: row.automatic === 1,
    blocked_by:
      row.blocked_by === null ? null : { id: row.blocked_by, username: row.blocked_by_name ?? 'unknown' },
    block_attempts_count: row.attempts,
    last_attempt_at: isoTimeOrNull(row.last_attempt_at),
  }
}
