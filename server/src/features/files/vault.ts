import { createHash } from 'node:crypto'
import type { Database } from '#db/database.ts'
import type { Keyring } from '#db/keyring.ts'
import type { BlobTable } from '#db/tables.ts'
import { unwrapObjectSecret, wrapObjectSecret } from '#keys/object-secret.ts'
import { unavailable } from '#http/errors.ts'
import type { Clock } from '#lib/clock.ts'
import { Lru } from '#lib/lru.ts'
import { StorageUnavailableError } from '#storage/blob-store.ts'
import {
  newObjectSecret,
  objectKey,
  seal,
  sealedRange,
  sealedSize,
  unseal,
  type ObjectKey,
  type Range,
} from '#storage/sealed.ts'
import type { Stores } from '#storage/stores.ts'
import { ObjectNames } from './object-names.ts'
import { sweep } from './store.ts'

/** Content that is safely in a store, and belongs to nothing yet. */
export interface StagedBlob extends Omit<BlobTable, 'refs' | 'created_at'> {}

interface Parts {
  readonly db: Database
  readonly clock: Clock
  readonly keyring: Keyring
  readonly stores: Stores
  /** Who writes, as told from every other process and from this one in an earlier life. */
  readonly writer: string
  readonly encrypt: boolean
}

const REMEMBERED_KEYS = 2_000

/**
 * Writes and reads blobs. Before an object appears in its store, a row of `loose_object` names it; the transaction that
 * gives it to a blob removes that row. So whatever happens in between, there is a list of what must be removed.
 */
export class Vault {
  readonly stores: Stores
  readonly writer: string
  readonly #parts: Parts
  readonly #keys = new Lru<string, ObjectKey>(REMEMBERED_KEYS)
  readonly #names: ObjectNames
  #arriving = 0

  constructor(parts: Parts) {
    this.#parts = parts
    this.#names = new ObjectNames(parts)
    this.stores = parts.stores
    this.writer = parts.writer
  }

  /** Bytes that are being written at this moment and are not counted anywhere yet. */
  get arriving(): number {
    return this.#arriving
  }

  /**
   * Writes content while it comes.
   *
   * @throws HttpError 503 when the store cannot take it, and what `content` throws; then nothing remains
   */
  async stage(content: AsyncIterable<Uint8Array>): Promise<StagedBlob> {
    const store = this.stores.current
    const { object, noted } = this.#names.take(store.kind)
    const hash = createHash('sha256')
    let size = 0
    const count = (bytes: number): void => {
      size += bytes
      this.#arriving += bytes
    }
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const piece of content) {
        hash.update(piece)
        count(piece.length)
        yield piece
      }
    }
    const secret = this.#parts.encrypt ? newObjectSecret() : undefined
    try {
      // The object must not be there before the list has it.
      await store.write(object, secret ? seal(counted(), objectKey(secret), object) : counted(), noted)
    } catch (error) {
      await noted.catch(() => {})
      await this.abandon([object])
      throw error instanceof StorageUnavailableError
        ? unavailable('Files cannot be stored at the moment', 5, error)
        : error
    } finally {
      this.#arriving -= size
    }
    const key = this.#parts.keyring.current('file')
    return {
      object,
      store: store.kind,
      sha256: hash.digest('hex'),
      size,
      is_sealed: secret ? 1 : 0,
      kid: secret ? key.kid : null,
      wrapped_secret: secret ? wrapObjectSecret(key.key, object, secret) : null,
    }
  }

  /** Gives up objects that no transaction has taken. Those that one has taken stay. */
  async abandon(objects: readonly string[]): Promise<void> {
    if (objects.length === 0) return
    await this.#parts.db.transact(async (tx) => {
      await tx.updateTable('loose_object').set({ writer: null }).where('object', 'in', objects).execute()
      tx.enqueue(sweep)
    })
  }

  /**
   * Reads a part of a blob's content.
   *
   * @throws ObjectMissingError, SealBrokenError, StorageUnavailableError
   */
  async *read(blob: BlobTable, range: Range): AsyncGenerator<Uint8Array> {
    const { object, size } = blob
    const store = this.stores.of(blob.store)
    if (blob.is_sealed === 0) {
      yield* store.read(object, range.start, range.length)
      return
    }
    const key = await this.#keyOf(blob)
    const { start, length } = sealedRange(size, range)
    yield* unseal({ ...key, name: object, size }, store.read(object, start, length), range)
  }

  /** How many bytes an object has in its store. */
  storedSize({ size, is_sealed }: Pick<BlobTable, 'size' | 'is_sealed'>): number {
    return is_sealed === 1 ? sealedSize(size) : size
  }

  async #keyOf({ object, kid, wrapped_secret }: BlobTable): Promise<ObjectKey> {
    const known = this.#keys.get(object)
    if (known) return known
    const dataKey = await this.#parts.keyring.find(kid!)
    if (!dataKey) throw new Error(`the key ${kid} is missing`)
    const key = objectKey(unwrapObjectSecret(dataKey.key, object, wrapped_secret!))
    this.#keys.set(object, key)
    return key
  }
}
