import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Engine } from './database.ts'
import type { PostgresEngine } from './dialect/postgres.ts'
import { AlreadyRunningError, claimSqlite, SqliteEngine } from './dialect/sqlite.ts'
import type { StreamClaim } from './event-log.ts'
import { migrate, migrationStatus, NewerDatabaseError } from './migrate.ts'

/** Which database to open, and how. */
export interface DatabaseOptions {
  /** `sqlite:<path>` or a PostgreSQL URL. */
  readonly url: string
  /** Of SQLite. */
  readonly cacheMb: number
  /** Of PostgreSQL. */
  readonly poolSize: number
  readonly statementTimeoutMs: number
  /** Told of connections that break while nobody waits for them. */
  readonly onError: (error: Error) => void
  /** Told when this process cannot go on: another server took over, or nothing can be stored any more. */
  readonly onFatal?: (reason: Error) => void
}

/** A database that is open, and what its opener holds besides. */
export interface Opened extends AsyncDisposable {
  readonly engine: Engine
  readonly claim: StreamClaim | undefined
}

/** The file behind `sqlite:<path>`; undefined for PostgreSQL. */
export function sqliteFileOf(url: string): string | undefined {
  return url.startsWith('sqlite:') ? resolve(url.slice('sqlite:'.length)) : undefined
}

/** Whether there may be something to open. Only of SQLite can that be told without asking. */
export function mayExist(url: string): boolean {
  const file = sqliteFileOf(url)
  return file === undefined || existsSync(file)
}

/**
 * Opens the database for a server, with the right to write an event stream.
 *
 * @throws DatabaseUnavailableError, AlreadyRunningError
 */
export async function openForServer(options: DatabaseOptions): Promise<Opened> {
  await using cleanup = new AsyncDisposableStack()
  // SQLite is claimed before anything is opened: a second server must not even migrate.
  const early = claimFile(options)
  if (early) cleanup.use(early)
  const engine = cleanup.use(await openEngine(options))
  const claim =
    early ??
    (await (engine as PostgresEngine).claimStream(() =>
      options.onFatal?.(new Error('another server writes the event stream of this one')),
    ))
  if (!early) cleanup.use(claim)
  return opened(engine, claim, cleanup)
}

/** Opens the database for work beside a server, if one runs. */
export async function openForCommand(options: DatabaseOptions): Promise<Opened> {
  await using cleanup = new AsyncDisposableStack()
  const engine = cleanup.use(await openEngine(options))
  return opened(engine, undefined, cleanup)
}

/**
 * Opens the database for a change of its tables. On SQLite no server can run meanwhile; on PostgreSQL the caller
 * asks `engine.isServed()` where that matters.
 *
 * @throws DatabaseUnavailableError, AlreadyRunningError
 */
export async function openForMigration(options: DatabaseOptions): Promise<Opened> {
  await using cleanup = new AsyncDisposableStack()
  const claim = claimFile(options)
  if (claim) cleanup.use(claim)
  const engine = cleanup.use(await openEngine(options))
  return opened(engine, claim, cleanup)
}

/**
 * Applies what is pending, but never under a running server, which knows the old tables only.
 *
 * @throws NewerDatabaseError, AlreadyRunningError
 */
export async function migrateUnlessServed(engine: Engine): Promise<string[]> {
  const status = await migrationStatus(engine.read)
  if (status.some(({ known }) => !known)) throw new NewerDatabaseError()
  if (status.every(({ appliedAt }) => appliedAt !== undefined)) return []
  if (await engine.isServed()) {
    throw new AlreadyRunningError('a server of another version is running on this database; stop it first')
  }
  return migrate(engine.schema)
}

async function openEngine(options: DatabaseOptions): Promise<Engine> {
  const file = sqliteFileOf(options.url)
  if (file === undefined) {
    // Its driver is loaded only where there is a PostgreSQL.
    const { PostgresEngine: Postgres } = await import('./dialect/postgres.ts')
    return Postgres.open(options)
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  return SqliteEngine.open({ file, cacheMb: options.cacheMb }, (error) => options.onFatal?.(error))
}

function claimFile({ url }: DatabaseOptions): StreamClaim | undefined {
  const file = sqliteFileOf(url)
  if (file === undefined) return undefined
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  return claimSqlite(file)
}

function opened(engine: Engine, claim: StreamClaim | undefined, cleanup: AsyncDisposableStack): Opened {
  const resources = cleanup.move()
  return { engine, claim, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}
