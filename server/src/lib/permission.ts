import { rightsInDirect, rightsToSpeak, type Right } from './rights.ts'

/** A role as decisions see it. */
export interface Role {
  readonly id: string
  readonly name: string
  readonly rights: ReadonlySet<Right>
  /** Built in: it cannot be changed or removed. */
  readonly isSystem: boolean
}

/** What decisions must know of a person, as of this moment. */
export interface Standing {
  readonly userId: string
  /** Their roles, highest first. */
  readonly held: readonly Role[]
  /** What their roles give together, on the whole server. */
  readonly rights: ReadonlySet<Right>
  /** End of the timeout that holds at this moment, in milliseconds since the epoch; null without one. */
  readonly timedOutUntil: number | null
}

/** What an override says of rights: true allows, false denies; it is silent about the others. */
export type Statement = ReadonlyMap<Right, boolean>

/** What a channel says about roles and about single people, beside the rights they have on the whole server. */
export interface Overrides {
  readonly roles: ReadonlyMap<string, Statement>
  readonly members: ReadonlyMap<string, Statement>
}

export const noOverrides: Overrides = { roles: new Map(), members: new Map() }

/** A channel, and how one person stands to it. */
export interface ChannelStanding {
  /** `dm` is a direct conversation: it belongs to its participants, whatever rights others have. */
  readonly type: string
  readonly isPrivate: boolean
  /** Whether the person is a member, or a participant of a direct conversation. */
  readonly isMember: boolean
  readonly overrides: Overrides
}

/** What decided. */
export type Reason =
  /** Owners may do everything, except in other people's direct conversations. */
  | { readonly by: 'owner' }
  /** A role gives the right on the whole server. */
  | { readonly by: 'role'; readonly roleId: string }
  /** The channel says so about the person. */
  | { readonly by: 'member_override' }
  /** The channel says so about a role: the highest one it says something about. */
  | { readonly by: 'role_override'; readonly roleId: string }
  /** The person is a member of this private channel, or takes part in this direct conversation. */
  | { readonly by: 'membership' }
  /** No role gives the right. */
  | { readonly by: 'no_role' }
  /** The channel is private and the person is not a member. */
  | { readonly by: 'private' }
  /** The person may not even see the channel; `because` says why. */
  | { readonly by: 'hidden'; readonly because: Reason }
  /** It is a direct conversation, over which nobody presides. */
  | { readonly by: 'direct_conversation' }
  | { readonly by: 'timeout'; readonly until: number }

export interface Decision {
  readonly allowed: boolean
  readonly because: Reason
}

const STAFF: ReadonlySet<string> = new Set(['owner', 'admin', 'moderator'])

/**
 * Whether somebody may do something, on the whole server or in one channel, and what decided. The one rule for
 * routes, sockets, files, search and voice; pure and total.
 *
 * In a channel the first of these that says something counts: ownership; the override for the person; the override
 * for the highest of their roles that has one; the roles themselves. An override for `user` binds everybody who is
 * not owner, admin or moderator. Nothing can be done in a channel that cannot be seen.
 */
export function can(person: Standing, right: Right, channel?: ChannelStanding): Decision {
  if (channel) {
    const view = canSee(person, channel)
    if (right === 'view_messages') return view
    if (!view.allowed) return deny({ by: 'hidden', because: view.because })
  }
  if (person.timedOutUntil !== null && rightsToSpeak.has(right)) {
    return deny({ by: 'timeout', until: person.timedOutUntil })
  }
  if (channel?.type === 'dm' && !rightsInDirect.has(right)) return deny({ by: 'direct_conversation' })
  if (isOwner(person)) return allow({ by: 'owner' })
  return (
    (channel && channel.type !== 'dm' ? overridden(person, right, channel.overrides) : undefined) ??
    byRole(person, right)
  )
}

/** To be let into a private channel is said about the person, so it counts before what is said about roles. */
function canSee(person: Standing, channel: ChannelStanding): Decision {
  if (channel.type === 'dm') return channel.isMember ? allow({ by: 'membership' }) : deny({ by: 'private' })
  if (isOwner(person)) return allow({ by: 'owner' })
  const stated = channel.overrides.members.get(person.userId)?.get('view_messages')
  if (stated !== undefined) return { allowed: stated, because: { by: 'member_override' } }
  if (channel.isPrivate && channel.isMember) return allow({ by: 'membership' })
  const override = overriddenForRoles(person, 'view_messages', channel.overrides)
  if (override) return override
  if (!channel.isPrivate) return byRole(person, 'view_messages')
  const decision = byRole(person, 'view_private_channels')
  return decision.allowed ? decision : deny({ by: 'private' })
}

function overridden(person: Standing, right: Right, overrides: Overrides): Decision | undefined {
  const stated = overrides.members.get(person.userId)?.get(right)
  if (stated !== undefined) return { allowed: stated, because: { by: 'member_override' } }
  return overriddenForRoles(person, right, overrides)
}

function overriddenForRoles(person: Standing, right: Right, { roles }: Overrides): Decision | undefined {
  if (roles.size === 0) return undefined
  let isStaff = false
  for (const { id } of person.held) {
    const stated = roles.get(id)?.get(right)
    if (stated !== undefined) return { allowed: stated, because: { by: 'role_override', roleId: id } }
    isStaff ||= STAFF.has(id)
  }
  const stated = isStaff ? undefined : roles.get('user')?.get(right)
  return stated === undefined
    ? undefined
    : { allowed: stated, because: { by: 'role_override', roleId: 'user' } }
}

function byRole(person: Standing, right: Right): Decision {
  for (const role of person.held) {
    if (role.rights.has(right)) return allow({ by: 'role', roleId: role.id })
  }
  return deny({ by: 'no_role' })
}

export function isOwner(person: Standing): boolean {
  return person.held[0]?.id === 'owner'
}

function allow(because: Reason): Decision {
  return { allowed: true, because }
}

function deny(because: Reason): Decision {
  return { allowed: false, because }
}
