import type { Compilable, Kysely } from 'kysely'
import type { Bus } from '#events/bus.ts'
import { isLogged, type DomainEvent } from '#events/events.ts'
import type { Clock } from '#lib/clock.ts'
import type { EventLog, Ticket } from './event-log.ts'
import { insertJobs, type NewJob } from './job-queue.ts'
import type { Tables } from './tables.ts'

/** Committed data, for reading. */
export type Db = Pick<Kysely<Tables>, 'selectFrom' | 'fn'>

/** An open transaction: the only thing that can write. Use it alone until the work is done. */
export interface Tx extends Pick<
  Kysely<Tables>,
  'selectFrom' | 'insertInto' | 'updateTable' | 'deleteFrom' | 'fn'
> {
  /**
   * Sends a write whose result the work does not need, and goes on; what follows in the same transaction may not
   * see it. On SQLite a failure undoes the transactions that happen to share the commit as well, so this is for
   * writes that cannot fail for reasons of their own.
   */
  later(query: Compilable): void
  /** Announces `event` once, and only if, the transaction has committed. */
  publish(event: DomainEvent): void
  /** Leaves work to be done after the commit, by this or another process, even if this one ends in between. */
  enqueue(job: NewJob): void
}

export type DialectName = 'sqlite' | 'postgres'

/** What a database product must offer. One implementation for each in `dialect/`. */
export interface Engine extends AsyncDisposable {
  readonly dialect: DialectName
  readonly read: Kysely<Tables>
  /** For reading what may take long: on SQLite in a thread of its own, one question after the other. */
  readonly aside: Kysely<Tables>
  /** For migrations and the start, while nothing else uses the database through this process. */
  readonly schema: Kysely<Tables>
  /**
   * Runs `work` in a transaction. `settled` is called exactly once for each run of `work` that got far enough
   * to return, in commit order, before the promise settles. `unknown`: the connection broke between the commit
   * and its answer.
   */
  transaction<T>(work: Work<T>, settled: Settled<T>): Promise<T>
  /** Answers, or throws, within a few seconds. */
  ping(): Promise<void>
  /** Does now and then what keeps the database fast and small. @returns what came of it, in figures */
  maintain(run: Maintenance): Promise<Record<string, number>>
  /** Whether a server works on this database; meant for processes that are none. */
  isServed(): Promise<boolean>
  /** The event streams that living processes write. */
  livingStreams(): Promise<ReadonlySet<number>>
}

/** Upkeep that takes its time. */
export interface Maintenance {
  /** Its reason is thrown when it is aborted. */
  readonly signal: AbortSignal
  readonly progress: (done: number, total: number) => void
}

/** What is done in a transaction: with a connection, and with a way to send statements nobody waits for. */
export type Work<T> = (connection: Kysely<Tables>, later: Later) => Promise<T>

/** Sends a statement without waiting, before the commit. If it fails, the transaction does. */
export type Later = (query: Compilable) => void

export type Settled<T> = (outcome: 'committed' | 'aborted' | 'unknown', result: T) => void

/** What a transaction did, until it is known whether it counts. */
interface Draft<T> {
  readonly result: T
  readonly events: readonly DomainEvent[]
  readonly ticket: Ticket | undefined
}

/** The database as features see it: read what is committed, write in a transaction. */
export class Database {
  readonly read: Db
  /** For reading what may take long: nobody but others who read aside waits for it. */
  readonly aside: Db
  readonly dialect: DialectName
  readonly #engine: Engine
  readonly #log: EventLog
  readonly #bus: Bus
  readonly #clock: Clock

  constructor(engine: Engine, log: EventLog, bus: Bus, clock: Clock) {
    this.#engine = engine
    this.#log = log
    this.#bus = bus
    this.#clock = clock
    this.read = engine.read
    this.aside = engine.aside
    this.dialect = engine.dialect
  }

  /**
   * Runs `work` in a transaction and returns its result when it is on disk. What `work` throws undoes it.
   * `work` may run again after a serialisation failure, so it must have no effect but through `tx`, and it
   * must wait for nothing but `tx`.
   *
   * @throws what `work` throws, or an unavailable error (503) when the database cannot commit
   */
  async transact<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    let undecided: Draft<T> | undefined
    try {
      const { result } = await this.#engine.transaction(
        (connection, later) => this.#draft(connection, later, work),
        (outcome, draft) => {
          if (outcome === 'unknown') undecided = draft
          else this.#settle(draft, outcome)
        },
      )
      return result
    } catch (error) {
      if (!undecided) throw error
      const written =
        undecided.ticket !== undefined && (await this.#log.wasWritten(undecided.ticket, this.#engine.read))
      this.#settle(undecided, written ? 'committed' : 'aborted')
      if (written) return undecided.result
      // It may have been committed all the same, and nobody was told.
      const isTold = undecided.ticket !== undefined || undecided.events.length === 0
      if (!isTold) this.#bus.publish({ event: { type: 'events.missed' } })
      throw error
    }
  }

  async #draft<T>(connection: Kysely<Tables>, later: Later, work: (tx: Tx) => Promise<T>): Promise<Draft<T>> {
    const events: DomainEvent[] = []
    const jobs: NewJob[] = []
    const result = await new Handle().lend(work, { connection, later, events, jobs })
    if (jobs.length > 0) {
      insertJobs(connection, later, jobs, this.#clock())
      events.push({ type: 'jobs.enqueued' })
    }
    const logged = events.filter(isLogged)
    const ticket = logged.length > 0 ? this.#log.append(connection, later, logged) : undefined
    return { result, events, ticket }
  }

  #settle<T>({ events, ticket }: Draft<T>, outcome: 'committed' | 'aborted'): void {
    if (outcome === 'committed')
      for (const event of events) if (!isLogged(event)) this.#bus.publish({ event })
    if (ticket) this.#log.settle(ticket, outcome)
  }

  /** @throws when the database does not answer */
  ping(): Promise<void> {
    return this.#engine.ping()
  }

  /** Does now and then what keeps the database fast and small. @returns what came of it, in figures */
  maintain(run: Maintenance): Promise<Record<string, number>> {
    return this.#engine.maintain(run)
  }

  /** Whether a server works on this database; meant for processes that are none. */
  isServed(): Promise<boolean> {
    return this.#engine.isServed()
  }

  /** The event streams that living processes of this server write, this one's included. */
  livingStreams(): Promise<ReadonlySet<number>> {
    return this.#engine.livingStreams()
  }
}

/** How long the work of a transaction may take: on SQLite, every other writer waits for it. */
const WORK_MS = 10_000

/** What a transaction is done with. */
interface Means {
  readonly connection: Kysely<Tables>
  readonly later: Later
  readonly events: DomainEvent[]
  readonly jobs: NewJob[]
}

/** Lends a connection for as long as the work on it lasts, and no longer: what comes late must not write. */
class Handle {
  #open = true

  async lend<T>(work: (tx: Tx) => Promise<T>, means: Means): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const overdue = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('a transaction took too long')), WORK_MS)
    })
    try {
      return await Promise.race([work(this.#transaction(means)), overdue])
    } finally {
      clearTimeout(timer)
      this.#open = false
    }
  }

  #transaction({ connection, later, events, jobs }: Means): Tx {
    const use = (): Kysely<Tables> => {
      if (!this.#open) throw new Error('this transaction is over')
      return connection
    }
    return {
      selectFrom: ((from: never) => use().selectFrom(from)) as Tx['selectFrom'],
      insertInto: ((table: never) => use().insertInto(table)) as Tx['insertInto'],
      updateTable: ((table: never) => use().updateTable(table)) as Tx['updateTable'],
      deleteFrom: ((table: never) => use().deleteFrom(table)) as Tx['deleteFrom'],
      fn: connection.fn,
      later: (query) => {
        use()
        later(query)
      },
      publish: (event) => {
        use()
        events.push(event)
      },
      enqueue: (job) => {
        use()
        jobs.push(job)
      },
    }
  }
}
