import pg from 'pg'
import {
  Kysely,
  PostgresAdapter,
  PostgresDialect,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type Compilable,
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from 'kysely'
import type { Engine, Maintenance, Settled, Work } from '../database.ts'
import {
  asUnavailable,
  DatabaseUnavailableError,
  isConnectionLoss,
  isSerializationFailure,
} from '../errors.ts'
import type { StreamClaim } from '../event-log.ts'
import type { Tables } from '../tables.ts'
import { maintainPostgres } from './postgres-upkeep.ts'

export interface PostgresOptions {
  readonly url: string
  readonly poolSize: number
  readonly statementTimeoutMs: number
  /** Told of connections that break while nobody waits for them. */
  readonly onError: (error: Error) => void
}

/** Runs of a transaction before its failure is reported. */
const ATTEMPTS = 5
/** The class of our advisory locks: 'puff'. */
const STREAM_LOCK = 0x70756666
const MAX_STREAMS = 1024

/** PostgreSQL through a pool of connections, READ COMMITTED; unique indexes and row locks decide races. */
export class PostgresEngine implements Engine {
  readonly dialect = 'postgres'
  readonly read: Kysely<Tables>
  readonly aside: Kysely<Tables>
  readonly #pool: pg.Pool
  readonly #url: string
  readonly schema: Kysely<Tables>

  private constructor(pool: pg.Pool, url: string) {
    this.#pool = pool
    this.#url = url
    this.read = new Kysely<Tables>({ dialect: readingDialect(pool) })
    this.aside = this.read
    this.schema = new Kysely<Tables>({ dialect: new WritingDialect({ pool }) })
  }

  static async open(options: PostgresOptions): Promise<PostgresEngine> {
    const pool = new pg.Pool({
      connectionString: options.url,
      max: options.poolSize,
      connectionTimeoutMillis: 5000,
      idleTimeoutMillis: 30_000,
      statement_timeout: options.statementTimeoutMs,
      idle_in_transaction_session_timeout: options.statementTimeoutMs,
      application_name: 'pufferblow',
      types: { getTypeParser },
    })
    pool.on('error', options.onError)
    // A connection that breaks while it is lent out tells its own listeners only.
    pool.on('connect', (client) => client.on('error', options.onError))
    const engine = new PostgresEngine(pool, options.url)
    try {
      await engine.ping()
    } catch (error) {
      await pool.end()
      throw error
    }
    return engine
  }

  async transaction<T>(work: Work<T>, settled: Settled<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      let done: { result: T } | undefined
      try {
        const result = await this.schema.transaction().execute(async (tx) => {
          const deferred: Compilable[] = []
          done = { result: await work(tx, (query) => void deferred.push(query)) }
          // A connection takes one statement at a time, so what nobody waits for comes last.
          for (const query of deferred) await tx.executeQuery(query.compile())
          return done.result
        })
        settled('committed', result)
        return result
      } catch (error) {
        const lost = isConnectionLoss(error)
        if (done && lost) {
          settled('unknown', done.result)
          throw new DatabaseUnavailableError('The database was lost while storing the change', {
            cause: error,
            outcomeUnknown: true,
          })
        }
        if (done) settled('aborted', done.result)
        if (!(lost || isSerializationFailure(error)) || attempt === ATTEMPTS) throw asUnavailable(error)
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * 2 ** attempt))
      }
    }
  }

  async ping(): Promise<void> {
    try {
      await this.#pool.query('select 1')
    } catch (error) {
      throw asUnavailable(error)
    }
  }

  maintain(run: Maintenance): Promise<Record<string, number>> {
    return maintainPostgres(this.schema, run)
  }

  async isServed(): Promise<boolean> {
    const { rows } = await this.#pool.query<{ served: boolean }>(
      `select exists (
         select from pg_locks join pg_database on pg_database.oid = pg_locks.database
         where datname = current_database() and locktype = 'advisory' and classid = $1 and granted
       ) as served`,
      [STREAM_LOCK],
    )
    return rows[0]!.served
  }

  async livingStreams(): Promise<ReadonlySet<number>> {
    try {
      const { rows } = await this.#pool.query<{ stream: number }>(
        `select objid::int as stream from pg_locks join pg_database on pg_database.oid = pg_locks.database
         where datname = current_database() and locktype = 'advisory' and classid = $1 and granted`,
        [STREAM_LOCK],
      )
      return new Set(rows.map(({ stream }) => stream))
    } catch (error) {
      throw asUnavailable(error)
    }
  }

  /**
   * Takes the first event stream that no other server holds, by an advisory lock on a connection of its own,
   * which PostgreSQL gives back when the process or the connection ends. A broken connection is replaced.
   *
   * @param taken told when another server got the stream meanwhile: this one must stop writing
   */
  async claimStream(taken: () => void): Promise<StreamClaim> {
    for (let stream = 1; stream <= MAX_STREAMS; stream++) {
      const claim = new PostgresClaim(this.#url, stream, taken)
      if (await claim.take()) return claim
    }
    throw new DatabaseUnavailableError(`more than ${MAX_STREAMS} servers use this database`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Kysely would end the pool only if `schema` had been used.
    await this.#pool.end()
  }
}

/** A held stream. Its connection is not of the pool: it serves nothing else and must outlive a busy pool. */
class PostgresClaim implements StreamClaim {
  readonly stream: number
  readonly #url: string
  readonly #taken: () => void
  #client: pg.Client | undefined
  #released = false

  constructor(url: string, stream: number, taken: () => void) {
    this.#url = url
    this.stream = stream
    this.#taken = taken
  }

  async take(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.#url, application_name: 'pufferblow stream' })
    const closed = new Promise<void>((resolve) => client.once('end', resolve))
    client.on('error', () => {})
    await client.connect()
    const { rows } = await client.query<{ free: boolean }>('select pg_try_advisory_lock($1, $2) as free', [
      STREAM_LOCK,
      this.stream,
    ])
    if (!rows[0]?.free || this.#released) {
      await client.end()
      return false
    }
    this.#client = client
    void closed.then(() => this.#retake())
    return true
  }

  async #retake(): Promise<void> {
    this.#client = undefined
    while (!this.#released) {
      await new Promise((resolve) => setTimeout(resolve, 500))
      try {
        if (!(await this.take()) && !this.#released) this.#taken()
        return
      } catch {
        // Still unreachable: nobody else can have taken it either, or the lock tells.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#released = true
    await this.#client?.end()
  }
}

/**
 * PostgreSQL has no NUL in a text and refuses the statement. What is stored has none, so a text that has one is none of
 * what is stored: it is looked for with a replacement character, and not found.
 */
class QueryCompiler extends PostgresQueryCompiler {
  protected override addParameter(parameter: unknown): void {
    super.addParameter(typeof parameter === 'string' ? parameter.replaceAll('\0', '\uFFFD') : parameter)
  }
}

class WritingDialect extends PostgresDialect {
  override createQueryCompiler(): PostgresQueryCompiler {
    return new QueryCompiler()
  }
}

/** Reads need no transaction and may be asked again: each goes to the pool, and a second time if its connection broke. */
function readingDialect(pool: pg.Pool): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new ReadingDriver(pool),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new QueryCompiler(),
  }
}

class ReadingDriver implements Driver {
  readonly #connection: DatabaseConnection

  constructor(pool: pg.Pool) {
    const query = async <R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> => {
      const { rows } = await pool.query<R & pg.QueryResultRow>(sql, parameters as unknown[])
      return { rows }
    }
    this.#connection = {
      executeQuery: async <R>(compiled: CompiledQuery) => {
        try {
          return await query<R>(compiled)
        } catch (error) {
          if (!isConnectionLoss(error)) throw asUnavailable(error)
        }
        try {
          return await query<R>(compiled)
        } catch (error) {
          throw asUnavailable(error)
        }
      },
      streamQuery: () => {
        throw new Error('streaming is not supported')
      },
    }
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  beginTransaction(): Promise<void> {
    throw new Error('this connection only reads')
  }

  commitTransaction(): Promise<void> {
    throw new Error('this connection only reads')
  }

  rollbackTransaction(): Promise<void> {
    throw new Error('this connection only reads')
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}

/** 64-bit integers as numbers: ours are milliseconds and counters, far below 2^53. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === pg.types.builtins.INT8
    ? Number
    : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser
