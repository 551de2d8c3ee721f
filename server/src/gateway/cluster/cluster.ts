import type { Context } from '#context'
import { open, seal } from '#db/sealing.ts'
import type { Published } from '#events/bus.ts'
import type { DomainEvent, Position } from '#events/events.ts'
import { departWith } from '#features/accounts/index.ts'
import { restoreEvents } from '../replay.ts'
import type { Link, LinkListener } from './link.ts'
import { lastPosition, loggedAfter, readHeads, writeHead } from './store.ts'

/** How often a process says how far it is, and looks how far others are while there is no link. */
const BEAT_MS = 1000
/** With a link, looking is for what got lost on it: every so many beats. */
const BEATS_WITH_LINK = 5
/** Without a link, copies of what others may have changed are distrusted: every so many beats. */
const BEATS_TO_DISTRUST = 5
const BATCH = 500
/** How long a client that comes from another process waits for this one to know as much. */
const REACH_MS = 3000

/** An event on its way to other processes. */
interface Envelope {
  /** The stream that the sender writes, which names its process. */
  readonly from: number
  readonly event: DomainEvent
  /** Of a logged event. */
  readonly position?: Position
  /** Position of the logged event before, so that a receiver knows whether it missed one. */
  readonly previous?: number
}

/** Who misses one of these misses nothing that lasts. */
const passing: ReadonlySet<DomainEvent['type']> = new Set([
  'user.status_changed',
  'message.read',
  'jobs.enqueued',
  'task.changed',
  'upload.progressed',
  'typing.noticed',
])

/** Ties a ciphertext to its use. */
const CONTEXT = 'cluster-event/v1'

type Deps = Pick<Context, 'db' | 'bus' | 'eventLog' | 'keyring' | 'log' | 'messages' | 'clock' | 'instance'>

/**
 * Makes several processes on one database one server: what happens at one is told at all others.
 *
 * Events travel over a link that may lose them. The log in the database does not: each logged event carries the
 * position before it, and whoever finds a gap, or hears from the database that a stream is further on, reads what is
 * missing. Each process says in the database how far it has published its own stream; what a dead process had no time
 * to say is what the log has. Events that are not logged are told once; after the link was away, or when another process
 * says in the database that it could not tell one, `events.missed` makes everything that is remembered be looked up again.
 *
 * Events are encrypted on their way, since they carry what people said: whoever runs the link reads nothing, and can
 * make nothing up.
 */
export class Cluster implements AsyncDisposable {
  readonly #ctx: Deps
  readonly #streams = new Map<number, RemoteStream>()
  readonly #link: Link | undefined
  readonly #unsubscribe: () => void
  readonly #timer: NodeJS.Timeout
  /** Position of the logged event that was sent last. */
  #sent: number
  /** How far the database knows this process to be. */
  #written = -1
  /** Events that are not logged and could not be told, since the database was told how many. */
  #untold = 0
  /** What others have said of that. */
  readonly #untoldByOthers = new Map<number, number>()
  /** Streams of processes that are no more, as far as that was acted on. */
  #dead: ReadonlySet<number> = new Set()
  #beats = 0
  #beating: Promise<void> | undefined
  #receiving: Promise<void> = Promise.resolve()
  #stopped = false

  private constructor(ctx: Deps, connect: ((listener: LinkListener) => Link) | undefined) {
    this.#ctx = ctx
    this.#sent = ctx.eventLog.head
    this.#link = connect?.({
      onBytes: (bytes) => {
        this.#receiving = this.#receiving.then(() => this.#receive(bytes))
      },
      onUp: () => this.#distrust(),
      onLost: () => void this.#untold++,
    })
    this.#unsubscribe = ctx.bus.subscribe((published) => this.#send(published))
    this.#timer = setInterval(() => this.#beat(), BEAT_MS).unref()
  }

  /** @param connect opens the link; without one, events of others are found in the database within a second or so */
  static async open(ctx: Deps, connect: ((listener: LinkListener) => Link) | undefined): Promise<Cluster> {
    const cluster = new Cluster(ctx, connect)
    for (const { stream, head, untold } of await readHeads(ctx.db.read)) {
      cluster.#untoldByOthers.set(stream, untold)
      if (stream !== ctx.eventLog.stream) cluster.#streams.set(stream, new RemoteStream(ctx, stream, head))
    }
    cluster.#beat()
    return cluster
  }

  /** Up to where the events of each stream were published here, this process's own included. */
  get heads(): ReadonlyMap<number, number> {
    const heads = new Map<number, number>([[this.#ctx.eventLog.stream, this.#ctx.eventLog.head]])
    for (const [stream, { head }] of this.#streams) heads.set(stream, head)
    return heads
  }

  /** Waits, for a moment, until everything up to `cursor` was published here: a client may come from a process that is ahead. */
  async reach(cursor: ReadonlyMap<number, number>): Promise<void> {
    const behind = (): boolean => {
      const { heads } = this
      return [...cursor].some(([stream, pos]) => (heads.get(stream) ?? 0) < pos)
    }
    const deadline = performance.now() + REACH_MS
    while (behind() && performance.now() < deadline && !this.#stopped) {
      await this.#look().catch(() => {})
      if (behind()) await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** A stream that was not there when this process started is followed from its beginning. */
  #stream(stream: number): RemoteStream {
    let known = this.#streams.get(stream)
    if (!known) {
      known = new RemoteStream(this.#ctx, stream, 0)
      this.#streams.set(stream, known)
    }
    return known
  }

  #send({ event, position, remote }: Published): void {
    if (remote) return
    const previous = this.#sent
    if (position) this.#sent = position.pos
    if (!this.#link) return
    if (event.type === 'events.missed' || !this.#link.isUp) {
      if (!position && !passing.has(event.type)) this.#untold++
      return
    }
    const envelope: Envelope = {
      from: this.#ctx.eventLog.stream,
      event,
      ...(position && { position, previous }),
    }
    this.#link.send(seal(this.#ctx.keyring, 'cluster', JSON.stringify(envelope), CONTEXT))
  }

  async #receive(bytes: Buffer): Promise<void> {
    try {
      const text = (await open(this.#ctx.keyring, bytes, CONTEXT)).toString('utf8')
      const { from, event, position, previous } = JSON.parse(text) as Envelope
      if (from === this.#ctx.eventLog.stream || this.#stopped) return
      if (position) this.#stream(from).take(event, position.pos, previous ?? 0)
      else this.#ctx.bus.publish({ event, remote: true })
    } catch (error) {
      this.#ctx.log.warn({ err: error }, 'something that no process of this server sent came by the link')
    }
  }

  #beat(): void {
    this.#beats++
    this.#beating ??= this.#work()
      .catch((error: unknown) =>
        this.#ctx.log.debug({ err: error }, 'other processes could not be looked at'),
      )
      .finally(() => {
        this.#beating = undefined
      })
  }

  async #work(): Promise<void> {
    const { eventLog, db } = this.#ctx
    const { head } = eventLog
    const untold = this.#untold
    if (head !== this.#written || untold > 0) {
      await db.transact((tx) => writeHead(tx, eventLog.stream, head, untold))
      this.#written = head
      this.#untold -= untold
    }
    const linked = this.#link?.isUp === true
    if (linked && this.#beats % BEATS_WITH_LINK !== 0) return
    await this.#look()
    if (!linked && this.#streams.size > 0 && this.#beats % BEATS_TO_DISTRUST === 0) this.#distrust()
  }

  /** Asks the database how far others are. */
  async #look(): Promise<void> {
    const { db, eventLog } = this.#ctx
    const heads = await readHeads(db.read)
    const others = heads.filter(({ stream }) => stream !== eventLog.stream)
    if (others.length === 0) return
    const living = await db.livingStreams()
    const dead = others.filter(({ stream }) => !living.has(stream)).map(({ stream }) => stream)
    for (const { stream, head } of others) {
      // Of a process that died, the log itself tells how far it got: nothing is under way any more.
      const died = dead.includes(stream) && !this.#dead.has(stream)
      this.#stream(stream).aim(died ? Math.max(head, await lastPosition(db.read, stream)) : head)
    }
    await Promise.all(others.map(({ stream }) => this.#stream(stream).reached()))
    const news = dead.filter((stream) => !this.#dead.has(stream))
    if (news.length > 0) await departWith(this.#ctx, news)
    this.#dead = new Set(dead)
    // What a process did last it may have told nobody.
    let distrusted = news.length > 0
    for (const { stream, untold } of others) {
      const before = this.#untoldByOthers.get(stream) ?? 0
      this.#untoldByOthers.set(stream, untold)
      distrusted ||= untold !== before
    }
    if (distrusted) this.#distrust()
  }

  #distrust(): void {
    this.#ctx.bus.publish({ event: { type: 'events.missed' }, remote: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    this.#unsubscribe()
    await this.#link?.[Symbol.asyncDispose]()
    await this.#beating
    const { eventLog, db, log } = this.#ctx
    await db
      .transact((tx) => writeHead(tx, eventLog.stream, eventLog.head, this.#untold))
      .catch((error: unknown) => log.debug({ err: error }, 'the end of the event stream could not be noted'))
  }
}

/** The events of one other process, published here in their order, each once. */
class RemoteStream {
  readonly #ctx: Deps
  readonly #stream: number
  #head: number
  /** Up to where the other process has published. */
  #target: number
  #catchingUp: Promise<void> | undefined

  constructor(ctx: Deps, stream: number, head: number) {
    this.#ctx = ctx
    this.#stream = stream
    this.#head = head
    this.#target = head
  }

  get head(): number {
    return this.#head
  }

  /** An event that came over the link. */
  take(event: DomainEvent, pos: number, previous: number): void {
    if (pos <= this.#head) return
    if (previous > this.#head || this.#catchingUp) return this.aim(pos)
    this.#target = Math.max(this.#target, pos)
    this.#publish(event, pos)
  }

  /** The other process is at `pos`: what is missing is read from the database. */
  aim(pos: number): void {
    this.#target = Math.max(this.#target, pos)
    if (this.#head >= this.#target) return
    this.#catchingUp ??= this.#catchUp()
      .catch((error: unknown) =>
        this.#ctx.log.warn({ err: error }, 'missed events could not be read; it is tried again'),
      )
      .finally(() => {
        this.#catchingUp = undefined
      })
  }

  /** Resolves when there is nothing more to catch up with, or it failed. */
  async reached(): Promise<void> {
    await this.#catchingUp
  }

  async #catchUp(): Promise<void> {
    while (this.#head < this.#target) {
      const target = this.#target
      const rows = await loggedAfter(this.#ctx.db.read, this.#stream, this.#head, target, BATCH)
      for (const { row, event } of await restoreEvents(this.#ctx, rows)) this.#publish(event, row.pos)
      // What has no row was undone, or deleted since.
      this.#head = rows.length === BATCH ? rows.at(-1)!.pos : target
    }
  }

  #publish(event: DomainEvent, pos: number): void {
    this.#head = pos
    this.#ctx.bus.publish({ event, position: { stream: this.#stream, pos }, remote: true })
  }
}
