import { join } from 'node:path'
import { ConfigError } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { StorageUnavailableError, type BlobStore, type StoreKind } from './blob-store.ts'
import { DiskStore } from './disk-store.ts'
import { S3Store } from './s3-store.ts'

/** The stores that are configured. New objects go to one of them; old ones may still be in the other. */
export class Stores implements AsyncDisposable {
  readonly current: BlobStore
  readonly #stores: ReadonlyMap<StoreKind, BlobStore>

  private constructor(current: BlobStore, stores: readonly BlobStore[]) {
    this.current = current
    this.#stores = new Map(stores.map((store) => [store.kind, store]))
  }

  static async open({ data_dir, storage }: Pick<Config, 'data_dir' | 'storage'>): Promise<Stores> {
    const disk = new DiskStore(join(data_dir, 'files'), {
      minFreeBytes: storage.min_free_mb * 1024 * 1024,
    })
    if (storage.s3_bucket === '') {
      if (storage.backend === 's3')
        throw new ConfigError(['storage.backend is s3, so storage.s3_bucket is needed'])
      return new Stores(disk, [disk])
    }
    const s3 = await S3Store.open({
      endpoint: storage.s3_endpoint,
      bucket: storage.s3_bucket,
      region: storage.s3_region,
      accessKey: storage.s3_access_key,
      secretKey: storage.s3_secret_key,
      prefix: storage.s3_prefix,
    })
    return new Stores(storage.backend === 'disk' ? disk : s3, [disk, s3])
  }

  get all(): BlobStore[] {
    return [...this.#stores.values()]
  }

  /** @throws StorageUnavailableError when this store is not configured (any more) */
  of(kind: string): BlobStore {
    const store = this.#stores.get(kind as StoreKind)
    if (!store) throw new StorageUnavailableError(`the store '${kind}' is not configured`)
    return store
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#stores.values()) await store[Symbol.asyncDispose]()
  }
}
