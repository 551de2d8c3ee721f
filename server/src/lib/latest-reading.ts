/** Numbers readings of something that changes: of those that overlap, what the one begun last has read stays. */
export class LatestReading {
  #begun = 0
  #taken = 0

  /**
   * Reads, and hands what was read to `keep` unless a reading that began later was done first. Either way, what is kept
   * when the promise resolves is no older than the call.
   */
  async take<T>(read: () => Promise<T>, keep: (value: T) => void): Promise<void> {
    const number = ++this.#begun
    const value = await read()
    if (number < this.#taken) return
    this.#taken = number
    keep(value)
  }
}
