import { Generations } from '#lib/generations.ts'
import { SlidingWindow } from './sliding-window.ts'
import { waitOf, warn, type Charge, type Count, type Outcome } from './store.ts'
import type { Penalty, RateLimitStore, Terms } from './store.ts'

/** Subjects that are kept, however many there are. Those that come back are kept the longest. */
const MAX_SUBJECTS = 100_000
const MAX_PENALTIES = 20_000

/** A subject's counters, by bucket. */
type Windows = Record<string, SlidingWindow>

/** Counters of this process, in memory. */
export class MemoryStore implements RateLimitStore {
  readonly #subjects: Generations<string, Windows>
  readonly #penalties = new Generations<string, Penalty>(MAX_PENALTIES)

  constructor({ maxSubjects = MAX_SUBJECTS } = {}) {
    this.#subjects = new Generations(maxSubjects)
  }

  /** How many subjects are kept now. */
  get size(): number {
    return this.#subjects.size
  }

  get hasCooldowns(): boolean {
    return this.#penalties.size > 0
  }

  hit(charges: readonly Charge[], { windowMs, ladder }: Terms, now: number): Outcome {
    if (this.hasCooldowns) {
      for (let index = 0; index < charges.length; index++) {
        const waitMs = this.cooldown(charges[index]!, now)
        if (waitMs === 0) continue
        const { warnings } = this.#penalties.get(charges[index]!.subject)!
        return { refusedBy: index, counts: [], waitMs, warnings, warned: false }
      }
    }
    const windows: SlidingWindow[] = []
    const counts: Count[] = []
    let full = -1
    // Loops, since this is done for every request.
    for (const charge of charges) {
      const window = this.#windowOf(charge, windowMs)
      if (window.used(now) >= charge.limit && full === -1) full = windows.length
      windows.push(window)
    }
    for (const window of windows) {
      if (full === -1) window.add(now)
      counts.push({ used: window.total, leavesAt: window.oldestLeavesAt() })
    }
    if (full === -1) return { refusedBy: -1, counts, waitMs: 0, warnings: 0, warned: false }
    const { subject, bucket, limit } = charges[full]!
    const freeAt = windows[full]!.freeAt(limit)
    if (!ladder) return { refusedBy: full, counts, waitMs: freeAt - now, warnings: 0, warned: false }
    const penalty = warn(this.#penalties.get(subject), ladder, { bucket, freeAt }, now)
    this.#penalties.set(subject, penalty)
    const waitMs = Math.max(freeAt, penalty.until) - now
    return { refusedBy: full, counts, waitMs, warnings: penalty.warnings, warned: true }
  }

  refund(charges: readonly Charge[], { windowMs }: Terms, at: number): void {
    for (const charge of charges) this.#windowOf(charge, windowMs).remove(at)
  }

  cooldown(charge: Charge, now: number): number {
    const penalty = this.#penalties.get(charge.subject)
    return penalty ? waitOf(penalty, charge, now) : 0
  }

  forgive(subject: string): void {
    this.#penalties.delete(subject)
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #windowOf({ bucket, subject }: Charge, windowMs: number): SlidingWindow {
    let windows = this.#subjects.get(subject)
    if (!windows) {
      windows = Object.create(null) as Windows
      this.#subjects.set(subject, windows)
    }
    const window = windows[bucket]
    // With a window of another length everybody starts afresh.
    return window?.windowMs === windowMs ? window : (windows[bucket] = new SlidingWindow(windowMs))
  }
}
