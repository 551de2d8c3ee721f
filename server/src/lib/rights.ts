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
  message_management: ['send_messages', 'delete_messages', 'edit_messages', 'view_messages'],
  server_management: [
    'manage_server_settings',
    'manage_server_privileges',
    'manage_storage',
    'view_server_stats',
    'manage_background_tasks',
  ],
  moderation: ['ban_users', 'mute_users', 'moderate_content', 'view_audit_logs', 'manage_blocked_ips'],
  storage_management: ['upload_files', 'delete_files', 'view_files'],
} as const

export type Right = (typeof rightsByCategory)[keyof typeof rightsByCategory][number]

export const allRights: readonly Right[] = Object.values(rightsByCategory).flat()
