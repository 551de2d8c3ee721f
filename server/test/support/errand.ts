import type { Context } from '#context'

interface Run {
  readonly signal: AbortSignal
  progress(done: number, total?: number, note?: string): void
}

/** One run of an errand, which goes on until the test ends it or the server stops. */
export class ErrandRun {
  readonly progress: Run['progress']
  readonly #end = Promise.withResolvers<Record<string, number>>()

  constructor({ signal, progress }: Run) {
    this.progress = progress
    signal.addEventListener('abort', () => this.#end.reject(signal.reason))
  }

  get ended(): Promise<Record<string, number>> {
    return this.#end.promise
  }

  succeed(result: Record<string, number> = {}): void {
    this.#end.resolve(result)
  }

  fail(message: string): void {
    this.#end.reject(new Error(message))
  }
}

/** A background task that a test gives a server: `prepare: errand.register`. It is due at noon, UTC. */
export class Errand {
  readonly id = 'errand'
  /** Every run that has begun. */
  readonly begun: ErrandRun[] = []
  readonly #waiting: ((run: ErrandRun) => void)[] = []
  #taken = 0

  readonly register = (ctx: Context): void => {
    ctx.tasks.register({
      id: this.id,
      name: 'Errand',
      description: 'What a test wants done.',
      schedule: '0 12 * * *',
      scheduleLabel: 'Every noon',
      run: (run) => {
        const one = new ErrandRun(run)
        this.begun.push(one)
        this.#waiting.shift()?.(this.begun[this.#taken++]!)
        return one.ended
      },
    })
  }

  /** The next run that was not handed out yet. */
  next(): Promise<ErrandRun> {
    if (this.#taken < this.begun.length) return Promise.resolve(this.begun[this.#taken++]!)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
