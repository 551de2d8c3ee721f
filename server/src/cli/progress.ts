/** On a terminal the line changes in place; elsewhere lines are written, but not too many. */
const LINE_MS = 5000

/** Says what a long command is doing, on standard error. */
export class Progress implements Disposable {
  readonly #isTerminal = process.stderr.isTTY
  #shown = ''
  #nextLine = 0

  show(what: string): void {
    if (this.#isTerminal) {
      process.stderr.write(`\r\u001b[K${what}`)
      this.#shown = what
      return
    }
    const now = performance.now()
    if (now < this.#nextLine) return
    this.#nextLine = now + LINE_MS
    process.stderr.write(`${what}\n`)
  }

  /** Makes room for the result. */
  clear(): void {
    if (this.#shown !== '') process.stderr.write('\r\u001b[K')
    this.#shown = ''
  }

  [Symbol.dispose](): void {
    this.clear()
  }
}
