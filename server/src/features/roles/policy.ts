import { allRights, type Right } from '#lib/rights.ts'

/** The roles that every server has. Their ids are part of the API. */
export const builtInRoles = ['owner', 'admin', 'moderator', 'user'] as const
export type BuiltInRole = (typeof builtInRoles)[number]

const withheldFromAdmins: readonly Right[] = ['delete_users', 'manage_server_privileges', 'manage_storage']

const rightsOfRole: Readonly<Record<BuiltInRole, ReadonlySet<Right>>> = {
  owner: new Set(allRights),
  admin: new Set(allRights.filter((right) => !withheldFromAdmins.includes(right))),
  moderator: new Set<Right>([
    'view_users',
    'create_channels',
    'edit_channels',
    'manage_channel_users',
    'view_private_channels',
    'send_messages',
    'delete_messages',
    'edit_messages',
    'view_messages',
    'ban_users',
    'mute_users',
    'moderate_content',
    'upload_files',
    'view_files',
  ]),
  user: new Set<Right>(['send_messages', 'view_messages', 'upload_files', 'view_files', 'view_users']),
}

function isBuiltInRole(id: string): id is BuiltInRole {
  return (builtInRoles as readonly string[]).includes(id)
}

/** The rights that `roles` give together. A role that does not exist gives none. */
export function rightsOf(roles: readonly string[]): ReadonlySet<Right> {
  const known = roles.filter(isBuiltInRole)
  if (known.length === 1) return rightsOfRole[known[0]!]
  return new Set(known.flatMap((role) => [...rightsOfRole[role]]))
}

/** Roles in the order of their rank, highest first, so that equal sets look equal. */
export function inRankOrder(roles: readonly string[]): string[] {
  const rank = (role: string): number =>
    isBuiltInRole(role) ? builtInRoles.indexOf(role) : builtInRoles.length
  return roles.toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}
