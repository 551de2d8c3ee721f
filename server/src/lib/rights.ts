/** Rights that roles give, by category. The ids are part of the API: clients decide by them what to show. */
export const rightsByCategory = {
  user_management: ['create_users', 'delete_users', 'edit_users', 'view_users', 'reset_user_tokens'],
  channel_management: [
    'create_channels',
    'delete_channels',
    'edit_channels',
    'manage_channel_users',
    'view_private_channels',
  ],
  message_management: [
    'send_messages',
    'delete_messages',
    'edit_messages',
    'view_messages',
    'mention_everyone',
  ],
  server_management: [
    'manage_server_settings',
    'manage_server_privileges',
    'manage_storage',
    'view_server_stats',
    'manage_background_tasks',
    'manage_federation',
  ],
  moderation: ['ban_users', 'mute_users', 'moderate_content', 'view_audit_logs', 'manage_blocked_ips'],
  storage_management: ['upload_files', 'delete_files', 'view_files'],
  voice: ['connect', 'speak', 'video', 'priority_speaker', 'mute_members'],
} as const

export type Right = (typeof rightsByCategory)[keyof typeof rightsByCategory][number]

export const allRights: readonly Right[] = Object.values(rightsByCategory).flat()

/** Rights about what happens in a channel. Overrides of a channel can allow and deny these, and no others. */
export const channelRights = [
  'view_messages',
  'send_messages',
  'upload_files',
  'delete_messages',
  'edit_messages',
  'moderate_content',
  'mention_everyone',
  'edit_channels',
  'manage_channel_users',
  'connect',
  'speak',
  'video',
  'priority_speaker',
  'mute_members',
] as const satisfies readonly Right[]

/** What somebody is kept from while they are timed out: everything by which they reach others. */
export const rightsToSpeak: ReadonlySet<Right> = new Set<Right>([
  'send_messages',
  'edit_messages',
  'upload_files',
  'connect',
  'speak',
  'video',
  'priority_speaker',
])

/** What the participants of a direct conversation may do there, if their roles say so. Nobody presides over it. */
export const rightsInDirect: ReadonlySet<Right> = new Set<Right>([
  'send_messages',
  'upload_files',
  'connect',
  'speak',
  'video',
])

export function isRight(id: string): id is Right {
  return (allRights as readonly string[]).includes(id)
}
