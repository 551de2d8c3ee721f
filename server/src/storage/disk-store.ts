import { constants } from 'node:fs'
import { access, mkdir, open, readdir, rename, stat, statfs, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAll } from '#lib/write-all.ts'
import { FolderFlush } from './folder-flush.ts'
import {
  isObjectName,
  ObjectMissingError,
  StorageUnavailableError,
  type BlobStore,
  type StoredObject,
} from './blob-store.ts'
import { SEALED_CHUNK } from './sealed.ts'

/** How much is read at a time: few trips to the disk, little memory for each reader, whole sealed chunks. */
const READ_BYTES = 4 * SEALED_CHUNK
const UNFINISHED = 'incoming'

/**
 * Objects as files, `<folder>/<first two digits>/<name>`. A file is written in `incoming/` under its name, flushed, and
 * moved to its place, whose folder is flushed as well: it is there completely or not at all.
 */
export class DiskStore implements BlobStore {
  readonly kind = 'disk'
  readonly #folder: string
  readonly #minFreeBytes: number
  readonly #flush = new FolderFlush()
  readonly #made = new Map<string, Promise<void>>()

  /** @param options.minFreeBytes writes are refused when the disk would have less than this left */
  constructor(folder: string, options: { minFreeBytes: number }) {
    this.#folder = folder
    this.#minFreeBytes = options.minFreeBytes
  }

  async write(name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      await this.#demandSpace()
      await this.#make(this.#unfinished())
      await this.#make(this.#shard(name))
      const unfinished = join(this.#unfinished(), name)
      try {
        await writeFile(unfinished, content)
      } catch (error) {
        await unlink(unfinished).catch(() => {})
        throw error
      }
      await rename(unfinished, this.#file(name))
      await this.#flush.flush(this.#shard(name))
    } catch (error) {
      throw asUnavailable(error)
    }
  }

  async *read(name: string, start: number, length: number): AsyncGenerator<Uint8Array> {
    const handle = await this.#open(name)
    try {
      let position = start
      const end = start + length
      const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, length))
      while (position < end) {
        const wanted = Math.min(buffer.length, end - position)
        const { bytesRead } = await handle.read(buffer, 0, wanted, position)
        if (bytesRead === 0) return
        position += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    } catch (error) {
      throw asUnavailable(error)
    } finally {
      await handle.close()
    }
  }

  async stat(name: string): Promise<StoredObject | undefined> {
    try {
      const { size, mtimeMs } = await stat(this.#file(name))
      return { name, size, modifiedAt: mtimeMs }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw asUnavailable(error)
    }
  }

  async delete(name: string): Promise<void> {
    for (const file of [this.#file(name), join(this.#unfinished(), name)]) {
      try {
        await unlink(file)
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw asUnavailable(error)
      }
    }
  }

  async *list(): AsyncGenerator<StoredObject> {
    for (const shard of await namesIn(this.#folder)) {
      if (!/^[0-9a-f]{2}$/.test(shard)) continue
      for (const name of await namesIn(join(this.#folder, shard))) {
        const object = isObjectName(name) && name.startsWith(shard) ? await this.stat(name) : undefined
        if (object) yield object
      }
    }
  }

  async ping(): Promise<void> {
    try {
      await this.#make(this.#folder)
      await access(this.#folder, constants.R_OK | constants.W_OK)
    } catch (error) {
      throw asUnavailable(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flush.settled()
  }

  async #open(name: string): Promise<FileHandle> {
    try {
      return await open(this.#file(name), 'r')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw new ObjectMissingError(name, { cause: error })
      throw asUnavailable(error)
    }
  }

  async #demandSpace(): Promise<void> {
    await this.#make(this.#folder)
    const { bavail, bsize } = await statfs(this.#folder)
    if (bavail * bsize < this.#minFreeBytes) throw new StorageUnavailableError('the disk is nearly full')
  }

  /** Makes a folder once, and waits until its name is on the disk. */
  #make(folder: string): Promise<void> {
    let made = this.#made.get(folder)
    if (!made) {
      made = mkdir(folder, { recursive: true, mode: 0o700 }).then(() =>
        folder === this.#folder ? undefined : this.#flush.flush(this.#folder),
      )
      this.#made.set(folder, made)
      made.catch(() => this.#made.delete(folder))
    }
    return made
  }

  #unfinished(): string {
    return join(this.#folder, UNFINISHED)
  }

  #shard(name: string): string {
    return join(this.#folder, name.slice(0, 2))
  }

  #file(name: string): string {
    // Names come from our own rows; one that is none must not become a path.
    if (!isObjectName(name)) throw new ObjectMissingError('of an impossible name')
    return join(this.#shard(name), name)
  }
}

/** Resolves when all of it is on the disk. */
async function writeFile(file: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    for await (const piece of content) await writeAll(handle, piece)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw asUnavailable(error)
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code
}

/** Trouble with the disk as one error; what came from elsewhere stays what it is. */
function asUnavailable(error: unknown): unknown {
  const { code, syscall } = (error ?? {}) as { code?: string; syscall?: string }
  if (code === undefined || syscall === undefined) return error
  return new StorageUnavailableError(`the files folder cannot be used (${code})`, { cause: error })
}
