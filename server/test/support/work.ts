import type { HandlerOptions, JobInfo } from '#jobs/jobs.ts'
import type { TestServer } from './server.ts'

declare module '#db/job-queue.ts' {
  interface JobPayloads {
    'test.work': { readonly name: string }
    'test.other': { readonly name: string }
  }
}

/** Work as a test sees it: it waits in the middle until the test lets it go on, or the server stops. */
export class Work {
  readonly name: string
  readonly info: JobInfo
  readonly #end = Promise.withResolvers<void>()

  constructor(name: string, info: JobInfo) {
    this.name = name
    this.info = info
    info.signal.addEventListener('abort', () => this.#end.reject(info.signal.reason))
  }

  get ended(): Promise<void> {
    return this.#end.promise
  }

  succeed(): void {
    this.#end.resolve()
  }

  fail(error: Error): void {
    this.#end.reject(error)
  }
}

/** Handles the jobs of tests on a server and hands each run to the test, in the order in which they began. */
export class Worksite {
  /** Every run that has begun. */
  readonly begun: Work[] = []
  readonly #waiting: ((work: Work) => void)[] = []
  #taken = 0

  constructor(server: TestServer, options: HandlerOptions = {}) {
    for (const type of ['test.work', 'test.other'] as const) {
      server.ctx.jobs.handle(
        type,
        ({ name }, info) => {
          const work = new Work(name, info)
          this.begun.push(work)
          this.#waiting.shift()?.(this.begun[this.#taken++]!)
          return work.ended
        },
        options,
      )
    }
  }

  /** The next run that was not handed out yet. */
  next(): Promise<Work> {
    if (this.#taken < this.begun.length) return Promise.resolve(this.begun[this.#taken++]!)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Calls `visit` with each run from now on. */
  each(visit: (work: Work) => void): void {
    void this.next().then((work) => {
      visit(work)
      this.each(visit)
    })
  }

  get names(): string[] {
    return this.begun.map(({ name }) => name)
  }
}
