import type { Context } from '#context'
import { LatestReading } from '#lib/latest-reading.ts'
import { readInterest } from './subscription-store.ts'

type Interest = Awaited<ReturnType<typeof readInterest>>

/**
 * Whether a message may be one to push, told without asking the database: on a server where nobody has subscribed, sending
 * costs nothing.
 */
export class PushInterest implements Disposable {
  readonly #db: Context['db']
  readonly #unsubscribe: () => void
  readonly #readings = new LatestReading()
  #known: Interest

  private constructor({ db, bus, log }: Pick<Context, 'db' | 'bus' | 'log'>, known: Interest) {
    this.#db = db
    this.#known = known
    this.#unsubscribe = bus.subscribe(({ event }) => {
      const { type } = event
      if (
        type !== 'push.subscribed' &&
        type !== 'notification.preferences_changed' &&
        type !== 'events.missed'
      )
        return
      // While the database is away too, the next such event tries again.
      this.reload().catch((error: unknown) => log.warn({ err: error }, 'who is pushed to could not be read'))
    })
  }

  static async open(ctx: Pick<Context, 'db' | 'bus' | 'log'>): Promise<PushInterest> {
    return new PushInterest(ctx, await readInterest(ctx.db.read))
  }

  /** Whether somebody could be reached by a message that concerns them. */
  get isAny(): boolean {
    return this.#known.anybody
  }

  /** Whether somebody could be reached by a message that concerns nobody in particular. */
  wantsAll(channelId: string): boolean {
    return this.#known.everywhere || this.#known.channels.has(channelId)
  }

  async reload(): Promise<void> {
    await this.#readings.take(
      () => readInterest(this.#db.read),
      (read) => {
        this.#known = read
      },
    )
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }
}
