import { asUnavailable, DatabaseUnavailableError } from '../errors.ts'
import { SqliteError, type SqliteThread } from './sqlite-thread.ts'

/** Enough to share one flush among many, little enough that the first of a group does not wait long. */
const GROUP_LIMIT = 64
const GROUP_MS = 8

/** Sends a statement that nobody waits for. If it fails, the group does. */
export type SendStatement = (sql: string, parameters: readonly unknown[]) => void

/** One logical transaction. `run` does its statements; exactly one of the other two is called after the flush. */
export interface GroupMember {
  run(send: SendStatement): Promise<void>
  /** Everything `run` wrote is on disk. Called in the order of the writes. */
  committed(): void
  /** Nothing `run` wrote remains. */
  aborted(error: unknown): void
}

/**
 * Group commit: logical transactions run one after the other, each in a savepoint, and share one commit and so
 * one disk flush. While a group is being flushed the next one gathers, so the busier the server, the larger
 * the groups; alone, a transaction waits for nobody.
 */
export class GroupCommit {
  readonly #writer: SqliteThread
  readonly #queue: GroupMember[] = []
  #running = false
  #idle: (() => void)[] = []

  constructor(writer: SqliteThread) {
    this.#writer = writer
  }

  add(member: GroupMember): void {
    this.#queue.push(member)
    if (!this.#running) void this.#drain()
  }

  /** Resolves when nothing is running or waiting. */
  async idle(): Promise<void> {
    if (this.#running) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async #drain(): Promise<void> {
    this.#running = true
    while (this.#queue.length > 0) await new Group(this.#writer).run(this.#queue)
    this.#running = false
    for (const wake of this.#idle.splice(0)) wake()
  }
}

/** Transactions that share one commit. */
class Group {
  readonly #writer: SqliteThread
  readonly #written: GroupMember[] = []
  readonly #undone: { member: GroupMember; error: unknown }[] = []
  /** Answers to what was sent without waiting. */
  readonly #sent: Promise<void>[] = []
  /** Why the whole group cannot be committed. */
  #failure: unknown

  constructor(writer: SqliteThread) {
    this.#writer = writer
  }

  /** Takes members from `queue` until it is empty or the group is full. Never throws: members are told. */
  async run(queue: GroupMember[]): Promise<void> {
    const begun = this.#begin()
    const started = performance.now()
    for (let size = 0; size < GROUP_LIMIT && this.#failure === undefined; size++) {
      const member = queue.shift()
      if (!member) break
      await this.#runMember(member)
      if (performance.now() - started > GROUP_MS) break
    }
    // Nothing is committed before every statement that was sent ahead is known to have worked.
    await Promise.all(this.#sent)
    if (this.#failure === undefined) await this.#attempt('commit')
    if (this.#failure !== undefined) await this.#writer.run('rollback').catch(() => {})
    // Whoever waits already would wait for the same lock in vain, one group after the other.
    const hopeless = (await begun) ? [] : queue.splice(0, GROUP_LIMIT)
    for (const member of this.#written) {
      if (this.#failure === undefined) member.committed()
      else member.aborted(cannotStore(this.#failure))
    }
    for (const { member, error } of this.#undone) member.aborted(this.#reasonOf(error))
    for (const member of hopeless) member.aborted(cannotStore(this.#failure))
  }

  async #begin(): Promise<boolean> {
    try {
      await this.#writer.run('begin immediate')
      return true
    } catch (error) {
      this.#failure ??= error
      return false
    }
  }

  async #runMember(member: GroupMember): Promise<void> {
    this.#send('savepoint work', [])
    try {
      await member.run((sql, parameters) => this.#send(sql, parameters))
      this.#written.push(member)
    } catch (error) {
      this.#undone.push({ member, error })
      // SQLite gives up the whole transaction by itself when, say, the disk is full.
      if (endedTransaction(error)) this.#failure ??= error
      else this.#send('rollback to work', [])
    }
    this.#send('release work', [])
  }

  #send(sql: string, parameters: readonly unknown[]): void {
    this.#sent.push(
      this.#writer.runInTransaction(sql, parameters).then(
        () => {},
        (error: unknown) => {
          this.#failure ??= error
        },
      ),
    )
  }

  async #attempt(sql: string): Promise<void> {
    try {
      await this.#writer.run(sql)
    } catch (error) {
      this.#failure = error
    }
  }

  #reasonOf(error: unknown): unknown {
    return endedTransaction(error) ? cannotStore(this.#failure) : asUnavailable(error)
  }
}

function endedTransaction(error: unknown): boolean {
  return error instanceof SqliteError && !error.inTransaction
}

/** A database that could not commit is unavailable, whatever the reason it gives. */
function cannotStore(cause: unknown): DatabaseUnavailableError {
  if (cause instanceof DatabaseUnavailableError) return cause
  return new DatabaseUnavailableError('The database cannot store anything now', {
    cause,
    retryAfterSeconds: 5,
  })
}
