import type { Context } from '#context'
import { listChannelVisibility, membershipsOf } from '#features/channels/index.ts'
import type { DomainEvent } from '#events/events.ts'
import { compileOverrides, listOverrides, rolesOf } from '#features/roles/index.ts'
import {
  can,
  noOverrides,
  type ChannelStanding,
  type Overrides,
  type Role,
  type Standing,
} from '#lib/permission.ts'
import type { Right } from '#lib/rights.ts'
import type { Connection } from './connection.ts'

/** People with the same roles, who therefore see the same channels, but for what is said about single people. */
interface Group {
  readonly key: string
  readonly roleIds: readonly string[]
  /** How anybody with these roles stands. Another object once a role changed. */
  standing: Standing
  readonly viewers: Set<Viewer>
}

/** Somebody with an open socket, and what they may see. Kept current by events. */
export class Viewer {
  readonly userId: string
  readonly connections = new Set<Connection>()
  group: Group
  memberOf: ReadonlySet<string> = new Set()
  /** As of the last event: a timeout that is over by now may still be here. */
  lastTimeout: number | null = null
  /** Sockets that are about to be attached. */
  entering = 0
  /** Events about this person counted, to notice one that came while something of theirs was being read. */
  changes = 0

  constructor(userId: string, group: Group) {
    this.userId = userId
    this.group = group
  }

  get held(): readonly Role[] {
    return this.group.standing.held
  }

  get rights(): ReadonlySet<Right> {
    return this.group.standing.rights
  }

  /** How the person stands at this moment. */
  standing(now: number): Standing {
    const { userId, held, rights, lastTimeout } = this
    const timedOutUntil = lastTimeout !== null && lastTimeout > now ? lastTimeout : null
    return { userId, held, rights, timedOutUntil }
  }
}

/** What decides who sees a channel. */
interface Channel {
  readonly id: string
  readonly type: string
  isPrivate: boolean
  overrides: Overrides
  revision: number
  isDeleted: boolean
  /** Whether a group sees it, remembered until either changes. Made when first asked for. */
  views: Views | undefined
}

type Views = Readonly<Record<'member' | 'outsider', WeakMap<Standing, boolean>>>

/**
 * Who sees what: an index from channels to sockets. Channels that everybody sees need none. Of the others, members
 * are indexed, and everybody else is decided on by groups of people with the same roles: nothing is computed for each
 * message and each socket. Events keep it.
 */
export class Audience {
  readonly #db: Context['db']
  readonly #roles: Context['roles']
  readonly #viewers = new Map<string, Viewer>()
  readonly #groups = new Map<string, Group>()
  readonly #connections = new Set<Connection>()
  readonly #channels = new Map<string, Channel>()
  /** Channels that are not direct conversations, of which there may be very many. */
  readonly #shared = new Set<Channel>()
  readonly #membersOnline = new Map<string, Set<Viewer>>()

  constructor({ db, roles }: Pick<Context, 'db' | 'roles'>) {
    this.#db = db
    this.#roles = roles
  }

  /** Reads about all channels. */
  load(): Promise<void> {
    return this.#read()
  }

  knows(channelId: string): boolean {
    return this.#channels.has(channelId)
  }

  /** Reads about a channel that another process made. */
  learn(channelId: string): Promise<void> {
    return this.#read(channelId)
  }

  async #read(only?: string): Promise<void> {
    // The revisions first: overrides that are newer than theirs are told again, older ones would be taken for them.
    const rows = await listChannelVisibility(this.#db.read, only === undefined ? undefined : [only])
    const overrides = Map.groupBy(await listOverrides(this.#db.read, only), ({ channelId }) => channelId)
    for (const row of rows) {
      this.#add({
        id: row.id,
        type: row.type,
        isPrivate: row.is_private === 1,
        overrides: compileOverrides(overrides.get(row.id) ?? []),
        revision: row.access_revision,
        isDeleted: row.deleted_at !== null,
        views: undefined,
      })
    }
  }

  get connections(): ReadonlySet<Connection> {
    return this.#connections
  }

  get viewers(): Iterable<Viewer> {
    return this.#viewers.values()
  }

  viewer(userId: string): Viewer | undefined {
    return this.#viewers.get(userId)
  }

  /**
   * Reads what somebody may see, ahead of their socket: once this has resolved, a socket that is attached misses
   * nothing. To be followed by {@link leave}, whether a socket came of it or not.
   */
  async enter(userId: string, roleIds: readonly string[]): Promise<Viewer> {
    let viewer = this.#viewers.get(userId)
    if (!viewer) {
      viewer = new Viewer(userId, this.#groupOf(roleIds))
      viewer.group.viewers.add(viewer)
      this.#viewers.set(userId, viewer)
    }
    viewer.entering++
    try {
      await this.refresh(viewer)
    } catch (error) {
      this.leave(viewer)
      throw error
    }
    return viewer
  }

  /** Reads anew what somebody is a member of. */
  async refresh(viewer: Viewer): Promise<void> {
    let changes: number
    do {
      changes = viewer.changes
      this.#setMemberships(viewer, await membershipsOf(this.#db.read, viewer.userId))
    } while (changes !== viewer.changes)
  }

  /** Ends what {@link enter} began: somebody without an open socket is forgotten. */
  leave(viewer: Viewer): void {
    viewer.entering--
    this.#forgetIfGone(viewer)
  }

  /** From here on the socket gets what its person may see. */
  attach(viewer: Viewer, connection: Connection): void {
    viewer.connections.add(connection)
    this.#connections.add(connection)
  }

  /** @returns whether it was the last socket of its person */
  detach(viewer: Viewer, connection: Connection): boolean {
    this.#connections.delete(connection)
    if (!viewer.connections.delete(connection)) return false
    this.#forgetIfGone(viewer)
    return viewer.connections.size === 0
  }

  maySee(viewer: Viewer, channelId: string): boolean {
    const channel = this.#channels.get(channelId)
    return channel !== undefined && this.#sees(viewer, channel)
  }

  /** Whether a channel is one that somebody may not see. A direct conversation hides no report about it. */
  hides(viewer: Viewer, channelId: string): boolean {
    const channel = this.#channels.get(channelId)
    if (!channel || channel.isDeleted || channel.type === 'dm') return false
    return !this.#sees(viewer, channel)
  }

  isDeleted(channelId: string): boolean {
    return this.#channels.get(channelId)?.isDeleted === true
  }

  /** Calls `visit` for each socket that gets what happens in a channel. */
  forEach(channelId: string, visit: (connection: Connection) => void): void {
    const channel = this.#channels.get(channelId)
    if (!channel) return
    const take = (connection: Connection): void => {
      if (connection.channelId === undefined || connection.channelId === channelId) visit(connection)
    }
    if (this.#isOpenToAll(channel)) return this.#connections.forEach(take)
    this.#forEachViewer(channel, (viewer) => viewer.connections.forEach(take))
  }

  /** Everybody with an open socket who sees a channel. */
  viewersOf(channelId: string): Set<Viewer> {
    const found = new Set<Viewer>()
    const channel = this.#channels.get(channelId)
    if (channel) this.#forEachViewer(channel, (viewer) => found.add(viewer))
    return found
  }

  /** Calls `visit` for each socket, not for a single channel, of those who hold a right. */
  forEachWith(right: Right, visit: (connection: Connection) => void): void {
    for (const { rights, connections } of this.#viewers.values()) {
      if (!rights.has(right)) continue
      for (const connection of connections) if (connection.channelId === undefined) visit(connection)
    }
  }

  /** The channels that decide who is acquainted with somebody, who may have no socket (any more). */
  async acquaintedThrough(userId: string): Promise<Iterable<string>> {
    if (this.#allAreAcquainted()) return []
    const viewer = this.#viewers.get(userId)
    const person =
      viewer?.standing(0) ?? this.#roles.standing(userId, await rolesOf(this.#db.read, userId), null)
    const memberOf = viewer?.memberOf ?? new Set(await membershipsOf(this.#db.read, userId))
    const seen = new Set(memberOf)
    for (const channel of this.#shared) {
      const isMember = memberOf.has(channel.id)
      // Who sees every private channel is not acquainted with all their members.
      if (channel.isPrivate && !isMember && isSilent(channel.overrides)) continue
      const { allowed } = can(person, 'view_messages', standing(channel, isMember))
      if (allowed) seen.add(channel.id)
      else seen.delete(channel.id)
    }
    return seen
  }

  /** Calls `visit` for each socket of people who share a channel with `userId`, their own included. */
  forEachAcquainted(
    userId: string,
    channelIds: Iterable<string>,
    visit: (connection: Connection) => void,
  ): void {
    if (this.#allAreAcquainted()) return this.#connections.forEach(visit)
    const seen = new Set<Connection>(this.#viewers.get(userId)?.connections)
    for (const channelId of channelIds) {
      if (!this.isDeleted(channelId)) this.forEach(channelId, (connection) => seen.add(connection))
    }
    seen.forEach(visit)
  }

  /** Follows what changes who sees what. Called before the event is shown to anybody. */
  follow(event: DomainEvent): void {
    switch (event.type) {
      case 'channel.created': {
        const { id, type, isPrivate } = event.channel
        if (this.#channels.has(id)) break
        const fresh = { overrides: noOverrides, revision: 0, isDeleted: false, views: undefined }
        this.#add({ id, type, isPrivate, ...fresh })
        break
      }
      case 'channel.access_changed':
        this.#followAccess(event)
        break
      case 'channel.deleted': {
        const channel = this.#channels.get(event.channelId)
        if (channel) channel.isDeleted = true
        break
      }
      case 'channel.member_added':
        this.#addMembership(event.userId, event.channel.id)
        break
      case 'channel.member_removed':
        this.#change(event.userId, (viewer) => [...viewer.memberOf].filter((id) => id !== event.channelId))
        break
      case 'user.changed':
        if (event.roles) this.setRoles(event.userId, event.roles)
        break
      case 'user.restricted': {
        const viewer = this.#viewers.get(event.userId)
        if (!viewer) break
        viewer.changes++
        viewer.lastTimeout = event.timeout?.until ?? null
        break
      }
      case 'roles.changed':
        this.#followRoles(event.removed)
        break
      default:
    }
  }

  /** Somebody has these roles from now on. */
  setRoles(userId: string, roleIds: readonly string[]): void {
    const viewer = this.#viewers.get(userId)
    if (!viewer) return
    viewer.changes++
    this.#leaveGroup(viewer)
    viewer.group = this.#groupOf(roleIds)
    viewer.group.viewers.add(viewer)
  }

  #add(channel: Channel): void {
    const known = this.#channels.get(channel.id)
    if (known) {
      // What events have told meanwhile may be newer than what was read.
      if (known.revision > channel.revision || known.isDeleted) return
      this.#shared.delete(known)
    }
    this.#channels.set(channel.id, channel)
    if (channel.type !== 'dm') this.#shared.add(channel)
  }

  #followAccess(event: Extract<DomainEvent, { type: 'channel.access_changed' }>): void {
    if (event.member !== undefined) this.#addMembership(event.member, event.channel.id)
    const channel = this.#channels.get(event.channel.id)
    // Two changes may be told in another order than they were made in.
    if (!channel || event.revision <= channel.revision) return
    channel.revision = event.revision
    channel.isPrivate = event.channel.isPrivate
    channel.overrides = compileOverrides(event.overrides)
    channel.views = undefined
  }

  #followRoles(removed: readonly string[]): void {
    for (const group of this.#groups.values()) group.standing = this.#standingOf(group.roleIds)
    for (const channel of this.#shared) {
      const { roles, members } = channel.overrides
      if (!removed.some((id) => roles.has(id))) continue
      channel.overrides = {
        roles: new Map([...roles].filter(([id]) => !removed.includes(id))),
        members,
      }
      channel.views = undefined
    }
  }

  #sees(viewer: Viewer, channel: Channel): boolean {
    const { userId, held, rights } = viewer
    const person = { userId, held, rights, timedOutUntil: null }
    return can(person, 'view_messages', standing(channel, viewer.memberOf.has(channel.id))).allowed
  }

  #forEachViewer(channel: Channel, visit: (viewer: Viewer) => void): void {
    const { members: single } = channel.overrides
    const members = this.#membersOnline.get(channel.id)
    if (channel.type !== 'dm') {
      for (const group of this.#groups.values()) {
        if (!this.#groupSees(group, channel, 'outsider')) continue
        for (const viewer of group.viewers) {
          if (!members?.has(viewer) && !single.has(viewer.userId)) visit(viewer)
        }
      }
    }
    for (const viewer of members ?? []) {
      if (!single.has(viewer.userId) && this.#groupSees(viewer.group, channel, 'member')) visit(viewer)
    }
    for (const userId of single.keys()) {
      const viewer = this.#viewers.get(userId)
      if (viewer && this.#sees(viewer, channel)) visit(viewer)
    }
  }

  /** Whether people with these roles see a channel that says nothing about them by name. */
  #groupSees(group: Group, channel: Channel, as: 'member' | 'outsider'): boolean {
    const views = (channel.views ??= { member: new WeakMap(), outsider: new WeakMap() })[as]
    let sees = views.get(group.standing)
    if (sees === undefined) {
      sees = can(group.standing, 'view_messages', standing(channel, as === 'member')).allowed
      views.set(group.standing, sees)
    }
    return sees
  }

  #isOpenToAll(channel: Channel): boolean {
    if (channel.isPrivate || channel.type === 'dm' || !isSilent(channel.overrides)) return false
    for (const group of this.#groups.values()) {
      if (!this.#groupSees(group, channel, 'outsider')) return false
    }
    return true
  }

  /** A channel that all see is shared by all. */
  #allAreAcquainted(): boolean {
    for (const channel of this.#shared) {
      if (!channel.isDeleted && this.#isOpenToAll(channel)) return true
    }
    return false
  }

  #addMembership(userId: string, channelId: string): void {
    this.#change(userId, (viewer) => [...viewer.memberOf, channelId])
  }

  #change(userId: string, memberships: (viewer: Viewer) => string[]): void {
    const viewer = this.#viewers.get(userId)
    if (!viewer) return
    viewer.changes++
    this.#setMemberships(viewer, memberships(viewer))
  }

  #setMemberships(viewer: Viewer, channelIds: readonly string[]): void {
    for (const id of viewer.memberOf) {
      const members = this.#membersOnline.get(id)
      members?.delete(viewer)
      if (members?.size === 0) this.#membersOnline.delete(id)
    }
    viewer.memberOf = new Set(channelIds)
    for (const id of viewer.memberOf) {
      const members = this.#membersOnline.get(id)
      if (members) members.add(viewer)
      else this.#membersOnline.set(id, new Set([viewer]))
    }
  }

  #groupOf(roleIds: readonly string[]): Group {
    const key = roleIds.toSorted().join(' ')
    let group = this.#groups.get(key)
    if (!group) {
      group = { key, roleIds, standing: this.#standingOf(roleIds), viewers: new Set() }
      this.#groups.set(key, group)
    }
    return group
  }

  #standingOf(roleIds: readonly string[]): Standing {
    return this.#roles.standing('', roleIds, null)
  }

  #leaveGroup(viewer: Viewer): void {
    const { group } = viewer
    group.viewers.delete(viewer)
    if (group.viewers.size === 0) this.#groups.delete(group.key)
  }

  #forgetIfGone(viewer: Viewer): void {
    if (viewer.entering > 0 || viewer.connections.size > 0) return
    this.#viewers.delete(viewer.userId)
    this.#leaveGroup(viewer)
    this.#setMemberships(viewer, [])
  }
}

function isSilent({ roles, members }: Overrides): boolean {
  return roles.size === 0 && members.size === 0
}

function standing({ type, isPrivate, overrides }: Channel, isMember: boolean): ChannelStanding {
  return { type, isPrivate, isMember, overrides }
}
