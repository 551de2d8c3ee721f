interface Entry<V> {
  value: V
  /** Asked for since the hand last passed by. */
  used: boolean
  readonly place: number
}

/**
 * A map that holds at most `limit` entries and forgets one that was not asked for lately.
 *
 * Which one is found by the CLOCK algorithm (Corbató 1968): a hand goes round the entries and spares those that
 * were used since it last passed by. Nearly as good as forgetting the least recently used, and asking for an entry
 * costs no reordering.
 */
export class Lru<K, V> {
  readonly #limit: number
  readonly #entries = new Map<K, Entry<V>>()
  /** Keys by their place on the clock; a deleted one leaves a gap that the hand fills. */
  readonly #clock: (K | undefined)[] = []
  #hand = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    entry.used = true
    return entry.value
  }

  set(key: K, value: V): void {
    const known = this.#entries.get(key)
    if (known) {
      known.value = value
      known.used = true
      return
    }
    const place = this.#clock.length < this.#limit ? this.#clock.length : this.#vacate()
    this.#clock[place] = key
    this.#entries.set(key, { value, used: false, place })
  }

  delete(key: K): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#clock[entry.place] = undefined
  }

  clear(): void {
    this.#entries.clear()
    this.#clock.length = 0
    this.#hand = 0
  }

  *values(): IterableIterator<V> {
    for (const { value } of this.#entries.values()) yield value
  }

  /** Makes a place free, at the latest in the second round. */
  #vacate(): number {
    for (;;) {
      const place = this.#hand
      this.#hand = (place + 1) % this.#limit
      const key = this.#clock[place]
      const entry = key === undefined ? undefined : this.#entries.get(key)
      if (entry?.used) {
        entry.used = false
        continue
      }
      if (entry) this.#entries.delete(key!)
      return place
    }
  }
}
