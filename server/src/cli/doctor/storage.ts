import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#config/schema.ts'
import { newObjectName, StorageUnavailableError, type BlobStore } from '#storage/blob-store.ts'
import { Stores } from '#storage/stores.ts'
import { fail, ok, reasonOf, type Check } from './check.ts'

const PATIENCE_MS = 20_000
const MIB = 1024 * 1024
const PROBE = Buffer.from('written by pufferblow doctor')

/** Whether files can be stored, read and removed, wherever they are kept. Leaves nothing behind. */
export async function checkStorage(config: Config): Promise<Check[]> {
  let stores: Stores
  try {
    stores = await Stores.open(config)
  } catch (error) {
    return [fail('files', reasonOf(error), 'correct the section [storage] of the configuration')]
  }
  await using open = stores
  const bucket = open.all.find(({ kind }) => kind === 's3')
  return [checkFilesFolder(config), ...(bucket ? [await checkBucket(bucket, config)] : [])]
}

/** Makes no folder: it would be this user's, and the server may be another. */
function checkFilesFolder({ data_dir, storage }: Config): Check {
  const name = 'files on disk'
  const folder = join(data_dir, 'files')
  if (!existsSync(folder)) return ok(name, `${folder} does not exist yet; it is made when it is needed`)
  const probe = join(folder, `.doctor-${randomUUID()}`)
  try {
    const { bavail, bsize } = statfsSync(folder)
    const freeMb = Math.floor((bavail * bsize) / MIB)
    if (freeMb < storage.min_free_mb) {
      const found = `${freeMb} MB are free, and files are refused below ${storage.min_free_mb} MB`
      return fail(name, found, 'make room, move files with: pufferblow storage migrate --to s3')
    }
    writeFileSync(probe, PROBE, { flag: 'wx', mode: 0o600, flush: true })
    const isSame = readFileSync(probe).equals(PROBE)
    unlinkSync(probe)
    if (!isSame) return fail(name, `${folder} gives back something else than was written`, 'check the disk')
    return ok(name, `${folder} can be written, ${freeMb} MB are free`)
  } catch (error) {
    const found = `${folder} cannot be used (${(error as NodeJS.ErrnoException).code})`
    return fail(name, found, 'run as the user who owns it, or give it to this user with chown')
  }
}

async function checkBucket(store: BlobStore, { storage }: Config): Promise<Check> {
  const name = 'files in S3'
  const where = `the bucket ${storage.s3_bucket}`
  try {
    await inTime(tryOut(store))
    return ok(name, `${where} takes an object, gives it back and removes it`)
  } catch (error) {
    return fail(
      name,
      `${where} does not work: ${reasonOf(error)}`,
      'correct storage.s3_* (address, bucket, keys); the keys must be allowed to list, get, put and delete',
    )
  }
}

/** Stores, reads, lists and removes a small object. */
async function tryOut(store: BlobStore): Promise<void> {
  await store.ping()
  const probe = newObjectName()
  try {
    await store.write(probe, one(PROBE))
    const pieces: Buffer[] = []
    for await (const piece of store.read(probe, 0, PROBE.length)) pieces.push(Buffer.from(piece))
    if (!Buffer.concat(pieces).equals(PROBE)) throw new Error('it gives back something else than was stored')
    for await (const _object of store.list()) break
    await store.delete(probe)
    if (await store.stat(probe)) throw new Error('what was removed is still there')
  } catch (error) {
    await store.delete(probe).catch(() => {})
    throw error
  }
}

async function* one(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const error = new StorageUnavailableError(`no answer within ${PATIENCE_MS / 1000} s`)
    timer = setTimeout(() => reject(error), PATIENCE_MS)
  })
  work.catch(() => {})
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
