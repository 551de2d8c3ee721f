import type { Context } from '#context'
import { listChannelVisibility, maySeeChannel, membershipsOf } from '#features/channels/index.ts'
import type { DomainEvent } from '#events/events.ts'
import { rightsOf } from '#features/roles/index.ts'
import type { Right } from '#lib/rights.ts'
import type { Connection } from './connection.ts'

/** Somebody with an open socket, and what they may see. Kept current by events. */
export class Viewer {
  readonly userId: string
  readonly connections = new Set<Connection>()
  rights: ReadonlySet<Right>
  memberOf: ReadonlySet<string> = new Set()
  /** Sockets that are about to be attached. */
  entering = 0
  /** Events about this person counted, to notice one that came while the memberships were being read. */
  changes = 0

  constructor(userId: string, rights: ReadonlySet<Right>) {
    this.userId = userId
    this.rights = rights
  }
}

/**
 * Who sees what: an index from channels to sockets. Public channels need none, everybody sees them; private ones
 * index the viewers that are members. Events keep it; nothing is computed for each message.
 */
export class Audience {
  readonly #db: Context['db']
  readonly #viewers = new Map<string, Viewer>()
  readonly #connections = new Set<Connection>()
  readonly #privateById = new Map<string, boolean>()
  readonly #deleted = new Set<string>()
  readonly #membersOnline = new Map<string, Set<Viewer>>()

  constructor(db: Context['db']) {
    this.#db = db
  }

  async load(): Promise<void> {
    for (const channel of await listChannelVisibility(this.#db.read)) {
      this.#privateById.set(channel.id, channel.is_private === 1)
      if (channel.deleted_at !== null) this.#deleted.add(channel.id)
    }
  }

  get connections(): ReadonlySet<Connection> {
    return this.#connections
  }

  viewer(userId: string): Viewer | undefined {
    return this.#viewers.get(userId)
  }

  /**
   * Reads what somebody may see, ahead of their socket: once this has resolved, a socket that is attached misses
   * nothing. To be followed by {@link leave}, whether a socket came of it or not.
   */
  async enter(userId: string, rights: ReadonlySet<Right>): Promise<Viewer> {
    let viewer = this.#viewers.get(userId)
    if (!viewer) {
      viewer = new Viewer(userId, rights)
      this.#viewers.set(userId, viewer)
    }
    viewer.entering++
    try {
      let changes: number
      do {
        changes = viewer.changes
        this.#setMemberships(viewer, await membershipsOf(this.#db.read, userId))
      } while (changes !== viewer.changes)
    } catch (error) {
      this.leave(viewer)
      throw error
    }
    return viewer
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
    const isPrivate = this.#privateById.get(channelId)
    if (isPrivate === undefined) return false
    return maySeeChannel({ isPrivate }, { isMember: viewer.memberOf.has(channelId), rights: viewer.rights })
  }

  isDeleted(channelId: string): boolean {
    return this.#deleted.has(channelId)
  }

  /** Calls `visit` for each socket that gets what happens in a channel. */
  forEach(channelId: string, visit: (connection: Connection) => void): void {
    const isPrivate = this.#privateById.get(channelId)
    if (isPrivate === undefined) return
    const take = (connection: Connection): void => {
      if (connection.channelId === undefined || connection.channelId === channelId) visit(connection)
    }
    if (!isPrivate) return this.#connections.forEach(take)
    const members = this.#membersOnline.get(channelId)
    members?.forEach((viewer) => viewer.connections.forEach(take))
    for (const viewer of this.#viewers.values()) {
      if (viewer.rights.has('view_private_channels') && !members?.has(viewer))
        viewer.connections.forEach(take)
    }
  }

  /** The private channels that decide who is acquainted with somebody, who may have no socket (any more). */
  async acquaintedThrough(userId: string): Promise<Iterable<string>> {
    if (this.#allAreAcquainted()) return []
    return this.#viewers.get(userId)?.memberOf ?? membershipsOf(this.#db.read, userId)
  }

  /** Calls `visit` for each socket of people who share a channel with `userId`, their own included. */
  forEachAcquainted(
    userId: string,
    memberships: Iterable<string>,
    visit: (connection: Connection) => void,
  ): void {
    if (this.#allAreAcquainted()) return this.#connections.forEach(visit)
    const seen = new Set<Connection>(this.#viewers.get(userId)?.connections)
    for (const channelId of memberships) {
      if (!this.#deleted.has(channelId)) this.forEach(channelId, (connection) => seen.add(connection))
    }
    seen.forEach(visit)
  }

  /** Follows what changes who sees what. Called before the event is shown to anybody. */
  follow(event: DomainEvent): void {
    switch (event.type) {
      case 'channel.created':
        this.#privateById.set(event.channel.id, event.channel.isPrivate)
        break
      case 'channel.deleted':
        this.#deleted.add(event.channelId)
        break
      case 'channel.member_added':
        this.#change(event.userId, (viewer) => [...viewer.memberOf, event.channel.id])
        break
      case 'channel.member_removed':
        this.#change(event.userId, (viewer) => [...viewer.memberOf].filter((id) => id !== event.channelId))
        break
      case 'user.changed': {
        const viewer = this.#viewers.get(event.userId)
        if (viewer && event.roles) viewer.rights = rightsOf(event.roles)
        break
      }
      default:
    }
  }

  /** A public channel is shared by all. */
  #allAreAcquainted(): boolean {
    for (const [id, isPrivate] of this.#privateById) if (!isPrivate && !this.#deleted.has(id)) return true
    return false
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

  #forgetIfGone(viewer: Viewer): void {
    if (viewer.entering > 0 || viewer.connections.size > 0) return
    this.#viewers.delete(viewer.userId)
    this.#setMemberships(viewer, [])
  }
}
