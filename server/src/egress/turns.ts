import { QueueFullError, Semaphore } from '#lib/semaphore.ts'
import { EgressFailedError } from './errors.ts'

const PER_HOST = 2
const WAITING_PER_HOST = 64
const IN_TOTAL = 64
const WAITING_IN_TOTAL = 2000

/** Lets few requests go to one host at a time, so that a slow one holds up nobody but itself. */
export class Turns {
  readonly #total = new Semaphore(IN_TOTAL, WAITING_IN_TOTAL)
  readonly #hosts = new Map<string, { readonly semaphore: Semaphore; users: number }>()

  /** @throws EgressFailedError when too many wait; what `signal` was aborted with */
  async take<T>(host: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const slot = this.#hosts.get(host) ?? { semaphore: new Semaphore(PER_HOST, WAITING_PER_HOST), users: 0 }
    this.#hosts.set(host, slot)
    slot.users++
    const begin = async (): Promise<T> => {
      signal.throwIfAborted()
      return work()
    }
    const run = slot.semaphore
      .run(() => this.#total.run(begin))
      .finally(() => {
        if (--slot.users === 0) this.#hosts.delete(host)
      })
    try {
      return await unlessAborted(run, signal)
    } catch (cause) {
      if (cause instanceof QueueFullError)
        throw new EgressFailedError('too many requests are waiting', { cause })
      throw cause
    }
  }
}

/** Like `promise`, but gives up as soon as `signal` is aborted. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
