import { createHash } from 'node:crypto'
import type { Engine } from '../database.ts'
import { AlreadyRunningError } from '../dialect/sqlite.ts'
import { DatabaseUnavailableError } from '../errors.ts'
import { mayExist, openForMigration, type DatabaseOptions } from '../open.ts'
import { digestTable } from './digest.ts'
import { Ledger, type MovedTable } from './ledger.ts'
import { countRows, emptyTable, finishLoad, insertRows, prepareEmpty, undoLoad } from './load.ts'
import { openSnapshot, type Snapshot } from './snapshot.ts'

export interface MoveOptions {
  readonly from: DatabaseOptions
  readonly to: DatabaseOptions
  /** Throw away what an unfinished run has copied. */
  readonly restart: boolean
  /** Told how many of all rows have been copied, then how many have been compared. */
  readonly onProgress?: (step: 'copy' | 'verify', done: number, total: number) => void
}

export interface MoveResult {
  readonly tables: readonly MovedTable[]
  readonly rows: number
  /** Rows that an earlier run had copied. */
  readonly resumed: number
  /** Migrations that the source did not have yet. */
  readonly migrations: readonly string[]
}

/** The copy cannot go on, or is not the same as the source. */
export class MoveError extends Error {}

/**
 * Copies a whole database into an empty one, which may be of the other product; the source stays as it is. A run that was
 * ended goes on where it was when it is started again. Neither may be in use.
 *
 * @throws MoveError, NotEmptyError, NewerDatabaseError, AlreadyRunningError, DatabaseUnavailableError
 */
export async function moveDatabase(options: MoveOptions): Promise<MoveResult> {
  const { from, to } = options
  if (from.url === to.url) throw new MoveError('both names are of the same database')
  if (!mayExist(from.url)) throw new DatabaseUnavailableError('there is no database to copy')
  // SQLite is claimed by this: no server can start on it before the end.
  await using source = await openForMigration(from)
  await using target = await openForMigration(to)
  await refuseServed(source.engine)
  await refuseServed(target.engine)
  const ledger = await begin(options, target.engine)
  const { verified } = await ledger.state()
  const resumed = verified ? 0 : await copy(options, source.engine, target.engine, ledger)
  const tables = verified ?? (await verify(options, source.engine, ledger))
  const migrations = await finishLoad(target.engine)
  await ledger.remove()
  return { tables, rows: sum(tables.map(({ rows }) => rows)), resumed, migrations }
}

async function refuseServed(engine: Engine): Promise<void> {
  // SQLite has been claimed, by this process.
  if (engine.dialect === 'postgres' && (await engine.isServed()))
    throw new AlreadyRunningError('a server is running on one of the databases; stop it first')
}

/** Makes the target a copy in the making, or finds that it is one of this source already. */
async function begin({ from, restart }: MoveOptions, target: Engine): Promise<Ledger> {
  await using snapshot = await openSnapshot(from)
  const source = await identityOf(snapshot)
  if (await Ledger.exists(target)) {
    const ledger = Ledger.open(target)
    const state = await ledger.state()
    if (!restart) {
      if (state.source === source) return ledger
      throw new MoveError('the target is an unfinished copy of another database; --restart throws it away')
    }
    await undoLoad(target)
    await ledger.remove()
  }
  await prepareEmpty(target, snapshot.migrations)
  return await Ledger.create(target, { source, verified: null })
}

/** Tells databases apart, and states of one that cannot be mixed: data keys are of one server, tables of one version. */
async function identityOf(snapshot: Snapshot): Promise<string> {
  const keys = snapshot.tables.find(({ name }) => name === 'encryption_key')
  const { hash } = keys ? await digestTable(keys, snapshot.rows(keys)) : { hash: '' }
  return createHash('sha256')
    .update(JSON.stringify([hash, snapshot.migrations]))
    .digest('hex')
}

/** @returns how many rows an earlier run had copied */
async function copy(
  { from, onProgress }: MoveOptions,
  source: Engine,
  target: Engine,
  ledger: Ledger,
): Promise<number> {
  await using snapshot = await openSnapshot(from)
  const total = sum((await countRows(source, snapshot.tables)).values())
  let [copied, resumed] = [0, 0]
  for (const table of snapshot.tables) {
    let progress = await ledger.table(table.name)
    if (!progress) {
      await emptyTable(target, table)
      progress = { rows: 0, after: undefined, done: false }
      await ledger.note(table.name, progress)
    }
    copied += progress.rows
    resumed += progress.rows
    onProgress?.('copy', copied, total)
    if (progress.done) continue
    const keyAt = table.key.map((column) => table.columns.indexOf(column))
    let { rows: written } = progress
    for await (const rows of snapshot.rowsAfter(table, progress.after)) {
      written += rows.length
      const after = keyAt.map((index) => rows.at(-1)![index]!)
      await insertRows(target, table, rows, (tx) =>
        ledger.note(table.name, { rows: written, after, done: false }, tx),
      )
      copied += rows.length
      onProgress?.('copy', copied, total)
    }
    await ledger.note(table.name, { rows: written, after: undefined, done: true })
  }
  return resumed
}

/** Reads both databases to the end and compares every table. @throws MoveError */
async function verify(
  { from, to, onProgress }: MoveOptions,
  source: Engine,
  ledger: Ledger,
): Promise<MovedTable[]> {
  // New ones: what a server has changed meanwhile must show.
  await using expected = await openSnapshot(from)
  await using found = await openSnapshot(to)
  const total = 2 * sum((await countRows(source, expected.tables)).values())
  let compared = 0
  const onRows = (count: number): void => onProgress?.('verify', (compared += count), total)
  const tables: MovedTable[] = []
  for (const table of expected.tables) {
    const copied = found.tables.find(({ name }) => name === table.name)
    if (!copied) throw new MoveError(`the table ${table.name} is not in the target`)
    const [should, is] = [
      await digestTable(table, expected.rows(table), onRows),
      await digestTable(copied, found.rows(copied), onRows),
    ]
    if (should.rows !== is.rows || should.hash !== is.hash)
      throw new MoveError(
        `the table ${table.name} is not the same in both (${should.rows} and ${is.rows} rows): the source was changed ` +
          'after the copy began, or the target was; start anew with --restart',
      )
    tables.push({ name: table.name, ...should })
  }
  await refuseServed(source)
  await ledger.setState({ ...(await ledger.state()), verified: tables })
  return tables
}

function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const number of numbers) total += number
  return total
}
