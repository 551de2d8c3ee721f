import { closeFile, flushFile, openFile } from './file-io.ts'

/** Work on one folder: what runs, and what waits for the next run. */
interface Turn {
  /** Open for as long as one run follows the other. */
  readonly file: Promise<number>
  running: Promise<void>
  next: Promise<void> | undefined
}

/**
 * Flushes folders, so that names of files in them survive a power cut. Who asks while a flush of the same folder runs
 * shares the next one: one flush serves everybody whose file was there when it began.
 */
export class FolderFlush {
  readonly #turns = new Map<string, Turn>()

  /** Resolves when everything that is in `folder` now is on the disk. */
  flush(folder: string): Promise<void> {
    const turn = this.#turns.get(folder)
    if (!turn) {
      const file = openFile(folder, 'r')
      return this.#begin(folder, { file, running: Promise.resolve(), next: undefined })
    }
    turn.next ??= turn.running.then(
      () => this.#begin(folder, turn),
      () => this.#begin(folder, turn),
    )
    return turn.next
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#turns.values()].map(({ running, next }) => next ?? running))
  }

  #begin(folder: string, turn: Turn): Promise<void> {
    turn.next = undefined
    this.#turns.set(folder, turn)
    turn.running = turn.file.then(flushFile).finally(() => {
      if (turn.next !== undefined) return
      this.#turns.delete(folder)
      turn.file.then(closeFile).catch(() => {})
    })
    return turn.running
  }
}
