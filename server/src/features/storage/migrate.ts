import { createHash } from 'node:crypto'
import type { Context } from '#context'
import type { BlobTable } from '#db/tables.ts'
import { sweepObjects } from '#features/files/index.ts'
import { ObjectMissingError, type BlobStore, type StoreKind } from '#storage/blob-store.ts'
import { SealBrokenError } from '#storage/sealed.ts'
import { moveBlob, noteCopy, blobsElsewhere, countElsewhere } from './store-migrate.ts'
import type { OnProgress } from './verify.ts'

const BATCH = 50

export interface Migrated {
  readonly moved: number
  readonly bytes: number
  /** Objects that could not be moved, since they are missing or damaged. */
  readonly failed: string[]
}

/**
 * Moves every object to another store, one after the other, while the server runs: each is copied, read back, and only
 * then the blob is said to be there and the old copy removed. What is interrupted goes on where it was.
 *
 * @throws StorageUnavailableError
 */
export async function migrateStorage(
  ctx: Pick<Context, 'db' | 'clock' | 'vault'>,
  to: StoreKind,
  { onProgress, signal }: { onProgress?: OnProgress; signal?: AbortSignal } = {},
): Promise<Migrated> {
  const target = ctx.vault.stores.of(to)
  await target.ping()
  const total = await countElsewhere(ctx.db.read, to)
  const failed: string[] = []
  let [moved, bytes] = [0, 0]
  for (let after = ''; ;) {
    const batch = await blobsElsewhere(ctx.db.read, to, after, BATCH)
    for (const blob of batch) {
      signal?.throwIfAborted()
      if (await move(ctx, blob, target)) {
        moved++
        bytes += blob.size
      } else failed.push(blob.object)
      onProgress?.(moved + failed.length, total)
    }
    await sweepObjects(ctx)
    if (batch.length < BATCH) return { moved, bytes, failed }
    after = batch.at(-1)!.object
  }
}

async function move(
  ctx: Pick<Context, 'db' | 'clock' | 'vault'>,
  blob: BlobTable,
  target: BlobStore,
): Promise<boolean> {
  const { object } = blob
  const copy = { object, store: target.kind, writer: ctx.vault.writer, since: ctx.clock() }
  // An older copy there may still wait for its removal, which must not meet the new one.
  while (!(await ctx.db.transact((tx) => noteCopy(tx, copy)))) await sweepObjects(ctx)
  const size = ctx.vault.storedSize(blob)
  try {
    const source = ctx.vault.stores.of(blob.store)
    await target.delete(object)
    const written = createHash('sha256')
    await target.write(object, hashed(source.read(object, 0, size), written))
    const readBack = createHash('sha256')
    let length = 0
    for await (const piece of target.read(object, 0, size + 1)) {
      readBack.update(piece)
      length += piece.length
    }
    if (length !== size || !readBack.digest().equals(written.digest())) throw new SealBrokenError(object)
  } catch (error) {
    await ctx.vault.abandon([object])
    if (error instanceof ObjectMissingError || error instanceof SealBrokenError) return false
    throw error
  }
  await ctx.db.transact((tx) => moveBlob(tx, blob, target.kind, ctx.clock()))
  return true
}

async function* hashed(
  content: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array> {
  for await (const piece of content) {
    hash.update(piece)
    yield piece
  }
}
