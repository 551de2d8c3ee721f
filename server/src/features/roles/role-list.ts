import type { RoleFacts } from '#events/events.ts'
import type { Role } from '#lib/permission.ts'
import { allRights, isRight, type Right } from '#lib/rights.ts'

/** The roles that every server has. Their ids are part of the API. */
export const builtInRoles = ['owner', 'admin', 'moderator', 'user'] as const
export type BuiltInRole = (typeof builtInRoles)[number]

const withheldFromAdmins: readonly Right[] = ['delete_users', 'manage_server_privileges', 'manage_storage']

const rightsOfUsers: readonly Right[] = [
  'send_messages',
  'view_messages',
  'upload_files',
  'view_files',
  'view_users',
  'connect',
  'speak',
  'video',
]

const rightsOfModerators: readonly Right[] = [
  ...rightsOfUsers,
  'create_channels',
  'edit_channels',
  'manage_channel_users',
  'view_private_channels',
  'delete_messages',
  'edit_messages',
  'ban_users',
  'mute_users',
  'moderate_content',
  'mention_everyone',
  'priority_speaker',
  'mute_members',
]

const builtIn = {
  owner: systemRole('owner', 'Owner', allRights),
  admin: systemRole(
    'admin',
    'Admin',
    allRights.filter((right) => !withheldFromAdmins.includes(right)),
  ),
  moderator: systemRole('moderator', 'Moderator', rightsOfModerators),
  user: systemRole('user', 'User', rightsOfUsers),
} satisfies Record<BuiltInRole, Role>

function systemRole(id: BuiltInRole, name: string, rights: readonly Right[]): Role {
  return { id, name, rights: new Set(rights), isSystem: true }
}

/**
 * All roles of the server at one moment, in the order of their rank. Owner and admin are always the highest two and
 * user the lowest; custom roles are between, above or below moderator.
 */
export class RoleList {
  /** Highest first. */
  readonly all: readonly Role[]
  readonly #places: ReadonlyMap<string, number>

  /** @param custom in any order; `position` is above 0 for those above moderator, below 0 for the others */
  constructor(custom: readonly RoleFacts[]) {
    const ranked = custom.toSorted((a, b) => b.position - a.position || (a.id < b.id ? -1 : 1))
    const above = ranked.filter(({ position }) => position > 0).map(roleOf)
    const below = ranked.filter(({ position }) => position <= 0).map(roleOf)
    this.all = [builtIn.owner, builtIn.admin, ...above, builtIn.moderator, ...below, builtIn.user]
    this.#places = new Map(this.all.map(({ id }, place) => [id, place]))
  }

  get(id: string): Role | undefined {
    const place = this.#places.get(id)
    return place === undefined ? undefined : this.all[place]
  }

  /** Place of a role, 0 for the highest. A role that does not exist is below all others. */
  placeOf(id: string): number {
    return this.#places.get(id) ?? this.all.length
  }

  /** Those of `ids` that exist, highest first. */
  held(ids: readonly string[]): Role[] {
    return ids.flatMap((id) => this.get(id) ?? []).toSorted((a, b) => this.placeOf(a.id) - this.placeOf(b.id))
  }

  /** The rights that roles give together. A role that does not exist gives none. */
  rightsOf(ids: readonly string[]): ReadonlySet<Right> {
    const held = this.held(ids)
    return held.length === 1 ? held[0]!.rights : new Set(held.flatMap(({ rights }) => [...rights]))
  }

  /** Ids highest first, so that equal sets look equal. */
  inRankOrder(ids: readonly string[]): string[] {
    return ids.toSorted((a, b) => this.placeOf(a) - this.placeOf(b) || (a < b ? -1 : 1))
  }

  /** Place of the highest of some roles: whoever has a smaller one ranks higher. */
  topPlace(ids: readonly string[]): number {
    return Math.min(this.all.length, ...ids.map((id) => this.placeOf(id)))
  }
}

function roleOf({ id, name, rights }: RoleFacts): Role {
  return { id, name, rights: new Set(rights.filter(isRight)), isSystem: false }
}
