/**
 * How long a failed job waits before it is tried again: the steps of a ladder, or twice as long each time.
 * Milliseconds.
 */
export type Backoff = readonly number[] | { readonly firstMs: number; readonly maxMs: number }

const SECOND = 1000
const HOUR = 3600 * SECOND

export const defaultBackoff: Backoff = { firstMs: 5 * SECOND, maxMs: HOUR }
const DEFAULT_ATTEMPTS = 8

/** How often a job is tried if nothing is said: once, and again after each step of a ladder. */
export function attemptsOf(backoff: Backoff): number {
  return isLadder(backoff) ? backoff.length + 1 : DEFAULT_ATTEMPTS
}

/**
 * Time to wait after the nth failure, counted from 1. A ladder is kept to the millisecond and its last step repeats.
 * The other form doubles and draws from the upper half of that ("equal jitter" in Brooker, Exponential Backoff And
 * Jitter, AWS 2015), so that what failed together does not come back together.
 *
 * @param random from 0 to 1
 */
export function delayAfter(failures: number, backoff: Backoff, random: number): number {
  if (isLadder(backoff)) return backoff[Math.min(failures, backoff.length) - 1] ?? 0
  const full = Math.min(backoff.maxMs, backoff.firstMs * 2 ** (failures - 1))
  return Math.round(full / 2 + (random * full) / 2)
}

function isLadder(backoff: Backoff): backoff is readonly number[] {
  return Array.isArray(backoff)
}
