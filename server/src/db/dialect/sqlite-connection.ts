import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { Lru } from '#lib/lru.ts'

export interface StatementResult {
  readonly rows: Record<string, unknown>[]
  readonly changes: number
}

interface Prepared {
  readonly statement: StatementSync
  readonly returnsRows: boolean
}

/** One open SQLite file with its statements, prepared once by their text. Every call blocks this thread. */
export class SqliteConnection implements Disposable {
  readonly #db: DatabaseSync
  readonly #statements = new Lru<string, Prepared>(500)

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  get inTransaction(): boolean {
    return this.#db.isTransaction
  }

  run(sql: string, parameters: readonly unknown[]): StatementResult {
    const { statement, returnsRows } = this.#prepare(sql)
    const values = parameters as SQLInputValue[]
    if (returnsRows) return { rows: statement.all(...values), changes: 0 }
    return { rows: [], changes: Number(statement.run(...values).changes) }
  }

  exec(sql: string): void {
    this.#db.exec(sql)
  }

  [Symbol.dispose](): void {
    this.#statements.clear()
    if (this.#db.isOpen) this.#db.close()
  }

  #prepare(sql: string): Prepared {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#db.prepare(sql)
    const prepared = { statement, returnsRows: statement.columns().length > 0 }
    // Such a statement tells the number of the row it wrote, whether asked to or not, and that may exceed a number's 53 bits.
    if (!prepared.returnsRows) statement.setReadBigInts(true)
    this.#statements.set(sql, prepared)
    return prepared
  }
}

export interface SqliteOptions {
  readonly file: string
  readonly cacheMb: number
}

/**
 * The one connection that writes. `synchronous=FULL` makes each commit wait for the disk, which is why this
 * connection lives in a thread of its own.
 */
export function openWriter({ file, cacheMb }: SqliteOptions): SqliteConnection {
  const db = new DatabaseSync(file, { timeout: 5000 })
  // The first of these takes effect in a file that has no table yet, and stays with it.
  db.exec(`
    pragma auto_vacuum = incremental;
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma foreign_keys = on;
    pragma cache_size = -${cacheMb * 1024};
    pragma temp_store = memory;
    pragma wal_autocheckpoint = 2000;
    pragma journal_size_limit = 67108864;
  `)
  return new SqliteConnection(db)
}

/** A connection that only reads. In WAL mode it never waits for the writer. */
export function openReader({ file, cacheMb }: SqliteOptions): SqliteConnection {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 1000 })
  db.exec(`
    pragma query_only = on;
    pragma cache_size = -${cacheMb * 1024};
    pragma mmap_size = 268435456;
    pragma temp_store = memory;
  `)
  return new SqliteConnection(db)
}
