import { constants } from 'node:fs'
import { access, mkdir, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { giveBack } from '#lib/give-back.ts'
import {
  dayOf,
  isObjectName,
  ObjectMissingError,
  StorageUnavailableError,
  type BlobStore,
  type StoredObject,
} from './blob-store.ts'
import { appendTo, closeFile, flushFile, openFile, readAt } from './file-io.ts'
import { FolderFlush } from './folder-flush.ts'
import { OpenFiles } from './open-files.ts'
import { SEALED_CHUNK } from './sealed.ts'

/** How much is read at a time: few trips to the disk, little memory for each reader, whole sealed chunks. */
const READ_BYTES = 4 * SEALED_CHUNK
const UNFINISHED = 'incoming'
/** How old what is known of the free space may be. */
const SPACE_MS = 1000

/**
 * Objects as files, `<folder>/<day>/<name>`. A file is written in `incoming/` under its name, flushed, and
 * moved to its place, whose folder is flushed as well: it is there completely or not at all.
 */
export class DiskStore implements BlobStore {
  readonly kind = 'disk'
  readonly #folder: string
  readonly #minFreeBytes: number
  readonly #flush = new FolderFlush()
  readonly #made = new Map<string, Promise<void>>()
  readonly #open = new OpenFiles()
  #space: { readonly free: Promise<number>; readonly at: number } | undefined

  /** @param options.minFreeBytes writes are refused when the disk would have less than this left */
  constructor(folder: string, options: { minFreeBytes: number }) {
    this.#folder = folder
    this.#minFreeBytes = options.minFreeBytes
  }

  async write(name: string, content: AsyncIterable<Uint8Array>, mayAppear?: Promise<unknown>): Promise<void> {
    try {
      await this.#demandSpace()
      await this.#make(this.#unfinished())
      await this.#make(this.#shard(name))
      const unfinished = join(this.#unfinished(), name)
      try {
        await writeFile(unfinished, content)
        await mayAppear
      } catch (error) {
        await unlink(unfinished).catch(() => {})
        throw error
      }
      await rename(unfinished, this.#file(name))
      await this.#flush.flush(this.#shard(name))
    } catch (error) {
      // A folder may have been removed, by whoever tidies up empty ones: the next write makes it again.
      if (codeOf(error) === 'ENOENT') this.#made.clear()
      throw asUnavailable(error)
    }
  }

  async *read(name: string, start: number, length: number): AsyncGenerator<Uint8Array> {
    const borrowed = await this.#borrow(name)
    const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, length))
    try {
      let position = start
      const end = start + length
      while (position < end) {
        const bytesRead = await readAt(
          borrowed.file,
          buffer,
          Math.min(buffer.length, end - position),
          position,
        )
        if (bytesRead === 0) return
        position += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    } catch (error) {
      throw asUnavailable(error)
    } finally {
      giveBack(buffer.buffer)
      borrowed.release()
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
    this.#open.forget(this.#file(name))
    for (const file of [this.#file(name), join(this.#unfinished(), name)]) {
      try {
        await unlink(file)
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw asUnavailable(error)
      }
    }
  }

  async discardUnfinished(before: number, { dryRun }: { dryRun: boolean }): Promise<number> {
    let bytes = 0
    for (const name of await namesIn(this.#unfinished())) {
      const file = join(this.#unfinished(), name)
      const found = await stat(file).catch(() => undefined)
      if (!found?.isFile() || !isObjectName(name) || found.mtimeMs > before) continue
      if (!dryRun) await this.delete(name)
      bytes += found.size
    }
    return bytes
  }

  async *list(): AsyncGenerator<StoredObject> {
    for (const shard of await namesIn(this.#folder)) {
      if (!/^[0-9a-f]{4}$/.test(shard)) continue
      for (const name of await namesIn(join(this.#folder, shard))) {
        const object = isObjectName(name) && dayOf(name) === shard ? await this.stat(name) : undefined
        if (object) yield object
      }
    }
  }

  async ping(): Promise<void> {
    try {
      await this.#make(this.#folder)
      await access(this.#folder, constants.R_OK | constants.W_OK)
      await this.#demandSpace()
    } catch (error) {
      throw asUnavailable(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open.clear()
    await this.#flush.settled()
  }

  async #borrow(name: string): ReturnType<OpenFiles['borrow']> {
    try {
      return await this.#open.borrow(this.#file(name))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw new ObjectMissingError(name, { cause: error })
      throw asUnavailable(error)
    }
  }

  async #demandSpace(): Promise<void> {
    await this.#make(this.#folder)
    const now = Date.now()
    if (!this.#space || now - this.#space.at > SPACE_MS) {
      const free = statfs(this.#folder).then(({ bavail, bsize }) => bavail * bsize)
      this.#space = { free, at: now }
    }
    if ((await this.#space.free) < this.#minFreeBytes) {
      throw new StorageUnavailableError('the disk is nearly full')
    }
  }

  /** Makes a folder once, and waits until its name is on the disk. */
  #make(folder: string): Promise<void> {
    let made = this.#made.get(folder)
    if (!made) {
      made = mkdir(folder, { recursive: true, mode: 0o700 }).then(() =>
        // What is above all of it may be a folder that we may not read.
        this.#flush.flush(dirname(folder)).catch((error: unknown) => {
          if (folder !== this.#folder) throw error
        }),
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
    return join(this.#folder, dayOf(name))
  }

  #file(name: string): string {
    // Names come from our own rows; one that is none must not become a path.
    if (!isObjectName(name)) throw new ObjectMissingError('of an impossible name')
    return join(this.#shard(name), name)
  }
}

/** Resolves when all of it is on the disk. */
async function writeFile(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await openFile(path, 'wx', 0o600)
  try {
    for await (const piece of content) await appendTo(file, piece)
    await flushFile(file)
  } finally {
    // It is on the disk, or of no use: nobody needs to wait.
    closeFile(file).catch(() => {})
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
