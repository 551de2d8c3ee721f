import type { Context } from '#context'
import type { DataKey } from '#db/keyring.ts'
import type { BlobTable, FileTable } from '#db/tables.ts'
import { nameAad } from '#features/files/index.ts'
import { unwrapObjectSecret, wrapObjectSecret } from '#keys/object-secret.ts'
import { openMessage, sealMessage } from '#keys/seal.ts'
import {
  blobsOfOtherKeys,
  countOfOtherKeys,
  filesOfOtherKeys,
  replaceName,
  replaceSecret,
} from './store-rekey.ts'
import type { OnProgress } from './verify.ts'

const BATCH = 100

type Deps = Pick<Context, 'db' | 'keyring'>

/**
 * Wraps the key of every object, and seals every name, with the data key that is in use. Objects stay as they are, and
 * the server may run.
 *
 * @param options.newKey take a new data key first; else go on with the one in use
 * @returns how many rows were changed
 */
export async function rekeyStorage(
  ctx: Deps,
  { newKey, onProgress, signal }: { newKey: boolean; onProgress?: OnProgress; signal?: AbortSignal },
): Promise<number> {
  if (newKey) {
    await ctx.keyring.replace('file')
    // A server that runs must use the new one from now on, else this would never end.
    await ctx.db.transact(async (tx) => tx.publish({ type: 'keys.replaced' }))
  }
  const key = ctx.keyring.current('file')
  const total = await countOfOtherKeys(ctx.db.read, key.kid)
  let done = 0
  for (;;) {
    signal?.throwIfAborted()
    const blobs = await blobsOfOtherKeys(ctx.db.read, key.kid, BATCH)
    const files = await filesOfOtherKeys(ctx.db.read, key.kid, BATCH)
    if (blobs.length === 0 && files.length === 0) return done
    const secrets = await Promise.all(blobs.map((blob) => rewrapped(ctx, blob, key)))
    const names = await Promise.all(files.map((file) => resealed(ctx, file, key)))
    await ctx.db.transact(async (tx) => {
      for (const [index, { object, kid }] of blobs.entries()) {
        await replaceSecret(tx, object, kid!, { kid: key.kid, wrapped_secret: secrets[index]! })
      }
      for (const [index, { id, kid }] of files.entries()) {
        await replaceName(tx, id, kid, { kid: key.kid, sealed_name: names[index]! })
      }
    })
    done += blobs.length + files.length
    onProgress?.(Math.min(done, total), total)
  }
}

async function rewrapped(
  ctx: Deps,
  { object, kid, wrapped_secret }: BlobTable,
  key: DataKey,
): Promise<Buffer> {
  const old = await keyOf(ctx, kid!)
  return wrapObjectSecret(key.key, object, unwrapObjectSecret(old.key, object, wrapped_secret!))
}

async function resealed(ctx: Deps, { id, kid, sealed_name }: FileTable, key: DataKey): Promise<Buffer> {
  const old = await keyOf(ctx, kid)
  return sealMessage(key.key, openMessage(old.key, sealed_name, nameAad(id)), nameAad(id))
}

async function keyOf({ keyring }: Deps, kid: string): Promise<DataKey> {
  const key = await keyring.find(kid)
  if (!key) throw new Error(`the key ${kid} is missing`)
  return key
}
