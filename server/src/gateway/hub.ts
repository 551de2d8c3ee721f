import type { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { RawData, WebSocket } from 'ws'
import type { Context } from '#context'
import type { Published } from '#events/bus.ts'
import { channelOf, isLogged, type DomainEvent, type Position } from '#events/events.ts'
import { peopleOf, type Authors } from '#features/messages/index.ts'
import { deafTo } from '#features/notifications/index.ts'
import type { Actor } from '#http/access.ts'
import type { Client } from '#http/client-address.ts'
import { HttpError } from '#http/errors.ts'
import { contains, parseNetwork } from '#lib/ip.ts'
import { hasSlots } from '#lib/slots.ts'
import { Audience, type Viewer } from './audience.ts'
import { CloseCode, Connection } from './connection.ts'
import type { Cluster } from './cluster/cluster.ts'
import { advance, formatCursor, logMark, type Cursor } from './cursor.ts'
import {
  eventJson,
  hiddenJson,
  notificationJson,
  reportJson,
  restrictionsJson,
  roleListJson,
  rolesJson,
  shownJson,
} from './event-frame.ts'
import { pingFrame, pongFrame, textFrame } from './frame.ts'
import { Incoming } from './incoming.ts'
import { Presence } from './presence.ts'
import { missedEvents } from './replay.ts'
import { Typing } from './typing.ts'

/** People who are told of a broadcast before others get their turn: about a millisecond. */
const TOLD_AT_ONCE = 200
/** Before open sockets are checked again that could not be. */
const RECONSIDER_MS = 1000

/** Where a client wants to go on: `now`, a cursor, or undefined for live events without cursors to keep. */
export type Resume = Cursor | 'now' | undefined

export interface Admission {
  readonly actor: Actor
  readonly client: Client
  readonly channelId: string | undefined
  readonly resume: Resume
}

/**
 * The gateway's heart: keeps the open sockets and turns each event into one frame, written to every socket whose
 * person may see it at that moment.
 */
export class Hub implements AsyncDisposable {
  readonly #ctx: Context
  readonly #audience: Audience
  readonly #presence: Presence
  readonly #unsubscribe: () => void
  readonly #pinger: NodeJS.Timeout
  /** Events that wait for the author of an earlier message to be read. Usually empty. */
  readonly #waiting: Published[] = []
  readonly #mark: string
  readonly #cluster: Cluster | undefined
  /** Profiles that are remembered. */
  readonly #known: Authors
  readonly #typing: Typing
  #cursor: Cursor
  #stopping = false

  private constructor(ctx: Context, cluster: Cluster | undefined) {
    this.#ctx = ctx
    this.#audience = new Audience(ctx)
    this.#presence = new Presence(ctx, (change) => this.#showStatus(change))
    this.#mark = logMark(ctx.instance.serverId)
    this.#cluster = cluster
    this.#typing = new Typing(ctx)
    this.#known = { get: (userId) => ctx.profiles.known(userId) }
    this.#cursor = cluster?.heads ?? new Map([[ctx.eventLog.stream, ctx.eventLog.head]])
    this.#unsubscribe = ctx.bus.subscribe((published) => this.#receive(published))
    const interval = ctx.config.gateway.ping_seconds * 1000
    this.#pinger = setInterval(() => this.#pingAll(), interval).unref()
  }

  /** @param cluster the other processes of this server, if there may be any */
  static async create(ctx: Context, cluster?: Cluster): Promise<Hub> {
    const hub = new Hub(ctx, cluster)
    await hub.#audience.load()
    return hub
  }

  get size(): number {
    return this.#audience.connections.size
  }

  /**
   * Opens a socket for somebody who may have one: reads what they may see, lets `upgrade` make the socket, and from
   * that moment sends what happens.
   *
   * @param upgrade answers the handshake; returns undefined when the handshake was not one
   * @throws HttpError 429 before the handshake, when the person has as many sockets as they may
   */
  async open(
    { actor, client, channelId, resume }: Admission,
    upgrade: () => { socket: WebSocket; stream: Duplex } | undefined,
  ): Promise<void> {
    if (resume instanceof Map) await this.#cluster?.reach(resume)
    const viewer = await this.#audience.enter(actor.userId, actor.roles)
    let connection: Connection | undefined
    try {
      // Counted here, where nothing can come between this and the socket.
      if (viewer.connections.size >= this.#ctx.config.gateway.max_sockets_per_user) throw tooManySockets()
      const opened = upgrade()
      if (opened) connection = this.#attach(viewer, { ...opened, actor, client, channelId })
    } finally {
      this.#audience.leave(viewer)
    }
    if (connection) await this.#begin(connection, viewer, resume)
  }

  #attach(
    viewer: Viewer,
    parts: { socket: WebSocket; stream: Duplex } & Pick<Admission, 'actor' | 'client' | 'channelId'>,
  ): Connection {
    const connection = new Connection({
      socket: parts.socket,
      stream: parts.stream,
      userId: parts.actor.userId,
      sessionId: parts.actor.sessionId,
      client: parts.client,
      channelId: parts.channelId,
      queueBytes: this.#ctx.config.gateway.send_queue_kb * 1024,
    })
    connection.hold()
    parts.socket.on('error', () => parts.socket.terminate())
    parts.socket.on('close', () => this.#detach(viewer, connection))
    this.#audience.attach(viewer, connection)
    this.#ctx.metrics.sockets.set(this.size)
    if (viewer.connections.size === 1) {
      const source = connection.channelId ? 'ws_channel_connect' : 'ws_global_connect'
      this.#presence.arrived(connection.userId, source)
    }
    return connection
  }

  /** Sends what was missed, then what came meanwhile, and begins to listen to the client. */
  async #begin(connection: Connection, viewer: Viewer, resume: Resume): Promise<void> {
    const live = this.#cursor
    this.#listen(connection, viewer)
    if (this.#stopping) connection.close(CloseCode.goingAway, 'the server is stopping')
    await this.#recheck(connection, viewer)
    if (resume !== undefined && connection.isOpen) await this.#replay(connection, viewer, resume, live)
    connection.release()
  }

  /** Counts what the client sends, of whatever kind, and acts on what is text. */
  #listen(connection: Connection, viewer: Viewer): void {
    const incoming = new Incoming(this.#ctx, connection, viewer, this.#typing)
    const admits = (): boolean => {
      if (!connection.isOpen) return false
      if (this.#ctx.limiter.admitsFrame(connection.userId)) return true
      this.#ctx.metrics.socketsClosed.inc({ reason: String(CloseCode.policy) })
      connection.close(CloseCode.policy, 'too many frames')
      return false
    }
    connection.socket.on('message', (data, isBinary) => {
      if (admits() && !isBinary) incoming.take(asText(data))
    })
    connection.socket.on('ping', (payload: Buffer) => {
      if (admits()) connection.write(pongFrame(payload))
    })
  }

  /** The session may have ended, or lost the channel, while its socket was opening. */
  async #recheck(connection: Connection, viewer: Viewer): Promise<void> {
    try {
      let changes: number
      let actor: Actor
      do {
        changes = viewer.changes
        actor = await this.#ctx.authenticator.check(connection.sessionId)
      } while (changes !== viewer.changes)
      this.#audience.setRoles(viewer.userId, actor.roles)
      viewer.lastTimeout = actor.timedOutUntil
      this.#closeBlind(viewer)
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      connection.close(CloseCode.policy, 'the session has ended')
    }
  }

  async #replay(connection: Connection, viewer: Viewer, resume: Cursor | 'now', live: Cursor): Promise<void> {
    let cursor = resume === 'now' ? live : resume
    const missed =
      resume === 'now'
        ? []
        : await missedEvents(this.#ctx, this.#audience, viewer, connection.channelId, {
            from: resume,
            to: live,
          })
    if (!missed) return connection.close(CloseCode.cannotResume, 'the cursor cannot be resumed: load by REST')
    const authors = await this.#ctx.profiles.of(missed.flatMap(({ event }) => peopleIn(event)))
    for (const { row, event } of missed) {
      cursor = advance(cursor, row)
      const json = eventJson(event, formatCursor(this.#mark, cursor), authors)
      if (json === undefined) continue
      connection.writePast(this.#framesOf(json)(connection))
      await connection.drained()
    }
    const ready = { type: 'ready', replayed: missed.length, cursor: formatCursor(this.#mark, live) }
    connection.writePast(textFrame(JSON.stringify(ready)))
  }

  #receive(published: Published): void {
    if (this.#waiting.push(published) === 1) this.#drain()
  }

  /** Shows events in their order; stops at one for which something must be read from the database first. */
  #drain(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const { event } = next
      const reading = this.#readAhead(event)
      if (reading) {
        void reading.then((authors) => {
          this.#show(next, authors)
          this.#waiting.shift()
          this.#drain()
        })
        return
      }
      this.#show(next, this.#known)
      this.#waiting.shift()
    }
  }

  /** Reads what is needed to show an event and not known yet. @returns undefined when there is nothing */
  #readAhead(event: DomainEvent): Promise<Authors> | undefined {
    const people = peopleIn(event)
    const knowsAuthors = people.every((id) => this.#ctx.profiles.known(id) !== undefined)
    // Another process made the channel, and what happens in it here is told sooner than that.
    const channelId = isLogged(event) && event.type !== 'channel.created' ? channelOf(event) : undefined
    const knowsChannel = channelId === undefined || this.#audience.knows(channelId)
    if (knowsAuthors && knowsChannel) return undefined
    const read = async (): Promise<Authors> => {
      if (!knowsChannel) await this.#audience.learn(channelId)
      return this.#ctx.profiles.of(people)
    }
    return read().catch((error: unknown) => {
      this.#ctx.log.error({ err: error }, 'what is needed to show an event could not be read')
      return this.#known
    })
  }

  #show({ event, position, remote }: Published, authors: Authors): void {
    if (event.type === 'message.sent' && !remote) this.#ctx.metrics.messages.inc()
    if (position) this.#cursor = advance(this.#cursor, position)
    if (event.type === 'channel.access_changed') return this.#showAccess(event)
    this.#audience.follow(event)
    switch (event.type) {
      case 'session.ended':
        return this.#endSessions(event.userId, new Set(event.sessionIds))
      case 'user.changed':
        return this.#showRoles(event)
      case 'roles.changed':
        return this.#showRoleList(event)
      case 'events.missed':
        return void this.#reconsider().catch((error: unknown) => this.#reconsiderLater(error))
      case 'user.restricted':
        return this.#showRestrictions(event)
      case 'report.created':
      case 'report.resolved':
        return this.#showReport(event)
      case 'notification.broadcast':
        return void this.#tellMany(event).catch((error: unknown) =>
          this.#ctx.log.warn({ err: error }, 'some were not told of a message that speaks to many'),
        )
      case 'address.blocked':
        return this.#closeBlocked(event.network)
      case 'user.status_changed':
        return this.#presence.announce(event, this.size)
      default:
        this.#deliver(event, position, authors)
    }
  }

  #deliver(event: DomainEvent, position: Position | undefined, authors: Authors): void {
    const text = eventJson(event, position && formatCursor(this.#mark, this.#cursor), authors)
    if (text === undefined) return
    const frameFor = this.#framesOf(text)
    let written = 0
    const write = (connection: Connection): void => {
      if (connection.write(frameFor(connection))) written++
      else this.#ctx.metrics.socketsClosed.inc({ reason: String(CloseCode.tooSlow) })
    }
    switch (event.type) {
      case 'conversation.requested':
      case 'message.read':
        this.#audience.viewer(event.userId)?.connections.forEach(write)
        break
      case 'categories.changed':
        this.#audience.connections.forEach(write)
        break
      case 'typing.noticed':
      case 'conversation.read':
        this.#audience.forEach(event.channelId, (connection) => {
          if (connection.userId !== event.userId) write(connection)
        })
        break
      case 'channel.member_removed':
        this.#audience.forEach(event.channelId, write)
        this.#audience.viewer(event.userId)?.connections.forEach((connection) => {
          if (connection.channelId === undefined || connection.channelId === event.channelId)
            write(connection)
        })
        this.#closeBlind(this.#audience.viewer(event.userId))
        break
      case 'channel.deleted':
        this.#audience.forEach(event.channelId, write)
        for (const connection of this.#audience.connections) {
          if (connection.channelId === event.channelId)
            connection.close(CloseCode.policy, 'the channel was deleted')
        }
        break
      case 'message.sent':
      case 'message.edited':
        this.#audience.forEach(event.message.channelId, write)
        break
      case 'notification.created': {
        const { userId, channelId } = event.notification
        const viewer = this.#audience.viewer(userId)
        // Seen when it was written, which may be over.
        if (viewer && this.#audience.maySee(viewer, channelId)) viewer.connections.forEach(write)
        break
      }
      case 'notification.withdrawn':
        if (event.userId === null) this.#audience.forEach(event.channelId, write)
        else this.#audience.viewer(event.userId)?.connections.forEach(write)
        break
      case 'notification.read':
      case 'notification.preferences_changed':
      case 'upload.progressed':
        this.#audience.viewer(event.userId)?.connections.forEach(write)
        break
      case 'file.deleted':
      case 'message.deleted':
      case 'message.pinned':
      case 'message.unpinned':
      case 'reaction.added':
      case 'reaction.removed':
      case 'messages.pruned':
      case 'voice.joined':
      case 'voice.left':
      case 'voice.state_changed':
        this.#audience.forEach(event.channelId, write)
        break
      case 'task.changed':
        this.#audience.forEachWith('manage_background_tasks', write)
        break
      case 'channel.created':
      case 'channel.updated':
      case 'channel.member_added':
        this.#audience.forEach(event.channel.id, write)
        break
      default:
    }
    this.#ctx.metrics.frames.inc(written)
  }

  /** One frame for everybody, or, where text has links to files, one for each session made from it. */
  #framesOf(json: string): (connection: Connection) => Buffer {
    if (!hasSlots(json)) {
      const frame = textFrame(json)
      return () => frame
    }
    const bytes = Buffer.from(json)
    return ({ sessionId }) => textFrame(this.#ctx.fileLinks.fill(bytes, sessionId))
  }

  async #showStatus(change: Extract<DomainEvent, { type: 'user.status_changed' }>): Promise<void> {
    const frame = textFrame(eventJson(change, undefined)!)
    const memberships = await this.#audience.acquaintedThrough(change.userId)
    this.#audience.forEachAcquainted(change.userId, memberships, (connection) => connection.write(frame))
  }

  /** Tells everybody whom a broadcast concerns, some at a time: each gets a frame of their own. */
  async #tellMany({
    notification,
    roles,
  }: Extract<DomainEvent, { type: 'notification.broadcast' }>): Promise<void> {
    const { channelId, actorId } = notification
    const deaf = await deafTo(this.#ctx.db.read, notification, this.#ctx.clock())
    let told = 0
    for (const viewer of this.#audience.viewersOf(channelId)) {
      if (viewer.userId === actorId || deaf.has(viewer.userId)) continue
      if (roles && !viewer.held.some(({ id }) => roles.includes(id))) continue
      if (++told % TOLD_AT_ONCE === 0) await setImmediate()
      if (!this.#audience.maySee(viewer, channelId)) continue
      const frame = textFrame(notificationJson(notification, viewer.userId))
      for (const connection of viewer.connections) {
        if (connection.write(frame)) this.#ctx.metrics.frames.inc()
        else this.#ctx.metrics.socketsClosed.inc({ reason: String(CloseCode.tooSlow) })
      }
    }
  }

  #closeBlocked(network: string): void {
    const blocked = parseNetwork(network)
    for (const connection of this.#audience.connections) {
      if (!blocked || !contains(blocked, connection.client.address)) continue
      connection.close(CloseCode.policy, 'this address is blocked')
    }
  }

  #endSessions(userId: string, sessionIds: ReadonlySet<string>): void {
    for (const connection of this.#audience.viewer(userId)?.connections ?? []) {
      if (sessionIds.has(connection.sessionId)) connection.close(CloseCode.policy, 'the session has ended')
    }
  }

  /** Tells those from whom a channel is hidden from now on, and those to whom it is new. */
  #showAccess(event: Extract<DomainEvent, { type: 'channel.access_changed' }>): void {
    const { channel } = event
    const before = this.#audience.viewersOf(channel.id)
    this.#audience.follow(event)
    const after = this.#audience.viewersOf(channel.id)
    const hidden = textFrame(hiddenJson(channel.id))
    for (const viewer of before.difference(after)) {
      this.#writeTo(viewer, hidden, channel.id)
      this.#closeBlind(viewer)
    }
    const shown = textFrame(shownJson(channel))
    for (const viewer of after.difference(before)) this.#writeTo(viewer, shown, channel.id)
  }

  /** Tells about somebody's new roles, and takes from them what these do not show. */
  #showRoles(event: Extract<DomainEvent, { type: 'user.changed' }>): void {
    if (!event.roles) return
    const frame = textFrame(rolesJson(event.userId, event.roles))
    for (const connection of this.#audience.connections) connection.write(frame)
    this.#closeBlind(this.#audience.viewer(event.userId))
  }

  #showRoleList(event: Extract<DomainEvent, { type: 'roles.changed' }>): void {
    const frame = textFrame(roleListJson(event.version))
    for (const connection of this.#audience.connections) {
      connection.write(frame)
      if (connection.channelId !== undefined) this.#closeBlind(this.#audience.viewer(connection.userId))
    }
  }

  /** Tells the person, with the reasons, and those who moderate. */
  #showRestrictions(event: Extract<DomainEvent, { type: 'user.restricted' }>): void {
    const frame = textFrame(restrictionsJson(event))
    for (const viewer of this.#audience.viewers) {
      const moderates = viewer.rights.has('ban_users') || viewer.rights.has('mute_users')
      if (!moderates && viewer.userId !== event.userId) continue
      for (const connection of viewer.connections) connection.write(frame)
    }
    if (event.ban === null) return
    // Their sessions have ended, too, but that may have been told to nobody.
    for (const connection of this.#audience.viewer(event.userId)?.connections ?? [])
      connection.close(CloseCode.policy, 'the session has ended')
  }

  /** Tells those who may read the report. */
  #showReport(event: Extract<DomainEvent, { type: 'report.created' | 'report.resolved' }>): void {
    const frame = textFrame(reportJson(event))
    for (const viewer of this.#audience.viewers) {
      if (!viewer.rights.has('view_audit_logs') && !viewer.rights.has('moderate_content')) continue
      if (event.channelIds.some((id) => this.#audience.hides(viewer, id))) continue
      for (const connection of viewer.connections) connection.write(frame)
    }
  }

  #writeTo(viewer: Viewer, frame: Buffer, channelId: string): void {
    for (const connection of viewer.connections) {
      if (connection.channelId === undefined || connection.channelId === channelId) connection.write(frame)
    }
  }

  /** Something may have been missed: whether each socket's session stands, and what its person may see, is asked anew. */
  async #reconsider(): Promise<void> {
    await this.#audience.load()
    for (const connection of this.#audience.connections) {
      const viewer = this.#audience.viewer(connection.userId)
      if (!viewer || !connection.isOpen) continue
      await this.#recheck(connection, viewer)
      await this.#audience.refresh(viewer)
      this.#closeBlind(viewer)
    }
  }

  /** The database is away: everybody who listens looks again, until it is back. */
  #reconsiderLater(error: unknown): void {
    this.#ctx.log.warn({ err: error }, 'open sockets could not be checked again; it is tried until they are')
    const again = (): void => {
      if (!this.#stopping) this.#ctx.bus.publish({ event: { type: 'events.missed' }, remote: true })
    }
    setTimeout(again, RECONSIDER_MS).unref()
  }

  /** Closes sockets for a single channel that their person may not see any more. */
  #closeBlind(viewer: Viewer | undefined): void {
    for (const connection of viewer?.connections ?? []) {
      if (connection.channelId === undefined || this.#audience.maySee(viewer!, connection.channelId)) continue
      connection.close(CloseCode.policy, 'access to the channel was lost')
    }
  }

  #detach(viewer: Viewer, connection: Connection): void {
    const last = this.#audience.detach(viewer, connection)
    this.#ctx.metrics.sockets.set(this.size)
    if (last && !this.#stopping) this.#presence.left(connection.userId)
  }

  #pingAll(): void {
    for (const connection of this.#audience.connections) {
      if (!connection.checkAlive(pingFrame)) connection.socket.terminate()
    }
  }

  /** Tells every client to come back later, and waits until they are gone or the time is over. */
  async close(timeoutMs: number): Promise<void> {
    this.#stopping = true
    const sockets = [...this.#audience.connections]
    const gone = sockets.map(
      ({ socket }) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    )
    for (const connection of sockets) connection.close(CloseCode.goingAway, 'the server is stopping')
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([Promise.all(gone), timeout])
    clearTimeout(timer)
    for (const { socket } of sockets) socket.terminate()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0)
    clearInterval(this.#pinger)
    this.#presence[Symbol.dispose]()
    this.#unsubscribe()
  }
}

/** Whose profiles are needed to show an event. */
function peopleIn(event: DomainEvent): string[] {
  return event.type === 'message.sent' || event.type === 'message.edited' ? peopleOf([event.message]) : []
}

function tooManySockets(): HttpError {
  return new HttpError(429, 'Too many open sockets', { retryAfterSeconds: 10 })
}

function asText(data: RawData): string {
  return Array.isArray(data)
    ? Buffer.concat(data).toString('utf8')
    : Buffer.from(data as ArrayBuffer).toString('utf8')
}
