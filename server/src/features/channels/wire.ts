import type { ChannelFacts, ChannelType } from '#events/events.ts'
import type { ChannelTable } from '#db/tables.ts'
import { isoTime } from '#lib/clock.ts'

export function factsOf(row: ChannelTable): ChannelFacts {
  return {
    id: row.id,
    name: row.name,
    type: row.type as ChannelFacts['type'],
    isPrivate: row.is_private === 1,
    slowModeSeconds: row.slow_mode_seconds,
    topic: row.topic,
    categoryId: row.category_id,
    position: row.position,
    createdAt: row.created_at,
  }
}

/**
 * Direct conversations are not shown as channels.
 *
 * @param members of a private channel, for those who may see it; null for public ones
 */
export function channelToWire(channel: ChannelFacts, members: readonly string[] | null) {
  return {
    channel_id: channel.id,
    channel_name: channel.name,
    channel_type: channel.type as ChannelType,
    messages_ids: [],
    is_private: channel.isPrivate,
    allowed_users: members === null ? null : [...members],
    participant_ids: [],
    slow_mode_seconds: channel.slowModeSeconds,
    topic: channel.topic,
    category_id: channel.categoryId,
    position: channel.position,
    created_at: isoTime(channel.createdAt),
  }
}
