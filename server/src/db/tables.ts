import type { Generated } from 'kysely'

/**
 * The tables as code sees them. Ids are text, times integer milliseconds, flags 0 or 1, binary a `Uint8Array`,
 * on both databases. `migrations/` creates them.
 */
export interface Tables {
  server_setting: ServerSettingTable
  encryption_key: EncryptionKeyTable
  user: UserTable
  user_role: UserRoleTable
  session: SessionTable
  refresh_token: RefreshTokenTable
  channel: ChannelTable
  channel_category: ChannelCategoryTable
  channel_member: ChannelMemberTable
  message: MessageTable
  message_revision: MessageRevisionTable
  reaction: ReactionTable
  read_state: ReadStateTable
  event: EventTable
  event_stream: EventStreamTable
  presence: PresenceTable
  blob: BlobTable
  loose_object: LooseObjectTable
  file: FileTable
  thumbnail: ThumbnailTable
  storage_usage: StorageUsageTable
  audit_entry: AuditEntryTable
  voice_session: VoiceSessionTable
  voice_participant: VoiceParticipantTable
  voice_join_token: VoiceJoinTokenTable
  voice_restriction: VoiceRestrictionTable
  voice_limit: VoiceLimitTable
  job: JobTable
  dead_letter: DeadLetterTable
  node_challenge: NodeChallengeTable
  node_session: NodeSessionTable
  role: RoleTable
  role_list: RoleListTable
  channel_override: ChannelOverrideTable
  task: TaskTable
  task_run: TaskRunTable
  channel_retention: ChannelRetentionTable
  stat_count: StatCountTable
  stat_level: StatLevelTable
  message_roll_up: MessageRollUpTable
  active_day: ActiveDayTable
  activity: ActivityTable
  federation_person: FederationPersonTable
  federation_name: FederationNameTable
  federation_key: FederationKeyTable
  remote_actor: RemoteActorTable
  peer_rule: PeerRuleTable
  conversation: ConversationTable
  conversation_request: ConversationRequestTable
  person_block: PersonBlockTable
  dm_preference: DmPreferenceTable
  restriction: RestrictionTable
  report: ReportTable
  report_message: ReportMessageTable
  slow_mode_turn: SlowModeTurnTable
  appearance: AppearanceTable
  peer: PeerTable
  federation_follow: FederationFollowTable
  federation_block: FederationBlockTable
  remote_note: RemoteNoteTable
  federation_seen: FederationSeenTable
  federation_delivery: FederationDeliveryTable
  blocked_ip: BlockedIpTable
  search_generation: SearchGenerationTable
  search_document: SearchDocumentTable
  search_pending: SearchPendingTable
  search_index: SearchIndexTable
  invite: InviteTable
  notification: NotificationTable
  notification_read: NotificationReadTable
  notification_preference: NotificationPreferenceTable
  notification_silence: NotificationSilenceTable
  notification_setting: NotificationSettingTable
  push_subscription: PushSubscriptionTable
}

/** Codes by which people sign up. */
export interface InviteTable {
  code: string
  created_by: string | null
  created_at: number
  expires_at: number | null
  /** Null: any number. */
  max_uses: number | null
  uses: number
}

/** Networks whose requests are refused. */
export interface BlockedIpTable {
  /** The one spelling of an address or block. */
  network: string
  reason: string
  blocked_at: number
  blocked_by: string | null
  automatic: Flag
  expires_at: number | null
  /** Requests that were refused since. */
  attempts: number
  last_attempt_at: number | null
}

export type Flag = 0 | 1

/** Runtime settings; `value` is JSON. */
export interface ServerSettingTable {
  key: string
  value: string
  updated_at: number
}

/** Data keys, wrapped by the master key. The newest of a purpose that is not retired is in use. */
export interface EncryptionKeyTable {
  kid: string
  purpose: string
  wrapped: Uint8Array
  created_at: number
  retired_at: number | null
}

export interface UserTable {
  id: string
  username: string
  /** Case-folded: one person a name, however it is written. */
  username_key: string
  /** UTS #39 skeleton: one person among names that look alike. */
  username_skeleton: string
  password_hash: string
  about: string | null
  /** What others see now. */
  status: string
  /** What the person chose last; `dnd` and `afk` survive a reconnect. */
  chosen_status: string
  /** `<id>.<extension>` of a file. */
  avatar: string | null
  banner: string | null
  created_at: number
  updated_at: number
  last_seen_at: number | null
  /** Host of the server that a person of elsewhere lives on; null for our own. Those of elsewhere never sign in. */
  origin_server: string | null
}

export interface UserRoleTable {
  user_id: string
  role_id: string
  granted_at: number
}

/** A sign-in on one device, from which access and refresh tokens are made. */
export interface SessionTable {
  id: string
  user_id: string
  device: string
  created_at: number
  last_used_at: number
  expires_at: number
  ended_at: number | null
  end_reason: string | null
}

/** Every refresh token ever given for a living session, by its SHA-256. */
export interface RefreshTokenTable {
  hash: string
  session_id: string
  issued_at: number
  expires_at: number
  spent_at: number | null
  /** 1 once the successor was given a second time to a racing client. */
  reissued: Flag
}

export interface ChannelTable {
  id: string
  name: string
  /** Case-folded name, free again (null) once the channel is deleted. */
  name_key: string | null
  type: string
  is_private: Flag
  /** Number of the newest message; each send takes the next one. */
  last_seq: number
  /** Counts deleted messages: with `last_seq` it tells whether what was read of the channel is still current. */
  changes: number
  /** Counts changes of overrides and of `is_private`; 0 while the channel has never had an override. */
  access_revision: number
  /** Seconds that somebody waits between two messages; 0 without slow mode. */
  slow_mode_seconds: number
  /** What the channel is for. */
  topic: string | null
  category_id: string | null
  /** Lower comes first; null, not placed by anybody yet, comes last. */
  position: number | null
  created_by: string | null
  created_at: number
  updated_at: number
  deleted_at: number | null
}

/** A heading under which lists show channels. */
export interface ChannelCategoryTable {
  id: string
  name: string
  name_key: string
  position: number | null
  created_at: number
}

export interface ChannelMemberTable {
  channel_id: string
  user_id: string
  added_at: number
}

export interface MessageTable {
  id: string
  channel_id: string
  seq: number
  sender_id: string
  kid: string | null
  /** Ciphertext; null once deleted. */
  sealed: Uint8Array | null
  revision: number
  sent_at: number
  deleted_at: number | null
  deleted_by: string | null
  /** 1 if it was sent with files. Most have none, and then nobody looks for them. */
  has_files: Flag
  /** Counts what changed about it since it was sent: text, reactions, replies, pin. What was read of it is as old as that. */
  changes: number
  edited_at: number | null
  edited_by: string | null
  /** The message that it answers, of the same channel. That one may be gone. */
  reply_to_id: string | null
  /** The message that began the thread which this one is in. */
  thread_id: string | null
  /** Of the message that began a thread: living messages in it, and when the last of them was sent. */
  thread_replies: number
  thread_last_at: number | null
  pinned_at: number | null
  pinned_by: string | null
  reaction_count: number
}

/** What a message said before it was edited. */
export interface MessageRevisionTable {
  message_id: string
  revision: number
  kid: string
  sealed: Uint8Array
  written_at: number
  written_by: string
}

export interface ReactionTable {
  message_id: string
  emoji: string
  user_id: string
  created_at: number
}

export interface ReadStateTable {
  user_id: string
  channel_id: string
  read_seq: number
  updated_at: number
}

/** The event log: what happened, in the order it was committed, without content. */
export interface EventTable {
  stream: number
  pos: number
  at: number
  type: string
  channel_id: string
  /** Id of the message or user concerned, or the number up to which messages are gone. */
  ref_id: string | null
}

/**
 * One row a stream: everything up to `pruned_pos` is gone from the log, and everything up to `head_pos` was published by
 * the process that writes the stream, or will never exist.
 */
export interface EventStreamTable {
  stream: number
  pruned_pos: number
  head_pos: number
  /** Events that are not logged and that the process could not tell to others, counted. */
  untold: number
}

/** Who has sockets open at which process; a process is named by the stream that it writes. */
export interface PresenceTable {
  user_id: string
  stream: number
}

/** What somebody with power did. Rows are only added, and removed when they are old. */
export interface AuditEntryTable {
  id: string
  at: number
  /** Who did it; null for the operator of the machine and for the server itself. */
  actor_id: string | null
  action: string
  target_type: string
  target_id: string
  /** JSON. */
  details: string
}

/** Work that is to be done, once, by whichever process takes it. Done work has no row. */
export interface JobTable {
  /** Counts up in the order of writing, which is the order within a queue. */
  id: Generated<number>
  type: string
  /** JSON. */
  payload: string
  queue: string | null
  key: string | null
  state: JobState
  /** Not before. */
  run_at: number
  /** How often it was begun: with the id it names one run, so that an overtaken one cannot finish it. */
  runs: number
  failures: number
  last_error: string | null
  /** Stream of the process that runs it. */
  leased_by: number | null
  /** When another process may take it, unless the one that runs it has said that it lives. */
  leased_until: number | null
  created_at: number
}

/** `parked`: behind another job of its queue, and not looked at until that one is over. */
export type JobState = 'waiting' | 'parked' | 'running'

/** A job that is not tried any more, until somebody says so. */
export interface DeadLetterTable {
  id: number
  type: string
  payload: string
  queue: string | null
  key: string | null
  failures: number
  reason: string
  created_at: number
  died_at: number
}

/** Content that is stored once, whoever sent it, in an object of a store. Gone with its last reference. */
export interface BlobTable {
  /** Name of the object: random. */
  object: string
  /** Which store it is in: `disk` or `s3`. */
  store: string
  /** Of the plain content, in hexadecimal. */
  sha256: string
  /** Of the plain content. */
  size: number
  is_sealed: Flag
  /** The data key that wraps the secret of a sealed object. */
  kid: string | null
  wrapped_secret: Uint8Array | null
  /** Files and thumbnails that refer to it; never 0 after a commit. */
  refs: number
  created_at: number
}

/**
 * Objects that no blob refers to: yet, while `writer` says which process writes them, or any more. The latter, and
 * those whose writer is gone, are removed from their store.
 */
export interface LooseObjectTable {
  object: string
  store: string
  writer: string | null
  since: number
}

/** One use of a blob: the attachment of a message, an avatar, an upload of the owner. */
export interface FileTable {
  /** Random, and part of its address. */
  id: string
  object: string
  owner_id: string
  purpose: string
  visibility: string
  /** Where the storage routes show it. */
  directory: string
  kind: string
  /** MIME type, told by the content. */
  type: string
  extension: string
  size: number
  kid: string
  /** The name that people see, encrypted. */
  sealed_name: Uint8Array
  width: number | null
  height: number | null
  is_animated: Flag
  channel_id: string | null
  message_id: string | null
  /** Its place among the files of its message, from 0. */
  place: number
  created_at: number
}

/** A smaller copy of an image, as WebP. */
export interface ThumbnailTable {
  file_id: string
  width: number
  height: number
  object: string
  size: number
}

/** Bytes in use: by a user (all their files), or `server` (all blobs). */
export interface StorageUsageTable {
  scope: string
  bytes: number
}

/** What a node was asked to sign. Its account session must stand as long. */
export interface NodeChallengeTable {
  id: string
  session_id: string
  node_id: string
  /** The key that must sign it, if the client said so when it asked. */
  node_public_key: string | null
  nonce: string
  expires_at: number
  consumed_at: number | null
}

/** A session delegated to a node. It counts only while the account session that it came from does. */
export interface NodeSessionTable {
  id: string
  session_id: string
  node_id: string
  node_public_key: string
  /** How the node proved itself: `ed25519`, or `hmac` with a token of its person. */
  proof: string
  /** SHA-256, hex. */
  token_hash: string
  created_at: number
  expires_at: number
  ended_at: number | null
}

/** A custom role; the built-in ones are in the code. */
export interface RoleTable {
  id: string
  name: string
  /** JSON: ids of rights. */
  rights: string
  /** Above 0: higher than moderator. Below 0: lower. */
  position: number
  created_at: number
  updated_at: number
}

/** One row, which everything that changes or assigns roles locks first. */
export interface RoleListTable {
  id: 1
  version: number
}

/** What a channel says about a role or a person, beside the rights they have on the whole server. */
export interface ChannelOverrideTable {
  channel_id: string
  subject_type: 'role' | 'member'
  subject_id: string
  /** JSON: ids of rights. */
  allow: string
  /** JSON: ids of rights. */
  deny: string
  updated_at: number
}

/** A scheduled task, as it went so far. What it does and when is in the program. */
export interface TaskTable {
  id: string
  enabled: Flag
  /** Null while it is disabled. */
  next_run_at: number | null
  runs: number
  errors: number
  total_ms: number
  last_run_at: number | null
  /** Null once it went well again. */
  last_error: string | null
}

/** One run of a task: its history, and what waits or runs now. */
export interface TaskRunTable {
  id: string
  task_id: string
  state: TaskRunState
  /** Who asked for it; null when it was its time. */
  requested_by: string | null
  created_at: number
  started_at: number | null
  ended_at: number | null
  progress_done: number | null
  progress_total: number | null
  progress_note: string | null
  /** JSON: what came of it, in a few figures. */
  result: string | null
  error: string | null
}

/** `interrupted`: the process that ran it ended. */
export type TaskRunState = 'waiting' | 'running' | 'done' | 'failed' | 'interrupted'

/** How long messages of a channel are kept. A channel without a row keeps them as long as the server says. */
export interface ChannelRetentionTable {
  channel_id: string
  /** Null: as the server says. 0: for ever. */
  days: number | null
  /** Messages up to this number are gone, without tombstones. */
  pruned_seq: number
}

export type StatMinutes = 5 | 60

/** How often something happened in five minutes, and in an hour. Nothing happened where there is no row. */
export interface StatCountTable {
  metric: string
  /** How long `start` begins. */
  minutes: StatMinutes
  start: number
  count: number
}

/** How high something was in five minutes, and in an hour, looked at now and then. */
export interface StatLevelTable {
  metric: string
  minutes: StatMinutes
  start: number
  samples: number
  /** Of all samples together. */
  total: number
  peak: number
}

/** Messages of a channel up to this number are in `stat_count`. */
export interface MessageRollUpTable {
  channel_id: string
  seq: number
}

/** Who was there on a day. */
export interface ActiveDayTable {
  /** Beginning of the day, UTC. */
  day: number
  user_id: string
}

/** What happened that those who run the server want to see: an account, a channel, a changed setting. */
export interface ActivityTable {
  id: string
  at: number
  type: string
  user_id: string | null
  channel_id: string | null
  /** JSON. */
  details: string
}

/** What a person chose about federation; without a row, the defaults. */
export interface FederationPersonTable {
  user_id: string
  /** 0: for other servers, the person does not exist. */
  is_enabled: Flag
}

/** Names under which other servers know people of ours, if these are not, or no longer, their usernames. */
export interface FederationNameTable {
  name_key: string
  user_id: string
  created_at: number
}

/** Key pairs that sign what people, and the server itself, send to other servers. */
export interface FederationKeyTable {
  id: string
  /** Id of a user, or of this server. */
  owner_id: string
  algorithm: string
  /** SPKI, PEM. */
  public_key: string
  /** The data key that seals the private key. */
  kid: string
  /** PKCS #8, encrypted. */
  sealed: Uint8Array
  created_at: number
  retired_at: number | null
}

/** Actors of other servers, as they described themselves last. */
export interface RemoteActorTable {
  /** The URL of the actor. */
  id: string
  /** `host[:port]` of the id. */
  host: string
  /** The user who stands for the actor here, once there is something to show. */
  user_id: string | null
  /** JSON. */
  document: string
  fetched_at: number
  /** When the actor's server said that it does not exist any more. */
  gone_at: number | null
}

/** What the operator decided about a domain and all below it. */
export interface PeerRuleTable {
  domain: string
  action: 'allow' | 'block'
  reason: string
  created_by: string | null
  created_at: number
}

/** People being together in a voice channel, from the first who joins to the last who leaves. */
export interface VoiceSessionTable {
  id: string
  channel_id: string
  quality_profile: string
  /** Stream of the process that has the media. */
  host: number
  /** Counts changes; a transaction that changes the session takes the next one and so has it alone. */
  revision: number
  started_at: number
  ended_at: number | null
}

export interface VoiceParticipantTable {
  session_id: string
  user_id: string
  /** The sign-in by which they joined. */
  login_session_id: string
  joined_at: number
  left_at: number | null
}

/** A join token that was given out. It lets in once. */
export interface VoiceJoinTokenTable {
  jti: string
  session_id: string
  user_id: string
  expires_at: number
  used_at: number | null
}

/** What moderators keep somebody from in voice channels, wherever they go. No row: nothing. */
export interface VoiceRestrictionTable {
  user_id: string
  muted: Flag
  deafened: Flag
  changed_at: number
}

/** Limits of one voice channel. Null: the server's own. */
export interface VoiceLimitTable {
  channel_id: string
  max_participants: number | null
  bitrate_kbps: number | null
  changed_at: number
}

/** A direct conversation: a channel of type `dm`, whose members are the participants. */
export interface ConversationTable {
  channel_id: string
  kind: 'direct' | 'group'
  /** The two people of a direct conversation, so that they have one only; null for groups. */
  pair_key: string | null
  /** When something was said last. */
  active_at: number
}

/** Somebody who is asked whether they want to take part in a conversation. */
export interface ConversationRequestTable {
  channel_id: string
  user_id: string
  from_id: string
  state: 'pending' | 'declined'
  created_at: number
}

/** Somebody who wants nothing from somebody. */
export interface PersonBlockTable {
  blocker_id: string
  blocked_id: string
  created_at: number
}

export interface DmPreferenceTable {
  user_id: string
  accept_from: string
  /** Whether others see what the person has read of what they wrote. */
  read_receipts: Flag
  updated_at: number
}

/** What somebody is kept from, at most once of each kind. One that is over says nothing, though it may still be here. */
export interface RestrictionTable {
  user_id: string
  kind: 'ban' | 'timeout'
  reason: string | null
  /** Who did it; null for the operator. */
  by_id: string | null
  at: number
  /** Null: until it is lifted. */
  until: number | null
}

/** Something that somebody asked the moderators to look at. */
export interface ReportTable {
  id: string
  type: 'message_report' | 'user_report'
  category: string
  description: string | null
  reporter_id: string
  /** Whom it is about: the sender of the messages. */
  target_user_id: string
  created_at: number
  resolved_at: number | null
  resolved_by: string | null
  action: string | null
  reason: string | null
}

/** A message that a report is about. */
export interface ReportMessageTable {
  report_id: string
  message_id: string
  channel_id: string
}

/** When somebody last wrote in a channel while it was in slow mode. */
export interface SlowModeTurnTable {
  channel_id: string
  user_id: string
  at: number
}

/** How a user, or the server (`server`), looks where there is no picture. */
export interface AppearanceTable {
  subject_id: string
  avatar_kind: 'identicon' | 'image' | null
  banner_kind: 'solid' | 'image' | null
  accent_color: string | null
  avatar_seed: string | null
}

/** How it goes with another server. */
export interface PeerTable {
  /** `host[:port]` */
  host: string
  first_seen_at: number
  /** When a signed activity of the peer came last. Noted once a minute at most. */
  heard_at: number | null
  delivered_at: number | null
  failed_at: number | null
  /** Why the last delivery failed. */
  failure: string | null
  /** Failures in a row; 0 while the peer takes what it gets. */
  failures: number
  /** Nothing is sent before: the circuit breaker is open. */
  retry_at: number | null
  /** How long a delivery takes, smoothed. */
  latency_ms: number | null
  /** How to sign what goes there. */
  signature: PeerSignature
  /** When the peer refused what was signed in a better way than the usual. */
  signature_refused_at: number | null
}

export type PeerSignature = 'draft-cavage' | 'rfc9421-rsa' | 'rfc9421-ed25519'

/** Somebody here follows an actor elsewhere (`out`), or is followed by one (`in`). */
export interface FederationFollowTable {
  user_id: string
  actor_id: string
  direction: 'in' | 'out'
  /** Of the Follow: answers and undoing refer to it. */
  activity_id: string
  state: 'pending' | 'accepted' | 'rejected'
  created_at: number
  updated_at: number
}

/** An actor elsewhere wants nothing to do with somebody here. */
export interface FederationBlockTable {
  user_id: string
  actor_id: string
  created_at: number
}

/** Messages that came from other servers: one note may be a message to several people here. */
export interface RemoteNoteTable {
  /** The URL of the note. */
  object_id: string
  message_id: string
  actor_id: string
}

/** Activities that have taken effect: SHA-256 of actor and id. */
export interface FederationSeenTable {
  hash: Uint8Array
  at: number
}

/** An activity on its way to another server. */
export interface FederationDeliveryTable {
  id: string
  host: string
  /** Those of one lane go out one after the other, in order. */
  lane: string
  /** Whose key signs it. */
  sender_id: string
  inbox: string
  activity_id: string
  activity_type: string
  kid: string
  /** The activity, encrypted: it has what people write to each other. */
  sealed: Uint8Array
  /** `dead`: given up, kept for the operator. */
  state: 'queued' | 'dead'
  attempts: number
  next_at: number
  /** Why the last attempt failed. */
  reason: string | null
  /** 1 if it died because the peer could not be reached: it is sent when the peer is back. */
  is_revivable: Flag
  created_at: number
  died_at: number | null
}

/** What messages are indexed with: a key and the rules by which text becomes words. The newest is in use. */
export interface SearchGenerationTable {
  id: Generated<number>
  kid: string
  rules: string
  created_at: number
  /** When every message had been indexed with it. */
  completed_at: number | null
}

/** A message in the search index. A trigger removes it when the message is deleted. */
export interface SearchDocumentTable {
  message_id: string
  channel_id: string
  generation: number
  /** SQLite: number in the full-text index, which orders by it: time of sending and a counter. */
  doc: Generated<bigint>
  /** PostgreSQL. */
  sent_at: Generated<number>
  /** PostgreSQL: a `tsvector`. */
  tokens: Generated<string>
}

/** SQLite: messages that wait to be indexed together with others. */
export interface SearchPendingTable {
  id: Generated<bigint>
  message_id: string
  channel_id: string
  generation: number
  /** The lowest number of a document that was sent at its time. */
  first_doc: bigint
  tokens: string
}

/** SQLite: the full-text index (FTS5). It gives back nothing but numbers. */
export interface SearchIndexTable {
  rowid: bigint
  tokens: string
  /** Stands for the whole row in `match`. */
  search_index: Generated<string>
}

/**
 * That a message concerns somebody. Without `user_id` it is a broadcast: one row for everybody who sees the channel, or for
 * those of them who have one of `roles`.
 */
export interface NotificationTable {
  id: string
  user_id: string | null
  /** Ids of roles, with a space before and after each. */
  roles: string | null
  type: 'mention' | 'reply' | 'thread'
  actor_id: string
  channel_id: string
  message_id: string
  /** Number of the message: whoever has read the channel up to it has read this. */
  seq: number
  created_at: number
  /** When the person said so; of a broadcast always null. */
  read_at: number | null
  /** When the message was edited so that it does not concern them any more. */
  withdrawn_at: number | null
}

/** A broadcast that somebody has said they have read. */
export interface NotificationReadTable {
  user_id: string
  notification_id: string
  read_at: number
}

/** What somebody wants to be told of in one channel or conversation. */
export interface NotificationPreferenceTable {
  user_id: string
  channel_id: string
  /** Null: what the person wants everywhere. */
  level: 'all' | 'mentions' | null
  /** Silence, of which the end may be over: from when, and until when; null is for good. */
  muted_at: number | null
  muted_until: number | null
  updated_at: number
}

/** A silence that is over: what came in it does not come back. */
export interface NotificationSilenceTable {
  user_id: string
  channel_id: string
  muted_at: number
  muted_until: number
}

/** What somebody wants to be told of where they have not said otherwise. */
export interface NotificationSettingTable {
  user_id: string
  level: 'all' | 'mentions' | 'nothing'
  updated_at: number
}

/** Where a device of somebody can be reached while it is away. Ends with its session. */
export interface PushSubscriptionTable {
  id: string
  user_id: string
  session_id: string
  /** SHA-256 of the address, hex. */
  endpoint_hash: string
  /** Address and keys as JSON, encrypted: who has the address can send to the device. */
  sealed: Uint8Array
  created_at: number
}
