import { Worker } from 'node:worker_threads'
import { DatabaseUnavailableError } from '../errors.ts'
import type { SqliteOptions, StatementResult } from './sqlite-connection.ts'

export interface ThreadRequest {
  readonly sql: string
  readonly parameters: readonly unknown[]
  /** Refuse the statement when no transaction is open: alone it would be committed at once. */
  readonly inTransaction?: true
  readonly close?: true
}

export type ThreadAnswer = StatementResult | { readonly error: ThreadFailure }

interface ThreadFailure {
  readonly message: string
  readonly code: string | undefined
  readonly errcode: number | undefined
  /** False when SQLite rolled the whole transaction back by itself (disk full, I/O error). */
  readonly inTransaction: boolean
}

/** A statement that failed in its thread; `errcode` is SQLite's extended result code. */
export class SqliteError extends Error {
  readonly code: string | undefined
  readonly errcode: number | undefined
  readonly inTransaction: boolean

  constructor(failure: ThreadFailure) {
    super(failure.message)
    this.name = 'SqliteError'
    this.code = failure.code
    this.errcode = failure.errcode
    this.inTransaction = failure.inTransaction
  }
}

interface Pending {
  readonly resolve: (result: StatementResult) => void
  readonly reject: (error: Error) => void
}

/** What a thread's connection is for. */
export type ThreadRole = 'writer' | 'reader'

export interface ThreadOptions extends SqliteOptions {
  readonly role: ThreadRole
}

/**
 * This side's end of a thread that owns a connection: statements go in, results come back, both in order. One thread
 * writes; another reads what takes long, so that nobody else waits for it.
 *
 * To wake another thread costs more than most statements. So what is asked in one turn of this thread goes over
 * together, and its answers come back together.
 */
export class SqliteThread implements AsyncDisposable {
  readonly #worker: Worker
  readonly #pending: Pending[] = []
  #outbox: ThreadRequest[] = []
  readonly #exited: Promise<void>
  #failure: Error | undefined

  /** @param onFailure told when the thread ended by itself: it does nothing any more */
  constructor(options: ThreadOptions, onFailure: (error: Error) => void) {
    this.#worker = new Worker(new URL('./sqlite-thread-main.ts', import.meta.url), {
      workerData: options,
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    })
    this.#worker.on('message', (answers: readonly ThreadAnswer[]) => this.#settle(answers))
    this.#worker.on('error', (error) => {
      this.#fail(error as Error)
      onFailure(error as Error)
    })
    this.#exited = new Promise((done) =>
      this.#worker.once('exit', () => {
        this.#fail(new Error('the thread of the database has ended'))
        done()
      }),
    )
  }

  /** @throws SqliteError, or DatabaseUnavailableError when the thread is gone */
  run(sql: string, parameters: readonly unknown[] = []): Promise<StatementResult> {
    return this.#ask({ sql, parameters })
  }

  /**
   * Like {@link run}, for what belongs to a transaction: once that is over, because it never began or because
   * SQLite gave it up, nothing more of it is done.
   */
  runInTransaction(sql: string, parameters: readonly unknown[] = []): Promise<StatementResult> {
    return this.#ask({ sql, parameters, inTransaction: true })
  }

  #ask(request: ThreadRequest): Promise<StatementResult> {
    if (this.#failure) return Promise.reject(unavailable(this.#failure))
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject })
      this.#send(request)
    })
  }

  #send(request: ThreadRequest): void {
    // Called from promise callbacks, `nextTick` runs when all that are due have run, and before anything else happens.
    if (this.#outbox.push(request) === 1) process.nextTick(() => this.#flush())
  }

  #flush(): void {
    const requests = this.#outbox
    if (requests.length === 0) return
    this.#outbox = []
    try {
      this.#worker.postMessage(requests)
    } catch (error) {
      // A parameter that no thread can be given. Nothing of the turn went over.
      const asked = this.#pending.splice(this.#pending.length - requests.length)
      for (const { reject } of asked) reject(error as Error)
    }
  }

  #settle(answers: readonly ThreadAnswer[]): void {
    const asked = this.#pending.splice(0, answers.length)
    for (const [index, { resolve, reject }] of asked.entries()) {
      const answer = answers[index]!
      if ('error' in answer) reject(new SqliteError(answer.error))
      else resolve(answer)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#flush()
    if (!this.#failure) this.#worker.postMessage([CLOSE])
    await this.#exited
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#pending.splice(0)) reject(unavailable(error))
  }
}

const CLOSE: ThreadRequest = { sql: '', parameters: [], close: true }

function unavailable(cause: Error): DatabaseUnavailableError {
  return new DatabaseUnavailableError('The database is not available', { cause })
}
