import type { DomainEvent, Position } from './events.ts'

/** An event on its way to listeners; logged events carry the position that orders them. */
export interface Published {
  readonly event: DomainEvent
  readonly position?: Position
  /** Set when another process of this server caused it. */
  readonly remote?: true
}

export type Listener = (published: Published) => void

/**
 * Carries events from the transaction that committed them to whoever listens in this process, in order and
 * at once: when `publish` returns, every listener has acted.
 */
export class Bus {
  readonly #listeners = new Set<Listener>()
  readonly #onError: (error: unknown) => void

  /** @param onError told of a listener that threw; the others are still called */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  /** @returns a function that ends the subscription */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  publish(published: Published): void {
    for (const listener of this.#listeners) {
      try {
        listener(published)
      } catch (error) {
        this.#onError(error)
      }
    }
  }
}
