/** Too many callers are already waiting; nothing was started. */
export class QueueFullError extends Error {}

/** Lets at most `width` pieces of work run at once and at most `queue` more wait for their turn. */
export class Semaphore {
  readonly #width: number
  readonly #queue: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(width: number, queue: number) {
    this.#width = width
    this.#queue = queue
  }

  /** Runs `work` when there is room. @throws QueueFullError at once when too many wait */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#width) {
      if (this.#waiting.length >= this.#queue) throw new QueueFullError('too much work is waiting')
      await new Promise<void>((start) => this.#waiting.push(start))
    } else {
      this.#running++
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}
