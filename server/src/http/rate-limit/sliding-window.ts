/**
 * Into how many slots a window is divided. A request is counted for at least the window, and at most for one slot
 * more: the answer is that of an exact log whose window is between 1 and 1 + 1/120 times as long.
 */
export const SLOTS = 120

/**
 * Counts what happened within the last `windowMs` milliseconds.
 *
 * Time is cut into slots of a 120th of the window, and only slots in which something happened are kept, with their
 * counts. A slot is forgotten as a whole when its end has left the window, so that never more than the limit is let
 * through in any window, wherever it begins.
 */
export class SlidingWindow {
  readonly windowMs: number
  readonly #slotMs: number
  /** Numbers of slots, ascending, and what happened in each. What is before `#head` has left the window. */
  #slots: number[] = []
  #counts: number[] = []
  #head = 0
  #total = 0

  constructor(windowMs: number) {
    this.windowMs = windowMs
    this.#slotMs = windowMs / SLOTS
  }

  /** How much was counted when it was last asked for, or added to. */
  get total(): number {
    return this.#total
  }

  /** How much is counted at `now`. */
  used(now: number): number {
    this.#forgetFuture(now)
    const oldest = this.#slotAt(now) - SLOTS
    while (this.#head < this.#slots.length && this.#isOver(this.#head, oldest)) {
      this.#total -= this.#counts[this.#head++]!
    }
    if (this.#head > SLOTS / 2 || this.#head === this.#slots.length) this.#compact()
    return this.#total
  }

  /** Counts one at `now`. */
  add(now: number): void {
    const slot = this.#slotAt(now)
    this.#total++
    const last = this.#slots.length - 1
    if (this.#slots[last] === slot) {
      this.#counts[last]!++
      return
    }
    this.#slots.push(slot)
    this.#counts.push(1)
  }

  /** Takes back one that was counted at `at`, if it is still counted. */
  remove(at: number): void {
    const index = this.#slots.indexOf(Math.floor(at / this.#slotMs), this.#head)
    if (index === -1 || this.#counts[index] === 0) return
    this.#counts[index]!--
    this.#total--
  }

  /** When less than `limit` will be counted, if nothing is added; the past if that is so already. */
  freeAt(limit: number): number {
    let rest = this.#total
    let at = 0
    for (let index = this.#head; index < this.#slots.length && rest >= limit; index++) {
      rest -= this.#counts[index]!
      at = this.#leavesAt(this.#slots[index]!)
    }
    return at
  }

  /** When the oldest of what is counted leaves the window; the past if nothing is counted. */
  oldestLeavesAt(): number {
    return this.#head < this.#slots.length ? this.#leavesAt(this.#slots[this.#head]!) : 0
  }

  #isOver(index: number, oldest: number): boolean {
    return this.#slots[index]! < oldest || this.#counts[index] === 0
  }

  #leavesAt(slot: number): number {
    return Math.ceil((slot + SLOTS + 1) * this.#slotMs)
  }

  /** A clock that was set back by more than a window begins afresh: else nothing would leave for as long. */
  #forgetFuture(now: number): void {
    const newest = this.#slots[this.#slots.length - 1]
    if (newest === undefined || newest - Math.floor(now / this.#slotMs) <= SLOTS) return
    this.#slots = []
    this.#counts = []
    this.#head = 0
    this.#total = 0
  }

  /** A clock that was set back by less counts in the newest slot there is. */
  #slotAt(now: number): number {
    return Math.max(Math.floor(now / this.#slotMs), this.#slots[this.#slots.length - 1] ?? 0)
  }

  #compact(): void {
    if (this.#head === 0) return
    this.#slots = this.#slots.slice(this.#head)
    this.#counts = this.#counts.slice(this.#head)
    this.#head = 0
  }
}
