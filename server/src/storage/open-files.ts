import { closeFile, openFile } from './file-io.ts'

const LIMIT = 64
const IDLE_MS = 30_000

interface OpenFile {
  readonly file: Promise<number>
  users: number
  /** Nobody finds it any more: the last user closes it. */
  isForgotten: boolean
  usedAt: number
}

/** Files that were read lately, still open: their content never changes, and opening one costs as much as reading it. */
export class OpenFiles {
  readonly #files = new Map<string, OpenFile>()
  #timer: NodeJS.Timeout | undefined

  /** Lends an open file, until it is released. @throws what opening it throws */
  async borrow(path: string): Promise<{ file: number; release: () => void }> {
    const known = this.#files.get(path) ?? this.#open(path)
    known.users++
    known.usedAt = Date.now()
    // The one that was not asked for the longest comes first.
    this.#files.delete(path)
    this.#files.set(path, known)
    const release = (): void => {
      known.users--
      if (known.users === 0 && known.isForgotten) close(known)
    }
    try {
      return { file: await known.file, release }
    } catch (error) {
      if (this.#files.get(path) === known) this.#files.delete(path)
      throw error
    }
  }

  /** Has nothing to do with a file any more: it is being removed. */
  forget(path: string): void {
    const known = this.#files.get(path)
    if (!known) return
    this.#files.delete(path)
    known.isForgotten = true
    if (known.users === 0) close(known)
  }

  clear(): void {
    for (const path of this.#files.keys()) this.forget(path)
  }

  #open(path: string): OpenFile {
    for (const [oldest] of this.#files) {
      if (this.#files.size < LIMIT) break
      this.forget(oldest)
    }
    this.#timer ??= setInterval(() => this.#closeIdle(), IDLE_MS).unref()
    return { file: openFile(path, 'r'), users: 0, isForgotten: false, usedAt: 0 }
  }

  /** A file that another process removed keeps its space until it is closed here. */
  #closeIdle(): void {
    const before = Date.now() - IDLE_MS
    for (const [path, { usedAt, users }] of this.#files) if (users === 0 && usedAt < before) this.forget(path)
    if (this.#files.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

function close({ file }: OpenFile): void {
  file.then(closeFile).catch(() => {})
}
