import { createHash } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { configFile } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { openForMigration, type DatabaseOptions } from '#db/open.ts'
import { countRows, emptyTable, finishLoad, insertRows, prepareEmpty, undoLoad } from '#db/transfer/load.ts'
import type { Row, TableShape } from '#db/transfer/shape.ts'
import type { Engine } from '#db/database.ts'
import { installMasterKey } from '#keys/master-key.ts'
import type { BlobStore } from '#storage/blob-store.ts'
import { Stores } from '#storage/stores.ts'
import { readArchive, type ArchiveReader, type Manifest, type Totals } from './archive.ts'
import { BackupError, openBackup } from './envelope.ts'

export interface RestoreOptions {
  readonly config: Config
  readonly database: DatabaseOptions
  readonly file: string
  readonly passphrase: string
  /** Read everything back afterwards and compare. */
  readonly verify: boolean
  readonly onProgress?: (what: string) => void
}

export interface RestoreResult {
  readonly manifest: Manifest
  readonly totals: Totals
}

/** Reads a backup to its end and checks every count and hash in it; changes nothing. @throws BackupError */
export async function checkBackup(file: string, passphrase: string): Promise<RestoreResult> {
  let manifest: Manifest | undefined
  const totals = await readArchive(openBackup(file, passphrase), {
    manifest: async (found) => {
      manifest = found
    },
    table: async () => {},
    rows: async () => {},
    object: async (_name, size, content) => {
      let bytes = 0
      for await (const piece of content) bytes += piece.length
      if (bytes !== size) throw new BackupError('an object of the backup does not have its size')
    },
  })
  return { manifest: manifest!, totals }
}

/**
 * Puts a backup into an empty place: a data folder without a master key of its own, and an empty database, which may be
 * of the other product. A backup of an earlier version is brought up to date. If it fails, the database is empty again.
 *
 * @throws BackupError, NotEmptyError, NewerDatabaseError, KeyError, DatabaseUnavailableError, StorageUnavailableError
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreResult> {
  const { config, file, passphrase } = options
  await mkdir(config.data_dir, { recursive: true, mode: 0o700 })
  await using opened = await openForMigration(options.database)
  await using stores = await Stores.open(config)
  const restoring = new Restoring(options, opened.engine, stores.current)
  try {
    const totals = await readArchive(openBackup(file, passphrase), restoring)
    options.onProgress?.('references and later versions')
    await restoring.check()
    await finishLoad(opened.engine)
    return { manifest: restoring.found!, totals }
  } catch (error) {
    await restoring.undo().catch(() => {})
    throw error
  }
}

class Restoring implements ArchiveReader {
  readonly #options: RestoreOptions
  readonly #engine: Engine
  readonly #store: BlobStore
  readonly #tables = new Map<string, { shape: TableShape; rows: number }>()
  readonly #objects = new Map<string, { size: number; sha256: string }>()
  #begun = false
  found: Manifest | undefined

  constructor(options: RestoreOptions, engine: Engine, store: BlobStore) {
    this.#options = options
    this.#engine = engine
    this.#store = store
  }

  async manifest(manifest: Manifest): Promise<void> {
    const { data_dir: dataDir, master_key: fromConfig } = this.#options.config
    await prepareEmpty(this.#engine, manifest.migrations)
    this.#begun = true
    // The key first: rows that nobody can read would be worse than none.
    installMasterKey({ dataDir, fromConfig }, manifest.master_key)
    const toml = configFile(dataDir)
    if (manifest.config !== null && !existsSync(toml)) writeFileSync(toml, manifest.config, { mode: 0o600 })
    this.found = manifest
  }

  async table(shape: TableShape): Promise<void> {
    this.#options.onProgress?.(`table ${shape.name}`)
    this.#tables.set(shape.name, { shape, rows: 0 })
    await emptyTable(this.#engine, shape)
  }

  async rows(shape: TableShape, rows: readonly Row[]): Promise<void> {
    this.#tables.get(shape.name)!.rows += rows.length
    await insertRows(this.#engine, shape, shape.name === 'blob' ? this.#here(shape, rows) : rows)
  }

  async object(name: string, size: number, content: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#objects.size % 100 === 0) this.#options.onProgress?.(`files: ${this.#objects.size}`)
    const hash = createHash('sha256')
    async function* hashed(): AsyncGenerator<Uint8Array> {
      for await (const piece of content) {
        hash.update(piece)
        yield piece
      }
    }
    await this.#store.delete(name)
    await this.#store.write(name, hashed())
    this.#objects.set(name, { size, sha256: hash.digest('hex') })
  }

  /** Wherever objects were, they are in the store of this place now. */
  #here({ columns }: TableShape, rows: readonly Row[]): Row[] {
    const store = columns.indexOf('store')
    return rows.map((row) => row.with(store, this.#store.kind))
  }

  /** What was written can be read, and is what it should be. @throws BackupError */
  async check(): Promise<void> {
    const tables = [...this.#tables.values()]
    const counts = await countRows(
      this.#engine,
      tables.map(({ shape }) => shape),
    )
    for (const { shape, rows } of tables) {
      const count = counts.get(shape.name)
      if (count !== rows)
        throw new BackupError(`the table ${shape.name} has ${count} rows instead of ${rows}`)
    }
    if (!this.#options.verify) return
    for (const [name, { size, sha256 }] of this.#objects) {
      const hash = createHash('sha256')
      for await (const piece of this.#store.read(name, 0, size)) hash.update(piece)
      if (hash.digest('hex') !== sha256)
        throw new BackupError(`the object ${name} was not stored as it should be`)
    }
  }

  /** Leaves no half of a server behind. */
  async undo(): Promise<void> {
    if (!this.#begun) return
    await undoLoad(this.#engine)
    for (const name of this.#objects.keys()) await this.#store.delete(name)
  }
}
