import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kysely, type Compilable } from 'kysely'
import type { Engine, Maintenance, Settled, Work } from '../database.ts'
import type { StreamClaim } from '../event-log.ts'
import type { Tables } from '../tables.ts'
import { GroupCommit } from './group-commit.ts'
import {
  openReader,
  type SqliteConnection,
  type SqliteOptions,
  type StatementResult,
} from './sqlite-connection.ts'
import { sqliteDialect } from './sqlite-driver.ts'
import { SqliteThread } from './sqlite-thread.ts'
import { maintainSqlite } from './sqlite-upkeep.ts'

/** SQLite: reads on this thread from a read-only connection, long ones in a thread of their own, writes in another. */
export class SqliteEngine implements Engine {
  readonly dialect = 'sqlite'
  readonly read: Kysely<Tables>
  readonly aside: Kysely<Tables>
  readonly #reader: SqliteConnection
  readonly #writer: SqliteThread
  readonly #group: GroupCommit
  readonly #options: SqliteOptions
  /** Made when it is first needed. */
  #asideReader: SqliteThread | undefined
  readonly #grouped: Kysely<Tables>
  readonly schema: Kysely<Tables>

  private constructor(reader: SqliteConnection, writer: SqliteThread, options: SqliteOptions) {
    this.#options = options
    this.#reader = reader
    this.#writer = writer
    this.#group = new GroupCommit(writer)
    this.read = new Kysely<Tables>({
      dialect: sqliteDialect((sql, parameters) => reader.run(sql, parameters)),
    })
    this.aside = new Kysely<Tables>({
      dialect: sqliteDialect((sql, parameters) => this.#readAside(sql, parameters)),
    })
    this.schema = new Kysely<Tables>({
      dialect: sqliteDialect((sql, parameters) => writer.run(sql, parameters)),
    })
    this.#grouped = new Kysely<Tables>({
      dialect: sqliteDialect((sql, parameters) => writer.runInTransaction(sql, parameters)),
    })
  }

  /** @param onFailure told when nothing can be stored any more and the process should be started again */
  static async open(options: SqliteOptions, onFailure: (error: Error) => void): Promise<SqliteEngine> {
    const writer = new SqliteThread({ ...options, role: 'writer' }, onFailure)
    // The first answer means that the file exists and is in WAL mode, so that it can be opened for reading.
    await writer.run('select 1')
    return new SqliteEngine(openReader(options), writer, options)
  }

  transaction<T>(work: Work<T>, settled: Settled<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let done: { result: T } | undefined
      this.#group.add({
        run: async (send) => {
          const later = (query: Compilable): void => {
            const { sql, parameters } = query.compile()
            send(sql, parameters)
          }
          done = { result: await work(this.#grouped, later) }
        },
        committed: () => {
          const { result } = done!
          settled('committed', result)
          resolve(result)
        },
        aborted: (error) => {
          if (done) settled('aborted', done.result)
          reject(error)
        },
      })
    })
  }

  async ping(): Promise<void> {
    this.#reader.run('select 1', [])
    await this.#writer.run('select 1')
  }

  maintain(run: Maintenance): Promise<Record<string, number>> {
    return maintainSqlite(this, this.#reader, run)
  }

  #readAside(sql: string, parameters: readonly unknown[]): Promise<StatementResult> {
    // A thread that died is replaced: nothing but the questions it was asked is lost.
    this.#asideReader ??= new SqliteThread({ ...this.#options, role: 'reader' }, () => {
      this.#asideReader = undefined
    })
    return this.#asideReader.run(sql, parameters)
  }

  async isServed(): Promise<boolean> {
    try {
      await claimSqlite(this.#options.file)[Symbol.asyncDispose]()
      return false
    } catch (error) {
      if (error instanceof AlreadyRunningError) return true
      throw error
    }
  }

  /** One process owns the database, and it is this one. */
  async livingStreams(): Promise<ReadonlySet<number>> {
    return new Set([SQLITE_STREAM])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group.idle()
    await this.#asideReader?.[Symbol.asyncDispose]()
    // The writer closes last: only it can empty the write-ahead log into the file.
    this.#reader[Symbol.dispose]()
    await this.#writer[Symbol.asyncDispose]()
  }
}

/** The only event stream that there is. */
const SQLITE_STREAM = 1

/** Another server already works on this database. */
export class AlreadyRunningError extends Error {}

/**
 * On SQLite one server owns the database. The claim is an exclusive lock on a small file beside it, which the
 * operating system gives back however the process ends.
 *
 * @throws AlreadyRunningError
 */
export function claimSqlite(databaseFile: string): StreamClaim {
  const lock = new DatabaseSync(join(dirname(databaseFile), 'server.lock'), { timeout: 0 })
  try {
    lock.exec('pragma locking_mode = exclusive; begin exclusive')
  } catch (cause) {
    lock.close()
    throw new AlreadyRunningError('another server is running on this data folder', { cause })
  }
  return {
    stream: SQLITE_STREAM,
    [Symbol.asyncDispose]: async () => lock.close(),
  }
}
