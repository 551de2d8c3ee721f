import {
  sql,
  type ColumnDefinitionBuilder,
  type CreateTableBuilder,
  type Kysely,
  type RawBuilder,
} from 'kysely'
import { SqliteAdapter } from 'kysely'

/** Column types and table options that have the same meaning on SQLite and PostgreSQL. */
export interface Columns {
  /** Whether this is SQLite, for what has no equal on the other side. */
  readonly sqlite: boolean
  /** 64-bit integer: milliseconds, counters. */
  readonly integer: 'integer' | 'bigint'
  /** 0 or 1. */
  readonly flag: 'integer' | 'smallint'
  readonly bytes: RawBuilder<unknown>
  /** Makes an `integer` column the primary key, which the database counts up and never gives out twice. */
  readonly counter: (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder
  /** Ends a table definition: SQLite checks column types only in STRICT tables. */
  readonly finish: Finish
  /**
   * Like `finish`, for a table whose rows SQLite keeps in the order of the primary key, so that neighbours lie on
   * the same pages of the file.
   */
  readonly finishClustered: Finish
}

type Finish = <T extends string, C extends string>(table: CreateTableBuilder<T, C>) => Promise<void>

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export function columnsFor(db: Kysely<any>): Columns {
  const sqlite = db.getExecutor().adapter instanceof SqliteAdapter
  return {
    sqlite,
    integer: sqlite ? 'integer' : 'bigint',
    flag: sqlite ? 'integer' : 'smallint',
    bytes: sqlite ? sql`blob` : sql`bytea`,
    counter: (column) =>
      sqlite ? column.primaryKey().autoIncrement() : column.primaryKey().generatedAlwaysAsIdentity(),
    finish: (table) => (sqlite ? table.modifyEnd(sql`strict`) : table).execute(),
    finishClustered: (table) => (sqlite ? table.modifyEnd(sql`strict, without rowid`) : table).execute(),
  }
}
