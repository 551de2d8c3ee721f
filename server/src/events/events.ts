/**
 * Everything that happens in the server and that another part may want to know.
 *
 * *Logged* events are also rows of the event log, written by the transaction that caused them, so that a
 * socket which was away can be told later. The others describe a state that the next look heals.
 */
export type DomainEvent = LoggedEvent | TransientEvent

/** Position of a logged event: `pos` counts up within `stream`, and one process writes each stream. */
export interface Position {
  readonly stream: number
  readonly pos: number
}

/** A message as features hand it to each other: decrypted, without its author's profile. */
export interface MessageContent {
  readonly id: string
  readonly channelId: string
  /** Whether the channel is a direct conversation. */
  readonly isDirect: boolean
  readonly seq: number
  readonly senderId: string
  readonly text: string
  readonly sentAt: number
  readonly files: readonly AttachedFile[]
  /** When the text was changed last, and by whom. */
  readonly edited: { readonly at: number; readonly by: string } | null
  readonly replyTo: ReplyTarget | null
  /** The message that began the thread which this one is in. */
  readonly threadId: string | null
  /** Of the message that began a thread. */
  readonly thread: { readonly replies: number; readonly lastAt: number } | null
  readonly pinned: { readonly at: number; readonly by: string } | null
  readonly reactions: readonly Reaction[]
}

/** The message that another one answers. */
export interface ReplyTarget {
  readonly id: string
  /** Null when it is gone. */
  readonly senderId: string | null
  /** The beginning of its text; null when it is gone. */
  readonly excerpt: string | null
}

/** An emoji on a message, and who put it there, the first one first. */
export interface Reaction {
  readonly emoji: string
  readonly userIds: readonly string[]
}

/** A file of a message. */
export interface AttachedFile {
  readonly id: string
  readonly name: string
  /** MIME type, told by the content. */
  readonly type: string
  readonly kind: 'image' | 'video' | 'audio' | 'document' | 'file'
  readonly extension: string
  readonly size: number
  /** In pixels; of images only. */
  readonly width: number | null
  readonly height: number | null
  readonly isAnimated: boolean
  /** Smaller copies of an image, the smallest first. */
  readonly thumbnails: readonly { readonly width: number; readonly height: number }[]
  /** How `attachments` of a message shows it: by its address, or as an object for clients that need that. */
  readonly shownAs: 'address' | 'object'
}

/** What others may know of a channel. */
export interface ChannelFacts {
  readonly id: string
  readonly name: string
  readonly type: ChannelType | 'dm'
  readonly isPrivate: boolean
  readonly slowModeSeconds: number
  readonly topic: string | null
  readonly categoryId: string | null
  readonly position: number | null
  readonly createdAt: number
}

/** A custom role as events carry it. Built-in roles never change. */
export interface RoleFacts {
  readonly id: string
  readonly name: string
  readonly rights: readonly string[]
  /** Above 0: higher than moderator. Below 0: lower. The greater, the higher. */
  readonly position: number
}

/** What one channel says about a role or a person, beside the rights they have on the whole server. */
export interface OverrideFacts {
  readonly subjectType: 'role' | 'member'
  readonly subjectId: string
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** What somebody is kept from: since when, how long, why. */
export interface RestrictionFacts {
  readonly reason: string | null
  readonly at: number
  /** Null: until it is lifted. */
  readonly until: number | null
}

/** Types of channels that people make and lists show. */
export const channelTypes = ['text', 'voice', 'mixed'] as const
export type ChannelType = (typeof channelTypes)[number]
export type UserStatus = 'online' | 'idle' | 'afk' | 'dnd' | 'offline'

export type LoggedEvent =
  | { readonly type: 'message.sent'; readonly message: MessageContent }
  | {
      readonly type: 'message.deleted'
      readonly channelId: string
      readonly messageId: string
      readonly seq: number
    }
  | { readonly type: 'message.edited'; readonly message: MessageContent }
  /** Somebody put an emoji on a message, or took theirs away; with all reactions that it has now. */
  | {
      readonly type: 'reaction.added' | 'reaction.removed'
      readonly channelId: string
      readonly messageId: string
      readonly userId: string
      readonly emoji: string
      readonly reactions: readonly Reaction[]
    }
  | {
      readonly type: 'message.pinned' | 'message.unpinned'
      readonly channelId: string
      readonly messageId: string
      readonly userId: string
    }
  /** Everything in the channel up to this number is gone, because of its age. */
  | { readonly type: 'messages.pruned'; readonly channelId: string; readonly upToSeq: number }
  | { readonly type: 'channel.created'; readonly channel: ChannelFacts }
  /** Its name, topic or place, whether it is private, or its overrides changed. */
  | { readonly type: 'channel.updated'; readonly channel: ChannelFacts }
  | { readonly type: 'channel.deleted'; readonly channelId: string }
  | { readonly type: 'channel.member_added'; readonly channel: ChannelFacts; readonly userId: string }
  | { readonly type: 'channel.member_removed'; readonly channelId: string; readonly userId: string }

export type TransientEvent =
  /** Sockets and cached tokens of these sessions end now. */
  | { readonly type: 'session.ended'; readonly userId: string; readonly sessionIds: readonly string[] }
  /** Name, profile or roles changed: remembered copies are stale. `roles` are the new ones, if it was those. */
  | { readonly type: 'user.changed'; readonly userId: string; readonly roles?: readonly string[] }
  /** Somebody was banned or timed out, or is not any more. Their sessions end by an event of their own. */
  | {
      readonly type: 'user.restricted'
      readonly userId: string
      readonly ban: RestrictionFacts | null
      readonly timeout: RestrictionFacts | null
    }
  /** Something waits for those who look at reports, or not any more. */
  | {
      readonly type: 'report.created' | 'report.resolved'
      readonly reportId: string
      readonly reportType: 'message_report' | 'user_report'
      /** Channels of the messages: who may not see one of them is not told. */
      readonly channelIds: readonly string[]
    }
  /** All custom roles as they are now. An event of a lower version is older and says nothing. */
  | {
      readonly type: 'roles.changed'
      readonly version: number
      readonly roles: readonly RoleFacts[]
      /** Roles that are gone: what channels said about them is gone too. */
      readonly removed: readonly string[]
    }
  /** Who may see or use a channel changed. An event of a lower revision is older and says nothing. */
  | {
      readonly type: 'channel.access_changed'
      readonly channel: ChannelFacts
      readonly revision: number
      readonly overrides: readonly OverrideFacts[]
      /** Who became a member by the same act, and so still sees the channel. */
      readonly member?: string
    }
  /** From this network nothing is let in any more, and its sockets are closed. */
  | { readonly type: 'address.blocked'; readonly network: string; readonly expiresAt: number | null }
  /** This network is let in again; null: all of them. */
  | { readonly type: 'address.unblocked'; readonly network: string | null }
  /** What the operator set for the whole server changed: read it again. */
  | { readonly type: 'settings.changed' }
  /** A run of a background task began, went on or ended. */
  | { readonly type: 'task.changed'; readonly run: TaskRunFacts }
  /** With which other servers this one talks changed: read it again. */
  | { readonly type: 'peer_rules.changed' }
  /** Keys that sign what goes to other servers were replaced. */
  | { readonly type: 'federation_keys.changed' }
  /** The key or the rules of the search index changed: take up the new ones. */
  | { readonly type: 'search.changed' }
  /** Events of other processes that are told once may have been missed: remembered copies of anything may be stale. */
  | { readonly type: 'events.missed' }
  /** Durable work waits. */
  | { readonly type: 'jobs.enqueued' }
  | {
      readonly type: 'user.status_changed'
      readonly userId: string
      readonly status: UserStatus
      readonly source: StatusSource
      readonly at: number
    }
  /** Categories of channels were made, renamed, removed or put in another order. */
  | { readonly type: 'categories.changed' }
  /** Somebody is writing in a channel. */
  | {
      readonly type: 'typing.noticed'
      readonly channelId: string
      readonly userId: string
      readonly at: number
    }
  /** Somebody was asked to take part in a conversation. */
  | {
      readonly type: 'conversation.requested'
      readonly channelId: string
      readonly userId: string
      readonly fromId: string
    }
  | {
      readonly type: 'voice.joined'
      readonly sessionId: string
      readonly channelId: string
      readonly userId: string
      readonly loginSessionId: string
      /** Stream of the process that has the media. */
      readonly host: number
      readonly participantCount: number
    }
  | {
      readonly type: 'voice.left'
      readonly sessionId: string
      readonly channelId: string
      readonly userId: string
      readonly participantCount: number
      readonly sessionEnded: boolean
      readonly reason: string
    }
  /** Somebody mutes or speaks. */
  | {
      readonly type: 'voice.state_changed'
      readonly sessionId: string
      readonly channelId: string
      readonly userId: string
      readonly action: string
      readonly state: VoiceState
    }
  /** A moderator changed what somebody may do in voice channels. */
  | {
      readonly type: 'voice.restricted'
      readonly userId: string
      readonly muted: boolean
      readonly deafened: boolean
    }
  /** Somebody has read a message in a conversation, and lets the others see it. */
  | {
      readonly type: 'conversation.read'
      readonly userId: string
      readonly channelId: string
      readonly messageId: string
      readonly seq: number
    }
  | {
      readonly type: 'message.read'
      readonly userId: string
      readonly channelId: string
      readonly messageId: string
      readonly seq: number
    }
  /** A file of a message was taken away by itself; the message stays. */
  | {
      readonly type: 'file.deleted'
      readonly fileId: string
      readonly messageId: string
      readonly channelId: string
    }
  /** A message concerns somebody. */
  | { readonly type: 'notification.created'; readonly notification: NotificationFacts }
  /** A message concerns everybody in its channel, or those with one of some roles. */
  | {
      readonly type: 'notification.broadcast'
      readonly notification: Omit<NotificationFacts, 'userId'>
      readonly roles: readonly string[] | null
    }
  /** A message does not concern somebody any more, or, with null, those whom a broadcast told. */
  | {
      readonly type: 'notification.withdrawn'
      readonly notificationId: string
      readonly userId: string | null
      readonly channelId: string
      readonly messageId: string
    }
  /** Somebody has read one of their notifications, or, with null, all. */
  | {
      readonly type: 'notification.read'
      readonly userId: string
      readonly notificationId: string | null
      readonly unread: number
    }
  /** What somebody wants to be told of changed, in one channel or, with null, everywhere. */
  | {
      readonly type: 'notification.preferences_changed'
      readonly userId: string
      readonly channelId: string | null
    }
  /** A device can be reached from now on, or no more. */
  | { readonly type: 'push.subscribed' }
  /** A data key was replaced: what is new should use the new one. */
  | { readonly type: 'keys.replaced' }
  /** An upload of a user comes on: shown to their own sockets. */
  | {
      readonly type: 'upload.progressed'
      readonly userId: string
      readonly uploadId: string
      readonly state: 'receiving' | 'processing' | 'done' | 'failed'
      readonly receivedBytes: number
      readonly totalBytes: number | null
    }

/** Why a message concerns somebody: it names them, answers them, or goes on in a thread that they wrote in. */
export type NotificationType = 'mention' | 'reply' | 'thread'

/** That a message concerns somebody, as of the moment when it does. */
export interface NotificationFacts {
  readonly id: string
  readonly type: NotificationType
  readonly userId: string
  readonly actorId: string
  readonly channelId: string
  readonly messageId: string
  readonly createdAt: number
}

/** How a run of a background task stands. */
export interface TaskRunFacts {
  readonly taskId: string
  readonly runId: string
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'interrupted'
  readonly progress: TaskProgress | null
  readonly error: string | null
  readonly at: number
}

/** How far a task is, in its own units. */
export interface TaskProgress {
  readonly done: number
  /** Null when it cannot be known beforehand. */
  readonly total: number | null
  readonly note: string | null
}

/** How somebody is in a voice channel. */
export interface VoiceState {
  readonly isMuted: boolean
  readonly isDeafened: boolean
  readonly isSpeaking: boolean
}

export type StatusSource =
  | 'ws_global_connect'
  | 'ws_channel_connect'
  | 'ws_client_update'
  | 'ws_disconnect'
  | 'http_profile_update'

const loggedTypes: ReadonlySet<string> = new Set<LoggedEvent['type']>([
  'message.sent',
  'message.edited',
  'message.deleted',
  'message.pinned',
  'message.unpinned',
  'reaction.added',
  'reaction.removed',
  'messages.pruned',
  'channel.created',
  'channel.updated',
  'channel.deleted',
  'channel.member_added',
  'channel.member_removed',
])

export function isLogged(event: DomainEvent): event is LoggedEvent {
  return loggedTypes.has(event.type)
}

/** The channel that a logged event belongs to. */
export function channelOf(event: LoggedEvent): string {
  switch (event.type) {
    case 'message.sent':
    case 'message.edited':
      return event.message.channelId
    case 'channel.created':
    case 'channel.updated':
    case 'channel.member_added':
      return event.channel.id
    default:
      return event.channelId
  }
}
