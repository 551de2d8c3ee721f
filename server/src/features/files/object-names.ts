import type { Database } from '#db/database.ts'
import type { Clock } from '#lib/clock.ts'
import { newObjectName } from '#storage/blob-store.ts'

/** A name for an object that is about to be written. */
export interface TakenName {
  readonly object: string
  /** Resolves when `loose_object` has it: before that, the object must not be there. */
  readonly noted: Promise<void>
}

interface Batch {
  readonly store: string
  readonly names: string[]
  readonly noted: Promise<void>
  readonly size: number
  readonly at: number
}

interface Parts {
  readonly db: Database
  readonly clock: Clock
  readonly writer: string
}

const MAX_BATCH = 64
/** Batches that are used up faster than this are followed by larger ones. */
const BUSY_MS = 1000
/** Names that nobody took for so long are given up. */
const IDLE_MS = 200
/** As far as timers cannot tell, because the machine slept, say. */
const FRESH_MS = 60_000

/**
 * Names of new objects, written down in `loose_object` before they are used, so that whatever becomes of them there is
 * a list of what must be removed. Where many files come at once, one transaction writes down names for many; where few
 * do, each has its own.
 */
export class ObjectNames {
  readonly #parts: Parts
  #batch: Batch | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  take(store: string): TakenName {
    const now = this.#parts.clock()
    const before = this.#batch
    const isFresh = before?.store === store && Math.abs(now - before.at) < FRESH_MS
    if (before && !isFresh) this.#giveUp(before)
    let batch = isFresh && before.names.length > 0 ? before : undefined
    if (!batch) {
      const isBusy = isFresh && now - before.at < BUSY_MS
      batch = this.#note(store, isBusy ? Math.min(MAX_BATCH, 2 * before.size) : 1)
    }
    if (batch.names.length > 1) this.#expectMore()
    return { object: batch.names.pop()!, noted: batch.noted }
  }

  #note(store: string, size: number): Batch {
    const { db, clock, writer } = this.#parts
    const at = clock()
    const names = Array.from({ length: size }, () => newObjectName(at))
    const rows = names.map((object) => ({ object, store, writer, since: at }))
    const noted = db.transact(async (tx) => tx.later(tx.insertInto('loose_object').values(rows)))
    const batch = { store, names, noted, size, at }
    // Whoever has a name of it is told; the others must not be used.
    noted.catch(() => {
      if (this.#batch === batch) this.#batch = undefined
    })
    this.#batch = batch
    return batch
  }

  #expectMore(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.#batch) this.#giveUp(this.#batch)
    }, IDLE_MS).unref()
    this.#timer.refresh()
  }

  #giveUp({ names, noted }: Batch): void {
    const { db, writer } = this.#parts
    this.#batch = undefined
    if (names.length === 0) return
    noted
      .then(() =>
        db.transact(async (tx) =>
          tx.later(tx.deleteFrom('loose_object').where('object', 'in', names).where('writer', '=', writer)),
        ),
      )
      // They stay on the list until this process starts again, and there is nothing behind them.
      .catch(() => {})
  }
}
