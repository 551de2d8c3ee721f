import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '#lib/clock.ts'
import type { BlobStore } from './blob-store.ts'

/** How old an answer may be: whoever asks how a server is must not become a load for its store. */
const FRESH_MS = 5_000
/** A store that does not answer by then is taken for away. */
const PATIENCE_MS = 2_000

/** Whether a store serves, as it was found a moment ago. */
export class StoreHealth {
  readonly #store: Pick<BlobStore, 'ping'>
  readonly #clock: Clock
  #known: { readonly works: Promise<boolean>; readonly at: number } | undefined

  constructor(store: Pick<BlobStore, 'ping'>, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Answers within two seconds. */
  works(): Promise<boolean> {
    const now = this.#clock()
    if (!this.#known || Math.abs(now - this.#known.at) > FRESH_MS) {
      this.#known = { works: this.#look(), at: now }
    }
    return this.#known.works
  }

  async #look(): Promise<boolean> {
    const answers = this.#store.ping().then(
      () => true,
      () => false,
    )
    return Promise.race([answers, sleep(PATIENCE_MS, false, { ref: false })])
  }
}
