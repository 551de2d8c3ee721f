import { redactLine } from './redact.ts'

/** What the log calls its lines, from the least to the most urgent. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

const MAX_LINES = 5000
/** In characters. A stack of a deep error has some thousand. */
const MAX_SIZE = 2_000_000
const MAX_LINE = 8000

/** Lines to look for. */
export interface TailQuery {
  readonly lines: number
  /** Lines that contain this, in any case. */
  readonly search?: string | undefined
  /** Lines of this level or above. */
  readonly level?: LogLevel | undefined
}

/** What was found. */
export interface TailPage {
  /** Redacted lines of JSON, newest first. */
  readonly lines: readonly string[]
  /** How many lines are remembered, whether they fit or not. */
  readonly total: number
}

/**
 * The newest lines that this process has logged, for owners who cannot look at its output. Bounded in number and in
 * size, kept in memory only, and as redacted as what is written.
 */
export class LogTail {
  #lines: string[] = []
  /** Lines before this place are forgotten; they are dropped in batches. */
  #first = 0
  #size = 0

  /** @param line JSON, with a line break at the end or without */
  add(line: string): void {
    const text = line.trimEnd()
    const kept = text.length > MAX_LINE ? cut(text) : text
    this.#lines.push(kept)
    this.#size += kept.length
    while (this.#size > MAX_SIZE || this.#lines.length - this.#first > MAX_LINES) {
      this.#size -= this.#lines[this.#first]!.length
      this.#lines[this.#first++] = ''
    }
    if (this.#first < MAX_LINES) return
    this.#lines = this.#lines.slice(this.#first)
    this.#first = 0
  }

  read({ lines, search, level }: TailQuery): TailPage {
    const wanted = search?.toLowerCase()
    const least = level === undefined ? 0 : logLevels.indexOf(level)
    const found: string[] = []
    for (let at = this.#lines.length - 1; at >= this.#first && found.length < lines; at--) {
      const line = this.#lines[at]!
      if (wanted !== undefined && !line.toLowerCase().includes(wanted)) continue
      if (least > 0 && logLevels.indexOf(levelOf(line)) < least) continue
      found.push(line)
    }
    return { lines: found, total: this.#lines.length - this.#first }
  }
}

/** Of a line that is too long, what an operator can still read. It stays JSON. */
function cut(line: string): string {
  const { level, time, msg = '' } = JSON.parse(line) as { level: string; time: string; msg?: string }
  const start = line.slice(0, MAX_LINE / 2)
  return redactLine(JSON.stringify({ level, time, msg: msg.slice(0, 500), cut: start }))
}

/** The logger writes the level first. */
function levelOf(line: string): LogLevel {
  return (/^\{"level":"(\w+)"/.exec(line)?.[1] ?? 'info') as LogLevel
}
