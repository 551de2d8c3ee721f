import type { Outcome } from './outcome.ts'

/** Tells whoever waits in this process what came of a delivery. */
export class Outcomes {
  readonly #waiting = new Map<string, (outcome: Outcome) => void>()

  /** The first outcome of a delivery; undefined when none is known in time. To be asked before its commit. */
  of(deliveryId: string, timeoutMs: number): Promise<Outcome | undefined> {
    return new Promise((resolve) => {
      const finish = (outcome?: Outcome): void => {
        clearTimeout(timer)
        this.#waiting.delete(deliveryId)
        resolve(outcome)
      }
      const timer = setTimeout(finish, timeoutMs)
      this.#waiting.set(deliveryId, finish)
    })
  }

  tell(deliveryId: string, outcome: Outcome): void {
    this.#waiting.get(deliveryId)?.(outcome)
  }
}
