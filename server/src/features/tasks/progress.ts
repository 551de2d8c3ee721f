import type { TaskProgress } from '#events/events.ts'

/** What a run tells is passed on at most this often. */
const INTERVAL_MS = 500

/** Passes on how far a run is: at once if nothing was for a while, else what holds a little later. */
export class ProgressReport {
  readonly #pass: (progress: TaskProgress) => Promise<void>
  #latest: TaskProgress | undefined
  #timer: NodeJS.Timeout | undefined
  #passing: Promise<void> = Promise.resolve()

  /** @param pass must not fail */
  constructor(pass: (progress: TaskProgress) => Promise<void>) {
    this.#pass = pass
  }

  note(progress: TaskProgress): void {
    this.#latest = progress
    if (!this.#timer) this.#flush()
  }

  #flush(): void {
    const progress = this.#latest
    this.#latest = undefined
    this.#timer = undefined
    if (!progress) return
    this.#passing = this.#passing.then(() => this.#pass(progress))
    this.#timer = setTimeout(() => this.#flush(), INTERVAL_MS).unref()
  }

  /** Ends the report: nothing is passed on after this. */
  async end(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#passing
  }
}
