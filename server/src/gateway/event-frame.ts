import type { ChannelFacts, DomainEvent } from '#events/events.ts'
import { channelToWire } from '#features/channels/index.ts'
import { messageFields, reactionsJson, type Authors } from '#features/messages/index.ts'
import { notificationFrame } from '#features/notifications/index.ts'
import { moderationStateOf } from '#features/restrictions/index.ts'
import { runFrame } from '#features/tasks/index.ts'
import { isoTime } from '#lib/clock.ts'
import { conversationIdOf } from '#lib/conversation-id.ts'

type Of<T extends DomainEvent['type']> = Extract<DomainEvent, { type: T }>

/**
 * An event as clients get it, as JSON text.
 *
 * @param cursor where a client that has this frame can resume; undefined for events that are not replayed
 * @param authors of messages, as `peopleOf` names them
 */
export function eventJson(
  event: DomainEvent,
  cursor: string | undefined,
  authors: Authors = nobody,
): string | undefined {
  switch (event.type) {
    case 'message.sent':
      return `{"type":"message",${messageFields(event.message, authors)},"cursor":"${cursor}"}`
    case 'message.edited':
      return `{"type":"message_edited",${messageFields(event.message, authors)},"cursor":"${cursor}"}`
    case 'reaction.added':
    case 'reaction.removed':
      return reactionFrame(event, cursor)
    case 'message.pinned':
    case 'message.unpinned':
      return json({
        type: event.type === 'message.pinned' ? 'message_pinned' : 'message_unpinned',
        message_id: event.messageId,
        channel_id: event.channelId,
        user_id: event.userId,
        cursor,
      })
    case 'message.deleted':
      return json({
        type: 'message_deleted',
        message_id: event.messageId,
        channel_id: event.channelId,
        seq: event.seq,
        cursor,
      })
    case 'messages.pruned':
      return json({
        type: 'messages_removed',
        channel_id: event.channelId,
        up_to_seq: event.upToSeq,
        cursor,
      })
    case 'task.changed':
      return json({ type: 'background_task', ...runFrame(event.run) })
    case 'channel.created':
      if (event.channel.type === 'dm') return undefined
      return json({ type: 'channel_created', ...channelFields(event.channel), cursor })
    case 'channel.updated':
      if (event.channel.type === 'dm') {
        return json({ type: 'conversation_updated', ...conversationFields(event.channel), cursor })
      }
      return json({ type: 'channel_updated', ...channelFields(event.channel), cursor })
    case 'channel.deleted':
      return json({ type: 'channel_deleted', channel_id: event.channelId, cursor })
    case 'channel.member_added':
      return event.channel.type === 'dm'
        ? json({
            type: 'conversation_member_added',
            user_id: event.userId,
            ...conversationFields(event.channel),
            cursor,
          })
        : json({
            type: 'channel_member_added',
            user_id: event.userId,
            ...channelFields(event.channel),
            cursor,
          })
    case 'channel.member_removed':
      return json({
        type: 'channel_member_removed',
        user_id: event.userId,
        channel_id: event.channelId,
        cursor,
      })
    case 'user.status_changed':
      return json({
        type: 'user_status_changed',
        user_id: event.userId,
        status: event.status,
        source: event.source,
        timestamp: isoTime(event.at),
      })
    case 'categories.changed':
      return json({ type: 'channel_categories_changed' })
    case 'typing.noticed':
      return json({
        type: 'typing',
        channel_id: event.channelId,
        user_id: event.userId,
        timestamp: isoTime(event.at),
      })
    case 'conversation.requested':
      return json({
        type: 'conversation_requested',
        conversation_id: conversationIdOf(event.channelId),
        channel_id: event.channelId,
        from_user_id: event.fromId,
      })
    case 'conversation.read':
      return json({
        type: 'conversation_read',
        conversation_id: conversationIdOf(event.channelId),
        channel_id: event.channelId,
        user_id: event.userId,
        message_id: event.messageId,
        seq: event.seq,
      })
    case 'message.read':
      return json({
        type: 'message_read',
        message_id: event.messageId,
        channel_id: event.channelId,
        seq: event.seq,
      })
    case 'notification.created':
      return notificationJson(event.notification, event.notification.userId)
    case 'notification.withdrawn':
      return json({
        type: 'notification_removed',
        notification_id: event.notificationId,
        channel_id: event.channelId,
        message_id: event.messageId,
      })
    case 'notification.read':
      return json({
        type: 'notification_read',
        notification_id: event.notificationId,
        unread_count: event.unread,
      })
    case 'notification.preferences_changed':
      return json({ type: 'notification_preferences_changed', channel_id: event.channelId })
    case 'file.deleted':
      return json({
        type: 'file_deleted',
        file_id: event.fileId,
        message_id: event.messageId,
        channel_id: event.channelId,
      })
    case 'upload.progressed':
      return json({
        type: 'upload_progress',
        upload_id: event.uploadId,
        state: event.state,
        received_bytes: event.receivedBytes,
        total_bytes: event.totalBytes,
      })
    case 'voice.joined':
      return json({
        type: 'voice_session_event',
        event_type: 'participant_joined',
        ...voiceFields(event),
        participant_count: event.participantCount,
        session_ended: false,
      })
    case 'voice.left':
      return json({
        type: 'voice_session_event',
        event_type: 'participant_left',
        ...voiceFields(event),
        participant_count: event.participantCount,
        session_ended: event.sessionEnded,
        payload: { reason: event.reason },
      })
    case 'voice.state_changed': {
      const { isMuted, isDeafened, isSpeaking } = event.state
      return json({
        type: 'voice_session_event',
        event_type: 'state_changed',
        ...voiceFields(event),
        action: event.action,
        payload: { is_muted: isMuted, is_deafened: isDeafened, is_speaking: isSpeaking },
      })
    }
    default:
      return undefined
  }
}

const nobody: Authors = new Map()

/** Which reactions are the reader's own is for clients to see: everybody gets the same. */
function reactionFrame(event: Of<'reaction.added' | 'reaction.removed'>, cursor: string | undefined): string {
  const fields = json({
    type: event.type === 'reaction.added' ? 'message_reaction_added' : 'message_reaction_removed',
    message_id: event.messageId,
    channel_id: event.channelId,
    user_id: event.userId,
    emoji: event.emoji,
    cursor,
  })
  return `${fields.slice(0, -1)},"reactions":${reactionsJson(event.reactions)}}`
}

/** To one of those whom a notification concerns. */
export function notificationJson(
  facts: Of<'notification.broadcast'>['notification'],
  userId: string,
): string {
  return json({ type: 'notification_created', notification: notificationFrame(facts, userId) })
}

/** To somebody who saw a channel until now. */
export function hiddenJson(channelId: string): string {
  return json({ type: 'channel_hidden', channel_id: channelId })
}

/** To somebody who sees a channel from now on. */
export function shownJson(channel: ChannelFacts): string {
  return json({ type: 'channel_shown', ...channelFields(channel) })
}

export function rolesJson(userId: string, roleIds: readonly string[]): string {
  return json({ type: 'user_roles_changed', user_id: userId, roles_ids: roleIds })
}

/** That roles are not what they were: clients load them when they need them. */
export function roleListJson(version: number): string {
  return json({ type: 'roles_changed', version })
}

function voiceFields(event: { sessionId: string; channelId: string; userId: string }): object {
  return { session_id: event.sessionId, channel_id: event.channelId, user_id: event.userId }
}

/** To the person and to those who moderate. */
export function restrictionsJson({ userId, ban, timeout }: Of<'user.restricted'>): string {
  const state = moderationStateOf({ ban, timeout }, { withReasons: true })
  return json({ type: 'moderation_state_changed', user_id: userId, moderation_state: state })
}

/** To those who may read the report. */
export function reportJson({ type, reportId, reportType }: Of<'report.created' | 'report.resolved'>): string {
  const name = type === 'report.created' ? 'report_created' : 'report_resolved'
  return json({ type: name, report_id: reportId, report_type: reportType })
}

function channelFields(channel: ChannelFacts): object {
  return { channel_id: channel.id, channel: channelToWire(channel, null) }
}

function conversationFields({ id, name }: ChannelFacts): object {
  return { conversation_id: conversationIdOf(id), channel_id: id, name }
}

function json(fields: object): string {
  return JSON.stringify(fields)
}
