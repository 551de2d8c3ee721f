import type { Context } from '#context'
import {
  directories,
  findLoose,
  knownObjects,
  removeFiles,
  sweepObjects,
  type Directory,
} from '#features/files/index.ts'
import { readSettings, type ServerSettings } from '#features/instance/index.ts'
import { isObjectName, type BlobStore } from '#storage/blob-store.ts'
import { filesAfter, type ListedFile } from './store.ts'

const BATCH = 500
/** What is younger may belong to an upload that has not got as far as being noted. */
const YOUNG_MS = 3600 * 1000

/**
 * Whether what a file was stored for is gone.
 *
 * @param settings what they are when the file is looked at, or were later
 */
export function isOrphaned(
  { server_avatar, server_banner }: Pick<ServerSettings, 'server_avatar' | 'server_banner'>,
  file: ListedFile,
): boolean {
  const picture = `${file.id}.${file.extension}`
  switch (file.purpose) {
    case 'attachment':
      return file.living_message_id === null || file.channel_deleted_at !== null
    case 'user_avatar':
      return file.avatar !== picture
    case 'user_banner':
      return file.banner !== picture
    case 'server_avatar':
      return server_avatar !== picture
    case 'server_banner':
      return server_banner !== picture
    default:
      return false
  }
}

/** What was removed, or would be: files whose use is gone, and objects that belonged to nothing before. */
export interface Freed {
  readonly files: number
  readonly objects: number
  readonly bytes: number
}

interface CleaningUp {
  readonly dryRun: boolean
  readonly signal?: AbortSignal
}

/** Removes everything that nothing refers to. A dry run says the same as what comes after it. */
export async function collectGarbage(
  ctx: Pick<Context, 'db' | 'clock' | 'vault'>,
  { dryRun, signal }: CleaningUp,
): Promise<Freed> {
  // First, or the objects of the files that are removed here would count twice.
  const strays = await removeStrayObjects(ctx, { dryRun, ...(signal && { signal }) })
  const orphans = await removeOrphans(ctx, { directories, dryRun, ...(signal && { signal }) })
  if (!dryRun) await sweepObjects(ctx, signal)
  return { files: orphans.files, objects: strays.objects, bytes: orphans.bytes + strays.bytes }
}

/** Removes files whose use is gone. */
export async function removeOrphans(
  ctx: Pick<Context, 'db' | 'clock'>,
  { directories: among, dryRun, signal }: CleaningUp & { directories: readonly Directory[] },
): Promise<Pick<Freed, 'files' | 'bytes'>> {
  let [files, bytes] = [0, 0]
  for (let after = ''; ;) {
    signal?.throwIfAborted()
    const batch = await filesAfter(ctx.db.read, after, BATCH)
    // Read after the files: another process may just have stored one and put it to use, which this one has yet to hear.
    const settings = await readSettings(ctx.db.read)
    const orphans = batch.filter(
      (file) => (among as readonly string[]).includes(file.directory) && isOrphaned(settings, file),
    )
    const ids = orphans.map(({ id }) => id)
    const removed = dryRun ? orphans : await ctx.db.transact((tx) => removeFiles(ctx, tx, ids))
    files += removed.length
    bytes += removed.reduce((sum, { size }) => sum + size, 0)
    if (batch.length < BATCH) return { files, bytes }
    after = batch.at(-1)!.id
  }
}

/** Removes objects that no row knows, and those that are waiting to be removed. */
async function removeStrayObjects(
  ctx: Pick<Context, 'db' | 'clock' | 'vault'>,
  { dryRun, signal }: CleaningUp,
): Promise<Pick<Freed, 'objects' | 'bytes'>> {
  let [objects, bytes] = [0, 0]
  const oldest = ctx.clock() - YOUNG_MS
  for (const store of ctx.vault.stores.all) {
    for await (const batch of batches(store)) {
      signal?.throwIfAborted()
      const known = await knownObjects(
        ctx.db.read,
        batch.map(({ name }) => name),
      )
      for (const { name, size, modifiedAt } of batch) {
        if (known.get(name) === store.kind || modifiedAt > oldest) continue
        // A copy in the store that its blob has left is waiting for its removal, or is listed below.
        if (!dryRun) await store.delete(name)
        objects++
        bytes += size
      }
    }
  }
  for await (const size of waitingObjects(ctx)) {
    signal?.throwIfAborted()
    objects++
    bytes += size
  }
  if (!dryRun) await sweepObjects(ctx, signal)
  for (const store of ctx.vault.stores.all) bytes += await store.discardUnfinished(oldest, { dryRun })
  return { objects, bytes }
}

/** Bytes that each object takes which waits to be removed. */
async function* waitingObjects({ db, vault }: Pick<Context, 'db' | 'vault'>): AsyncGenerator<number> {
  for (let after = ''; ;) {
    const batch = await findLoose(db.read, after, BATCH)
    for (const { object, store } of batch) yield (await vault.stores.of(store).stat(object))?.size ?? 0
    if (batch.length < BATCH) return
    after = batch.at(-1)!.object
  }
}

async function* batches(store: BlobStore) {
  let batch: { name: string; size: number; modifiedAt: number }[] = []
  for await (const object of store.list()) {
    if (!isObjectName(object.name)) continue
    batch.push(object)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
