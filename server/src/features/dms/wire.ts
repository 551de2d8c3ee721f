import { messageJson } from '#features/messages/index.ts'
import { isoTime } from '#lib/clock.ts'
import { conversationIdOf } from '#lib/conversation-id.ts'
import type { Overview } from './overview.ts'

/** A conversation as JSON text, with what was said last in it. */
export function overviewJson({
  conversation,
  participants,
  unread,
  newest,
  profiles,
  viewerId,
}: Overview): string {
  const fields = {
    conversation_id: conversationIdOf(conversation.id),
    channel_id: conversation.id,
    kind: conversation.kind,
    name: conversation.name,
    participants: participants.map((userId) => ({
      user_id: userId,
      username: profiles.get(userId)?.username ?? 'Unknown User',
      status: profiles.get(userId)?.status ?? 'offline',
    })),
    created_at: isoTime(conversation.created_at),
    last_activity_at: isoTime(conversation.active_at),
    unread_count: unread,
  }
  const message = newest ? messageJson(newest, profiles, viewerId) : 'null'
  return `${JSON.stringify(fields).slice(0, -1)},"last_message":${message}}`
}
