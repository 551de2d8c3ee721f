import { Progress } from './progress.ts'

const WIDTH = 30

/** Shows how far something is: as a bar on a terminal, as plain lines everywhere else. */
export class ProgressBar implements Disposable {
  readonly #label: string
  readonly #format: (amount: number) => string
  readonly #progress = new Progress()

  /** @param format writes an amount for people */
  constructor(label: string, format: (amount: number) => string = String) {
    this.#label = label
    this.#format = format
  }

  readonly show = (done: number, total: number): void => {
    const share = total === 0 ? 1 : Math.min(1, done / total)
    const filled = Math.round(share * WIDTH)
    const bar = process.stderr.isTTY ? ` ${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}` : ''
    const amounts = `${this.#format(done)} of ${this.#format(total)}`
    this.#progress.show(`${this.#label}:${bar} ${amounts} (${Math.floor(share * 100)} %)`)
  };

  [Symbol.dispose](): void {
    this.#progress.clear()
  }
}

/** Bytes as people read them. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let amount = bytes
  let unit = 0
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024
    unit++
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${units[unit]}`
}
