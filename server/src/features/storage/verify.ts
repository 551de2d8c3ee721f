import { createHash } from 'node:crypto'
import type { Context } from '#context'
import type { BlobTable } from '#db/tables.ts'
import { findBlob, knownObjects, looseObjects } from '#features/files/index.ts'
import { ObjectMissingError } from '#storage/blob-store.ts'
import { SealBrokenError } from '#storage/sealed.ts'
import {
  blobsAfter,
  blobTotals,
  countOrphans,
  wrongReferences,
  wrongUsage,
  type WrongCount,
} from './store-verify.ts'

const BATCH = 200

/** Told how far a piece of work is: objects or bytes done, of how many. */
export type OnProgress = (done: number, total: number) => void

/** What was found when everything that is stored was looked at. */
export interface Findings {
  readonly blobs: number
  readonly bytes: number
  /** Objects that a blob has and its store does not. */
  readonly missing: string[]
  /** Objects whose content is not what it was. */
  readonly damaged: string[]
  /** Objects that no row knows. */
  readonly extra: { readonly store: string; readonly object: string }[]
  readonly wrong_references: WrongCount[]
  readonly wrong_usage: WrongCount[]
  /** Files whose message is gone; cleaned up every night. */
  readonly orphans: number
  /** Objects that wait to be removed. */
  readonly waiting: number
}

/** Whether nothing is lost, nothing is wrong and nothing lies around. */
export function isSound(findings: Findings): boolean {
  const { missing, damaged, extra, wrong_references, wrong_usage, orphans } = findings
  return (
    [missing, damaged, extra, wrong_references, wrong_usage].every(({ length }) => length === 0) &&
    orphans === 0
  )
}

/** Reads everything that is stored and holds it against what the database says. Changes nothing; a server may run. */
export async function verifyStorage(
  ctx: Pick<Context, 'db' | 'vault'>,
  { onProgress, signal }: { onProgress?: OnProgress; signal?: AbortSignal } = {},
): Promise<Findings> {
  const { count, bytes } = await blobTotals(ctx.db.read)
  const findings: Findings = {
    blobs: count,
    bytes,
    missing: [],
    damaged: [],
    extra: [],
    wrong_references: await wrongReferences(ctx.db.read),
    wrong_usage: await wrongUsage(ctx.db.read),
    orphans: await countOrphans(ctx.db.read),
    waiting: await looseObjects(ctx.db.read),
  }
  let done = 0
  for await (const blob of allBlobs(ctx)) {
    signal?.throwIfAborted()
    const state = await stateOf(ctx, blob)
    if (state !== 'sound') findings[state].push(blob.object)
    done += blob.size
    onProgress?.(done, bytes)
  }
  for (const store of ctx.vault.stores.all) {
    for await (const { name } of store.list()) {
      signal?.throwIfAborted()
      // Asked after the listing: a row is there before its object.
      if ((await knownObjects(ctx.db.read, [name])).size === 0) {
        findings.extra.push({ store: store.kind, object: name })
      }
    }
  }
  return findings
}

/** Every blob, by the name of its object. */
async function* allBlobs(ctx: Pick<Context, 'db'>): AsyncGenerator<BlobTable> {
  for (let after = ''; ;) {
    const batch = await blobsAfter(ctx.db.read, after, BATCH)
    yield* batch
    if (batch.length < BATCH) return
    after = batch.at(-1)!.object
  }
}

async function stateOf(
  ctx: Pick<Context, 'db' | 'vault'>,
  blob: BlobTable,
): Promise<'sound' | 'missing' | 'damaged'> {
  try {
    const hash = createHash('sha256')
    for await (const piece of ctx.vault.read(blob, { start: 0, length: blob.size })) hash.update(piece)
    if (hash.digest('hex') === blob.sha256) return 'sound'
  } catch (error) {
    if (!(error instanceof ObjectMissingError) && !(error instanceof SealBrokenError)) throw error
    const now = await findBlob(ctx.db.read, blob.object)
    // It was deleted, or moved to the other store, while we looked.
    if (!now) return 'sound'
    if (now.store !== blob.store) return stateOf(ctx, now)
    if (error instanceof ObjectMissingError) return 'missing'
  }
  return 'damaged'
}
