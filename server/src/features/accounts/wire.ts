import type { Context } from '#context'
import type { AppearanceTable, UserTable } from '#db/tables.ts'
import type { UserStatus } from '#events/events.ts'
import { pictureAddress } from '#features/files/index.ts'
import { appearanceToWire } from '#features/appearance/index.ts'
import { moderationStateOf, type Restrictions } from '#features/restrictions/index.ts'
import type { Actor } from '#http/access.ts'
import { isoTime, isoTimeOrNull } from '#lib/clock.ts'

/** What of a user is not in their row. */
interface About {
  readonly roleIds: readonly string[]
  readonly restrictions: Restrictions
  readonly appearance: AppearanceTable | undefined
}

/**
 * A user as the API shows it to anybody who is signed in. Nothing secret is in it, nor in the row's reach. Why
 * somebody was banned or timed out is for them and for those who moderate.
 */
export function userToWire(
  ctx: Pick<Context, 'instance' | 'config' | 'clock' | 'roles'>,
  asker: Pick<Actor, 'userId' | 'rights'>,
  user: UserTable,
  { roleIds, restrictions, appearance }: About,
) {
  const moderates = asker.rights.has('ban_users') || asker.rights.has('mute_users')
  const list = ctx.roles.current
  const roles = list.inRankOrder(roleIds)
  return {
    user_id: user.id,
    username: user.username,
    about: user.about,
    avatar_url: pictureAddress(user.avatar),
    banner_url: pictureAddress(user.banner),
    status: user.status as UserStatus,
    origin_server: user.origin_server ?? ctx.instance.host,
    inbox_id: null,
    roles_ids: roles,
    resolved_roles: list.held(roles).map((role) => ({
      role_id: role.id,
      role_name: role.name,
      privileges_ids: [...role.rights],
      is_system: role.isSystem,
    })),
    resolved_privileges: [...list.rightsOf(roles)],
    moderation_state: moderationStateOf(restrictions, {
      withReasons: moderates || asker.userId === user.id,
    }),
    ...appearanceToWire(appearance, user.id, user),
    is_owner: roles.includes('owner'),
    is_admin: roles.includes('owner') || roles.includes('admin'),
    last_seen: isoTimeOrNull(user.last_seen_at),
    joined_servers_ids: user.origin_server === null ? [ctx.instance.serverId] : [],
    created_at: isoTime(user.created_at),
    updated_at: isoTime(user.updated_at),
    auth_token_expire_time: isoTime(ctx.clock() + ctx.config.accounts.access_token_minutes * 60_000),
  }
}
