import type { NotificationPreferenceTable } from '#db/tables.ts'
import type { NotificationFacts } from '#events/events.ts'
import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import { isMuted } from './policy.ts'
import type { NotificationSeen } from './store.ts'

/** A notification as its recipient gets it in a list. */
export function notificationToWire(row: NotificationSeen, userId: string) {
  return {
    notification_id: row.id,
    user_id: userId,
    type: row.type,
    actor_user_id: row.actor_id,
    channel_id: row.channel_id,
    message_id: row.message_id,
    created_at: isoTime(row.created_at),
    read_at: isoTimeOrNull(row.read_at),
  }
}

/** A notification that was just created, in its frame. */
export function notificationFrame(facts: Omit<NotificationFacts, 'userId'>, userId: string) {
  return {
    notification_id: facts.id,
    user_id: userId,
    type: facts.type,
    actor_user_id: facts.actorId,
    channel_id: facts.channelId,
    message_id: facts.messageId,
    created_at: isoTime(facts.createdAt),
    read_at: null,
  }
}

export function preferenceToWire(row: NotificationPreferenceTable, now: number) {
  const muted = isMuted(row, now)
  return {
    user_id: row.user_id,
    channel_id: row.channel_id,
    muted,
    mention_only: row.level === 'mentions',
    muted_until: muted ? isoTimeOrNull(row.muted_until) : null,
    level: muted ? ('nothing' as const) : row.level,
    updated_at: isoTime(row.updated_at),
  }
}
