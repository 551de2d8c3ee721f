const WORDS = 8
/** How far behind the newest a packet may come. */
const SIZE = WORDS * 32

/**
 * Remembers which packet indices were seen (RFC 3711 section 3.3.2): each index counts once, and one that is too old
 * to be known counts never.
 */
export class ReplayWindow {
  readonly #bits = new Uint32Array(WORDS)
  #highest = -1

  /** The highest index seen, -1 before the first. */
  get highest(): number {
    return this.#highest
  }

  /** Whether `index` could still be taken. */
  isNew(index: number): boolean {
    if (index > this.#highest) return true
    if (index <= this.#highest - SIZE) return false
    return (this.#bits[wordOf(index)]! & bitOf(index)) === 0
  }

  /** Takes note of an index whose packet proved authentic. */
  take(index: number): void {
    if (index > this.#highest) {
      const steps = index - this.#highest
      if (steps >= SIZE) this.#bits.fill(0)
      else for (let gone = this.#highest + 1; gone <= index; gone++) this.#bits[wordOf(gone)]! &= ~bitOf(gone)
      this.#highest = index
    }
    this.#bits[wordOf(index)]! |= bitOf(index)
  }
}

function wordOf(index: number): number {
  return Math.floor(index / 32) % WORDS
}

function bitOf(index: number): number {
  return 1 << (index % 32)
}
