import { open } from 'node:fs/promises'

/** Work on one folder: what runs, and what waits for the next run. */
interface Turn {
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
    if (!turn) return this.#begin(folder, { running: Promise.resolve(), next: undefined })
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
    turn.running = flushFolder(folder).finally(() => {
      if (turn.next === undefined) this.#turns.delete(folder)
    })
    return turn.running
  }
}

async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
