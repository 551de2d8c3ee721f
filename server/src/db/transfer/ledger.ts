import { sql } from 'kysely'
import type { Engine } from '../database.ts'
import type { AnyDatabase } from './load.ts'
import { valueFromJson, valueToJson, type Value } from './shape.ts'

/** How far the copy of one table is. */
export interface TableProgress {
  readonly rows: number
  /** Key of the last row that was written. */
  readonly after: readonly Value[] | undefined
  readonly done: boolean
}

/** What a move as a whole remembers. */
export interface MoveState {
  /** Which database it is a copy of. */
  readonly source: string
  /** What was found to be the same in both; from then on only the end is missing. */
  readonly verified: readonly MovedTable[] | null
}

/** A table that is the same in both databases. */
export interface MovedTable {
  readonly name: string
  readonly rows: number
  readonly hash: string
}

/** The database is a copy that was not finished: no server may work on it. */
export class UnfinishedMoveError extends Error {
  constructor() {
    super('the database is a copy that was not finished; run the same migrate-database again')
  }
}

/** @throws UnfinishedMoveError */
export async function refuseUnfinishedMove(engine: Engine): Promise<void> {
  if (await Ledger.exists(engine)) throw new UnfinishedMoveError()
}

/**
 * The note that a move keeps in the database it fills, written in the transactions of the rows, so that a run that was
 * killed goes on where it was. It is gone when the move has come to its end.
 */
export class Ledger {
  readonly #db: AnyDatabase

  private constructor(engine: Engine) {
    this.#db = engine.schema
  }

  static async exists({ dialect, schema }: Engine): Promise<boolean> {
    const { rows } =
      dialect === 'postgres'
        ? await sql`select 1 as one where to_regclass('database_transfer') is not null`.execute(schema)
        : await sql`select 1 as one from sqlite_schema where name = 'database_transfer'`.execute(schema)
    return rows.length > 0
  }

  /** Opens the ledger of a run that was not finished. */
  static open(engine: Engine): Ledger {
    return new Ledger(engine)
  }

  /** Makes a ledger: from here on the database belongs to the move. */
  static async create(engine: Engine, state: MoveState): Promise<Ledger> {
    const ledger = new Ledger(engine)
    await ledger.#db.transaction().execute(async (tx) => {
      await sql`create table database_transfer (name text primary key, state text not null)`.execute(tx)
      await put(tx, '*', state)
    })
    return ledger
  }

  async state(): Promise<MoveState> {
    return (await this.#get('*')) as MoveState
  }

  async setState(state: MoveState): Promise<void> {
    await put(this.#db, '*', state)
  }

  /** @returns undefined when the table has not been begun */
  async table(name: string): Promise<TableProgress | undefined> {
    const found = (await this.#get(name)) as (TableProgress & { after: unknown[] | null }) | undefined
    return found && { ...found, after: found.after?.map(valueFromJson) }
  }

  /** Notes how far a table is, in the transaction `tx` or in one of its own. */
  async note(name: string, { rows, after, done }: TableProgress, tx: AnyDatabase = this.#db): Promise<void> {
    await put(tx, name, { rows, after: after?.map(valueToJson) ?? null, done })
  }

  async remove(): Promise<void> {
    await sql`drop table database_transfer`.execute(this.#db)
  }

  async #get(name: string): Promise<unknown> {
    const row = await this.#db
      .selectFrom('database_transfer')
      .select('state')
      .where('name', '=', name)
      .executeTakeFirst()
    return row && (JSON.parse(row.state as string) as unknown)
  }
}

async function put(db: AnyDatabase, name: string, state: unknown): Promise<void> {
  const text = JSON.stringify(state)
  await db
    .insertInto('database_transfer')
    .values({ name, state: text })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ state: text }))
    .execute()
}
