import type { Context } from '#context'
import type { DomainEvent, StatusSource } from '#events/events.ts'
import { arrive, depart } from '#features/accounts/index.ts'

type StatusChanged = Extract<DomainEvent, { type: 'user.status_changed' }>

/** Changes of presence are shown at most this often … */
const FLUSH_MS = 100
/** … and less often when there are many sockets to tell: frames of presence in a second. */
const FRAMES_PER_SECOND = 20_000

/**
 * Presence: turns first and last sockets into statuses, after a grace time for those who come right back, and
 * tells others about changes in batches, so that a reconnecting crowd does not drown what people say.
 */
export class Presence implements Disposable {
  readonly #ctx: Pick<Context, 'db' | 'clock' | 'config' | 'log' | 'eventLog'>
  readonly #show: (change: StatusChanged) => Promise<void>
  readonly #leaving = new Map<string, NodeJS.Timeout>()
  readonly #changed = new Map<string, StatusChanged>()
  /** What is being stored of each person: a quick leaving must not be overtaken by the arriving before it. */
  readonly #turns = new Map<string, Promise<void>>()
  #flush: NodeJS.Timeout | undefined

  /** @param show tells sockets about a change */
  constructor(
    ctx: Pick<Context, 'db' | 'clock' | 'config' | 'log' | 'eventLog'>,
    show: (change: StatusChanged) => Promise<void>,
  ) {
    this.#ctx = ctx
    this.#show = show
  }

  /** The first socket of somebody opened. */
  arrived(userId: string, source: StatusSource): void {
    const leaving = this.#leaving.get(userId)
    if (leaving) {
      clearTimeout(leaving)
      this.#leaving.delete(userId)
      return
    }
    this.#inTurn(userId, source)
  }

  /** The last socket of somebody closed. */
  left(userId: string): void {
    clearTimeout(this.#leaving.get(userId))
    const timer = setTimeout(() => {
      this.#leaving.delete(userId)
      this.#inTurn(userId, 'ws_disconnect')
    }, this.#ctx.config.gateway.presence_grace_seconds * 1000)
    timer.unref()
    this.#leaving.set(userId, timer)
  }

  /** Takes note of a change to be shown. @param sockets how many there are to tell */
  announce(event: StatusChanged, sockets: number): void {
    this.#changed.set(event.userId, event)
    if (this.#flush) return
    const frames = this.#changed.size * sockets
    this.#flush = setTimeout(() => this.#showAll(), Math.max(FLUSH_MS, (frames / FRAMES_PER_SECOND) * 1000))
    this.#flush.unref()
  }

  #showAll(): void {
    this.#flush = undefined
    const changes = [...this.#changed.values()]
    this.#changed.clear()
    for (const change of changes) {
      this.#show(change).catch((error: unknown) =>
        this.#ctx.log.warn({ err: error, user_id: change.userId }, 'presence could not be shown'),
      )
    }
  }

  #inTurn(userId: string, source: StatusSource): void {
    const before = this.#turns.get(userId) ?? Promise.resolve()
    const turn = before
      .then(() => this.#update(userId, source))
      .finally(() => {
        if (this.#turns.get(userId) === turn) this.#turns.delete(userId)
      })
    this.#turns.set(userId, turn)
  }

  async #update(userId: string, source: StatusSource): Promise<void> {
    try {
      if (source === 'ws_disconnect') await depart(this.#ctx, userId)
      else await arrive(this.#ctx, userId, source)
    } catch (error) {
      // The next connect or disconnect sets it right.
      this.#ctx.log.warn({ err: error, user_id: userId }, 'presence could not be stored')
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#flush)
    for (const timer of this.#leaving.values()) clearTimeout(timer)
    this.#leaving.clear()
  }
}
