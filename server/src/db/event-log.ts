import type { Kysely } from 'kysely'
import type { Bus } from '#events/bus.ts'
import { channelOf, type LoggedEvent } from '#events/events.ts'
import type { Clock } from '#lib/clock.ts'
import type { Later } from './database.ts'
import type { Tables } from './tables.ts'

/** The right to write one stream, held by this process until it lets go or dies. */
export interface StreamClaim extends AsyncDisposable {
  readonly stream: number
}

/** The log cannot be written by this process (a command beside a server, say). */
class ReadOnlyLogError extends Error {}

/** Events of one transaction and the positions they were written at. */
export interface Ticket {
  readonly events: readonly LoggedEvent[]
  readonly first: number
  outcome: 'pending' | 'committed' | 'aborted'
}

/**
 * The event log: one row for each logged event, in the transaction that caused it.
 *
 * Positions count up within this process and are taken last thing before the commit. Transactions that run
 * side by side (PostgreSQL) may commit in another order than their positions, so events are handed to the bus
 * in the order of positions: when `head` says n, everything of this stream up to n has been published or will
 * never exist. That is what makes a position a cursor (compare Synapse's stream tokens).
 */
export class EventLog {
  readonly #bus: Bus
  readonly #clock: Clock
  readonly #claim: StreamClaim | undefined
  readonly #inFlight: Ticket[] = []
  #next: number
  #head: number

  private constructor(bus: Bus, clock: Clock, claim: StreamClaim | undefined, head: number) {
    this.#bus = bus
    this.#clock = clock
    this.#claim = claim
    this.#head = head
    this.#next = head + 1
  }

  /** Opens the stream that `claim` gives the right to, after its last event. Without one, nothing can be logged. */
  static async open(
    db: Kysely<Tables>,
    bus: Bus,
    clock: Clock,
    claim: StreamClaim | undefined,
  ): Promise<EventLog> {
    if (!claim) return new EventLog(bus, clock, undefined, 0)
    await db
      .insertInto('event_stream')
      .values({ stream: claim.stream, pruned_pos: 0, head_pos: 0, untold: 0 })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const last = await db
      .selectFrom('event')
      .select('pos')
      .where('stream', '=', claim.stream)
      .orderBy('pos', 'desc')
      .limit(1)
      .executeTakeFirst()
    // Others may have been told of positions whose transactions were undone: they are never used again.
    const known = await db
      .selectFrom('event_stream')
      .select(['pruned_pos', 'head_pos'])
      .where('stream', '=', claim.stream)
      .executeTakeFirstOrThrow()
    return new EventLog(bus, clock, claim, Math.max(last?.pos ?? 0, known.pruned_pos, known.head_pos))
  }

  /** The stream that this process writes. */
  get stream(): number {
    return this.#claim?.stream ?? 0
  }

  /** Everything up to this position of the stream has been published. */
  get head(): number {
    return this.#head
  }

  /** Writes `events` at the next positions. Must be the last statement of the transaction. */
  append(connection: Kysely<Tables>, later: Later, events: readonly LoggedEvent[]): Ticket {
    if (!this.#claim) throw new ReadOnlyLogError('this process does not own an event stream')
    const ticket: Ticket = { events, first: this.#next, outcome: 'pending' }
    this.#next += events.length
    this.#inFlight.push(ticket)
    const at = this.#clock()
    const rows = events.map((event, index) => ({
      stream: this.#claim!.stream,
      pos: ticket.first + index,
      at,
      type: event.type,
      channel_id: channelOf(event),
      ref_id: referenceOf(event),
    }))
    later(connection.insertInto('event').values(rows))
    return ticket
  }

  /** Tells how the transaction of `ticket` ended; publishes all that now has its turn. */
  settle(ticket: Ticket, outcome: 'committed' | 'aborted'): void {
    ticket.outcome = outcome
    let done = this.#inFlight[0]
    while (done && done.outcome !== 'pending') {
      this.#inFlight.shift()
      const { events, first } = done
      for (const [index, event] of events.entries()) {
        this.#head = first + index
        if (done.outcome === 'committed') {
          this.#bus.publish({ event, position: { stream: this.stream, pos: first + index } })
        }
      }
      done = this.#inFlight[0]
    }
  }

  /**
   * Whether the transaction of `ticket` was committed, asked after its connection broke while committing. Its row
   * in the log is the proof; the server may still have been busy with the commit, so a 'no' is asked twice.
   */
  async wasWritten(ticket: Ticket, db: Kysely<Tables>): Promise<boolean> {
    for (let attempt = 0, noes = 0; attempt < 6 && noes < 2; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 250 * (attempt + 1)))
      try {
        const row = await db
          .selectFrom('event')
          .select('pos')
          .where('stream', '=', this.stream)
          .where('pos', '=', ticket.first)
          .executeTakeFirst()
        if (row) return true
        noes++
      } catch {
        // Still unreachable: ask again.
      }
    }
    return false
  }
}

function referenceOf(event: LoggedEvent): string | null {
  switch (event.type) {
    case 'message.sent':
    case 'message.edited':
      return event.message.id
    case 'message.deleted':
      return event.messageId
    case 'message.pinned':
    case 'message.unpinned':
      return `${event.messageId} ${event.userId}`
    case 'reaction.added':
    case 'reaction.removed':
      return `${event.messageId} ${event.userId} ${event.emoji}`
    case 'messages.pruned':
      return String(event.upToSeq)
    case 'channel.member_added':
    case 'channel.member_removed':
      return event.userId
    default:
      return null
  }
}
