import { existsSync, readFileSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { configFile } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import type { DatabaseOptions } from '#db/open.ts'
import type { Row, TableShape } from '#db/transfer/shape.ts'
import { openSnapshot, type Snapshot } from '#db/transfer/snapshot.ts'
import { isoTime } from '#lib/clock.ts'
import { version } from '#lib/version.ts'
import { writeAll } from '#lib/write-all.ts'
import { masterKeyText } from '#keys/master-key.ts'
import { ObjectMissingError } from '#storage/blob-store.ts'
import { Stores } from '#storage/stores.ts'
import { ArchiveWriter, type Totals } from './archive.ts'
import { BackupError, sealBackup } from './envelope.ts'

export interface BackupOptions {
  readonly config: Config
  readonly database: Pick<DatabaseOptions, 'url'>
  /** The file to write. It is there as a whole or not at all. */
  readonly file: string
  readonly passphrase: string
  /** Told what is being written. */
  readonly onProgress?: (what: string) => void
}

export interface BackupResult {
  readonly totals: Totals
  /** Objects that the database names and no store has. */
  readonly missing: readonly string[]
}

/**
 * Writes everything that a server is into one encrypted file, while it runs: the database as of one moment, the files
 * that it names, the master key and the configuration.
 *
 * @throws BackupError, DatabaseUnavailableError, StorageUnavailableError, KeyError
 */
export async function createBackup(options: BackupOptions): Promise<BackupResult> {
  const { config, file, passphrase } = options
  if (existsSync(file)) throw new BackupError(`${file} exists already`)
  await using snapshot = await openSnapshot(options.database)
  await using stores = await Stores.open(config)
  const missing: string[] = []
  const writer = new ArchiveWriter()
  const content = blocksOf(options, snapshot, stores, writer, missing)
  const part = `${file}.part`
  try {
    await using handle = await open(part, 'wx', 0o600)
    for await (const piece of sealBackup(content, passphrase)) await writeAll(handle, piece)
    await handle.sync()
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
  await rename(part, file)
  await using folder = await open(dirname(file), 'r')
  await folder.sync()
  return { totals: writer.totals, missing }
}

async function* blocksOf(
  { config, onProgress }: BackupOptions,
  snapshot: Snapshot,
  stores: Stores,
  writer: ArchiveWriter,
  missing: string[],
): AsyncGenerator<Uint8Array> {
  const toml = configFile(config.data_dir)
  yield writer.manifest({
    version,
    created_at: isoTime(Date.now()),
    migrations: [...snapshot.migrations],
    master_key: masterKeyText({ dataDir: config.data_dir, fromConfig: config.master_key }),
    config: existsSync(toml) ? readFileSync(toml, 'utf8') : null,
  })
  const objects: { name: string; store: string }[] = []
  for (const table of snapshot.tables) {
    onProgress?.(`table ${table.name}`)
    yield* writer.table(table, noting(snapshot.rows(table), table, objects))
  }
  for (const [index, { name, store }] of objects.entries()) {
    if (index % 100 === 0) onProgress?.(`files: ${index} of ${objects.length}`)
    const found = await openObject(stores, store, name)
    if (!found) {
      missing.push(name)
      continue
    }
    try {
      yield* writer.object(name, found.size, resume(found.first, found.rest))
    } finally {
      await found.rest.return?.()
    }
  }
  yield writer.end()
}

/** An object of which the first piece is read; whoever has it ends `rest`. */
interface OpenObject {
  readonly size: number
  readonly first: IteratorResult<Uint8Array>
  readonly rest: AsyncIterator<Uint8Array>
}

/**
 * Begins to read an object from the store that the snapshot names or, as objects move while the server runs, from any
 * other that has it.
 *
 * @returns undefined when no store has it
 */
async function openObject(stores: Stores, kind: string, name: string): Promise<OpenObject | undefined> {
  const named = stores.of(kind)
  for (const store of [named, ...stores.all.filter((other) => other !== named)]) {
    const found = await store.stat(name)
    if (!found) continue
    const rest = store.read(name, 0, found.size)[Symbol.asyncIterator]()
    try {
      return { size: found.size, first: await rest.next(), rest }
    } catch (error) {
      // It was removed after it was seen.
      if (!(error instanceof ObjectMissingError)) throw error
    }
  }
  return undefined
}

async function* resume(
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (let next = first; !next.done; next = await rest.next()) yield next.value
}

/** Hands rows on, and takes down the objects that they name. */
async function* noting(
  batches: AsyncIterable<readonly Row[]>,
  table: TableShape,
  objects: { name: string; store: string }[],
): AsyncGenerator<readonly Row[]> {
  const [name, store] = [table.columns.indexOf('object'), table.columns.indexOf('store')]
  for await (const rows of batches) {
    if (table.name === 'blob') {
      for (const row of rows) objects.push({ name: String(row[name]), store: String(row[store]) })
    }
    yield rows
  }
}
