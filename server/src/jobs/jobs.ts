import type { Database, Tx } from '#db/database.ts'
import { isUniqueViolation } from '#db/errors.ts'
import type { JobPayloads, JobType } from '#db/job-queue.ts'
import type { Bus } from '#events/bus.ts'
import type { Clock } from '#lib/clock.ts'
import type { Log } from '#log/log.ts'
import { redactText } from '#log/redact.ts'
import { attemptsOf, defaultBackoff, delayAfter, type Backoff } from './backoff.ts'
import { GiveUp, TryLater } from './errors.ts'
import type { JobMetrics } from './metrics.ts'
import {
  buryJob,
  claimJobs,
  finishJob,
  hasOrphans,
  nextDue,
  recoverJobs,
  renewLeases,
  returnJob,
  type JobRow,
} from './store.ts'

/** For so long after its last sign of life a process is taken for alive; it gives three signs in that time. */
const LEASE_MS = 60_000
/** Looks for work by itself this often: for what other processes left, and when a clock was set. */
const POLL_MS = 5_000
/** Before looking again when others were faster: they are about to commit. Twice as long each time, up to the second. */
const PAUSE_MS = { first: 10, most: 500 }
/** Before the end of a job is stored again. */
const STORE_AGAIN_MS = 250
const MAX_REASON = 500

/** What a handler gets to know besides its payload. */
export interface JobInfo {
  readonly id: number
  /** 1 for the first try. */
  readonly attempt: number
  readonly enqueuedAt: number
  /**
   * Aborted when the server stops or the job was lost to another process. To throw its reason, as
   * `signal.throwIfAborted()` does, hands the job back, to be run again from its start.
   */
  readonly signal: AbortSignal
}

/**
 * Does the work of a job. It is done when the promise resolves; what it throws makes it wait and be tried again. A
 * process may end at any moment, so whatever it does must bear being done again.
 */
export type JobHandler<T extends JobType> = (payload: JobPayloads[T], job: JobInfo) => Promise<void>

export interface HandlerOptions {
  /** How often the work is tried before it becomes a dead letter. Default: the steps of the ladder and one, or 8. */
  readonly attempts?: number
  /** Default: from 5 seconds, doubling, up to an hour. */
  readonly backoff?: Backoff
  /** How many of this type run at once in this process. Default: half of all. */
  readonly concurrency?: number
  /** They are not counted among all that run at once: they mostly wait, for somebody who may be slow. */
  readonly apart?: true
}

interface Handling {
  readonly run: JobHandler<JobType>
  readonly attempts: number
  readonly backoff: Backoff
  readonly concurrency: number
  readonly apart: boolean
}

interface Running {
  readonly job: JobRow
  readonly stop: AbortController
  readonly done: Promise<void>
  leasedUntil: number
}

interface Deps {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly metrics: JobMetrics
  /** The event stream that this process writes: no other living process has the same. */
  readonly stream: number
  /** Jobs that run at once in this process. */
  readonly concurrency: number
}

/** Runs the durable work of the queue: what was enqueued, once it has committed, whatever becomes of the process. */
export class Jobs {
  readonly #deps: Deps
  readonly #handlings = new Map<JobType, Handling>()
  readonly #running = new Map<number, Running>()
  /** Set while this process takes jobs. */
  #started: { heartbeat: NodeJS.Timeout; unsubscribe: () => void } | undefined
  #timer: NodeJS.Timeout | undefined
  /** The one look for work that is going on, and whether something has changed since it began. */
  #looking: Promise<void> | undefined
  #stale = false
  /** Looks in a row that found work and got none of it. */
  #inVain = 0

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Names who does the work of a type. Jobs of types without a handler wait. */
  handle<T extends JobType>(type: T, run: JobHandler<T>, options: HandlerOptions = {}): void {
    if (this.#handlings.has(type)) throw new Error(`jobs of type ${type} have a handler already`)
    const backoff = options.backoff ?? defaultBackoff
    this.#handlings.set(type, {
      run: run as JobHandler<JobType>,
      backoff,
      attempts: options.attempts ?? attemptsOf(backoff),
      concurrency: options.concurrency ?? Math.ceil(this.#deps.concurrency / 2),
      apart: options.apart ?? false,
    })
    this.wake()
  }

  /** Begins to take jobs. */
  async start(): Promise<void> {
    const { db, bus, stream } = this.#deps
    await db.transact((tx) => recoverJobs(tx, stream))
    const heartbeat = setInterval(() => void this.#renew(), LEASE_MS / 3).unref()
    const unsubscribe = bus.subscribe(({ event }) => {
      if (event.type === 'jobs.enqueued') this.wake()
    })
    this.#started = { heartbeat, unsubscribe }
    this.wake()
  }

  /** Looks for work now: something may have become due. */
  wake(): void {
    this.#stale = true
    if (!this.#started || this.#looking) return
    clearTimeout(this.#timer)
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined
    })
  }

  /** Takes nothing more, and waits for what is running; what is not over in time is left to the next start. */
  async stop(timeoutMs: number): Promise<void> {
    if (!this.#started) return
    const { heartbeat, unsubscribe } = this.#started
    this.#started = undefined
    unsubscribe()
    clearTimeout(this.#timer)
    await this.#looking
    const running = [...this.#running.values()]
    for (const { stop } of running) stop.abort(new Stopped('the server stops'))
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([Promise.all(running.map(({ done }) => done)), timeout])
    clearTimeout(timer)
    clearInterval(heartbeat)
  }

  /** Takes as many jobs as there is room for, and sets the time of the next look. */
  async #look(): Promise<void> {
    let wait = POLL_MS
    while (this.#started && this.#stale) {
      this.#stale = false
      try {
        wait = await this.#takeWork()
      } catch (error) {
        // Another process took a job of the same queue at the same moment: no harm, and nothing to tell.
        const overtaken = isUniqueViolation(error, 'queue')
        wait = overtaken ? this.#pause() : POLL_MS
        if (!overtaken) this.#deps.log.warn({ err: error }, 'jobs could not be taken; it is tried again')
      }
    }
    if (!this.#started) return
    this.#timer = setTimeout(() => this.wake(), Math.min(wait, POLL_MS)).unref()
  }

  /** @returns milliseconds until the next look */
  async #takeWork(): Promise<number> {
    const { db, clock } = this.#deps
    const types = this.#typesWithRoom()
    if (types.length === 0) return POLL_MS
    const now = clock()
    const due = await nextDue(db.read, types)
    const orphaned = await hasOrphans(db.read, now, [...this.#running.keys()])
    let progress = 0
    let next = Infinity
    // The type that waits longest is served first.
    for (const type of types.toSorted((a, b) => (due.get(a) ?? Infinity) - (due.get(b) ?? Infinity))) {
      const at = due.get(type) ?? Infinity
      if (at <= now || orphaned) progress += await this.#take(type)
      else next = Math.min(next, at - now)
    }
    if (progress > 0) {
      this.#stale = true
      this.#inVain = 0
    }
    const isDue = [...due.values()].some((at) => at <= now)
    return isDue ? this.#pause() : next
  }

  #pause(): number {
    return Math.min(PAUSE_MS.most, PAUSE_MS.first * 2 ** this.#inVain++)
  }

  #typesWithRoom(): JobType[] {
    return [...this.#handlings.keys()].filter((type) => this.#roomFor(type) > 0)
  }

  #roomFor(type: JobType): number {
    const running = [...this.#running.values()].map(({ job }) => job.type as JobType)
    const { concurrency, apart } = this.#handlings.get(type)!
    const room = concurrency - running.filter((other) => other === type).length
    if (apart) return room
    const counted = running.filter((other) => !this.#handlings.get(other)!.apart).length
    return Math.min(room, this.#deps.concurrency - counted)
  }

  /** @returns how many jobs need not be looked at any more */
  async #take(type: JobType): Promise<number> {
    const { db, clock, stream } = this.#deps
    const room = this.#roomFor(type)
    if (room <= 0 || !this.#started) return 0
    const now = clock()
    const lease = { by: stream, until: now + LEASE_MS }
    const { jobs, parked } = await db.transact((tx) =>
      claimJobs({ tx, dialect: db.dialect }, type, room, { lease, now, mine: [...this.#running.keys()] }),
    )
    for (const job of jobs) this.#begin(job, lease.until)
    return jobs.length + parked
  }

  #begin(job: JobRow, leasedUntil: number): void {
    const stop = new AbortController()
    const done = this.#run(job, stop.signal).finally(() => {
      this.#running.delete(job.id)
      this.wake()
    })
    this.#running.set(job.id, { job, stop, done, leasedUntil })
  }

  async #run(job: JobRow, signal: AbortSignal): Promise<void> {
    const type = job.type as JobType
    const { run, attempts } = this.#handlings.get(type)!
    if (job.failures >= attempts) return this.#bury(job, job.failures, job.last_error ?? 'too many attempts')
    const ended = this.#deps.metrics.began(type)
    const info = { id: job.id, attempt: job.failures + 1, enqueuedAt: job.created_at, signal }
    try {
      await run(JSON.parse(job.payload) as JobPayloads[JobType], info)
    } catch (error) {
      ended('failed')
      return this.#failed(job, error, signal)
    }
    ended('done')
    await this.#store(job, (tx) => finishJob(tx, job))
  }

  async #failed(job: JobRow, error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps
    const { failures, last_error } = job
    if (signal.aborted && error === signal.reason) {
      const runAt = job.run_at
      return this.#store(job, (tx) => returnJob(tx, job, { runAt, failures, error: last_error }))
    }
    const reason = reasonOf(error)
    if (error instanceof TryLater)
      return this.#store(job, (tx) => returnJob(tx, job, { runAt: error.at, failures, error: reason }))
    const { attempts, backoff } = this.#handlings.get(job.type as JobType)!
    if (error instanceof GiveUp || failures + 1 >= attempts)
      return this.#bury(job, failures + 1, reason, error)
    const delay = delayAfter(failures + 1, backoff, Math.random())
    log.warn(
      { job: job.id, type: job.type, failures: failures + 1, again_in_ms: delay, err: error },
      'a job failed',
    )
    const next = { runAt: clock() + delay, failures: failures + 1, error: reason }
    await this.#store(job, (tx) => returnJob(tx, job, next))
  }

  async #bury(job: JobRow, failures: number, reason: string, error?: unknown): Promise<void> {
    const { clock, log, metrics } = this.#deps
    log.error(
      { job: job.id, type: job.type, failures, ...(error !== undefined && { err: error }), reason },
      'a job is given up: it is a dead letter now',
    )
    metrics.gaveUp(job.type)
    await this.#store(job, (tx) => buryJob(tx, job, { failures, reason, at: clock() }))
  }

  /** Stores how a run ended, however long the database is away: the work is done and should not be done again. */
  async #store(job: JobRow, write: (tx: Tx) => Promise<boolean>): Promise<void> {
    const { db, log } = this.#deps
    for (;;) {
      try {
        if (!(await db.transact(write)))
          log.warn({ job: job.id, type: job.type }, 'a job was overtaken by another process')
        return
      } catch (error) {
        // A job of the same key was enqueued while this one was given back: the next try finds it.
        if (isUniqueViolation(error, 'key')) continue
        log.warn({ job: job.id, type: job.type, err: error }, 'the end of a job could not be stored')
        if (!this.#started) return
        await new Promise((resolve) => setTimeout(resolve, STORE_AGAIN_MS))
      }
    }
  }

  /** Says that this process lives; gives up what others have taken over, or may have. */
  async #renew(): Promise<void> {
    const { db, clock, stream, log } = this.#deps
    const running = [...this.#running.values()]
    if (running.length === 0) return
    const lease = { by: stream, until: clock() + LEASE_MS }
    try {
      const runs = running.map(({ job }) => job)
      const kept = new Set(await db.transact((tx) => renewLeases(tx, runs, lease)))
      for (const one of running) {
        if (kept.has(one.job.id)) one.leasedUntil = lease.until
        else if (this.#running.get(one.job.id) === one) one.stop.abort(new Stopped('another process has it'))
      }
    } catch (error) {
      log.warn({ err: error }, 'jobs that run could not be kept')
      const now = clock()
      for (const one of running) {
        if (one.leasedUntil <= now) one.stop.abort(new Stopped('nobody knows that it runs'))
      }
    }
  }
}

/** Why a signal was aborted: no failure of the work. */
class Stopped extends Error {}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return redactText(text).slice(0, MAX_REASON)
}
