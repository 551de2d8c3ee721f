import { EgressFailedError, EgressRefusedError } from '#egress/errors.ts'
import { PeerError } from '../errors.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** How long a delivery waits after its first, second … failure. After the last step it is given up. */
export const LADDER = [30 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR, 6 * HOUR] as const

/** A peer that is down for good is looked at this often, for what was given up because of that. */
const PROBE_MS = HOUR
const MAX_RETRY_AFTER_MS = 6 * HOUR
/** Nothing is put off for so long: what waits until after that was put off while the clock was wrong. */
export const HORIZON_MS = 12 * HOUR
/** Failures that may be about one activity alone say something of the peer only when nothing goes through. */
const FAILURES_OF_A_PEER = 3

/** What came of an attempt. */
export type Outcome =
  | { readonly kind: 'delivered' }
  /** For good: asking again brings the same. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** For now. `isDown`: it is about the peer, not about what was sent. */
  | {
      readonly kind: 'failed'
      readonly reason: string
      readonly isDown: boolean
      readonly retryAfterMs: number
    }

/** What an answer to a delivery means. */
export function judgeAnswer(status: number, retryAfter: string | undefined, now: number): Outcome {
  if (status >= 200 && status < 300) return { kind: 'delivered' }
  const reason = `the peer answered ${status}`
  const isTemporary = status === 401 || status === 408 || status === 429 || status >= 500
  if (!isTemporary) return { kind: 'refused', reason }
  const isDown = status === 429 || status === 502 || status === 503 || status === 504
  return { kind: 'failed', reason, isDown, retryAfterMs: isDown ? retryAfterMs(retryAfter, now) : 0 }
}

/** What an error in place of an answer means. Others than those of the network are ours, and thrown on. */
export function judgeError(error: unknown): Outcome {
  if (error instanceof EgressFailedError) {
    return { kind: 'failed', reason: error.message, isDown: true, retryAfterMs: 0 }
  }
  if (error instanceof EgressRefusedError || error instanceof PeerError) {
    return { kind: 'refused', reason: error.message }
  }
  throw error
}

/** When a delivery is tried again after so many attempts; undefined: it is given up. */
export function nextAttempt(attempts: number, now: number): number | undefined {
  const step = LADDER[attempts - 1]
  return step === undefined ? undefined : now + step
}

/**
 * Until when nothing is sent to a peer after so many failures in a row; undefined: it may be about what was sent.
 */
export function breakerUntil(
  failures: number,
  outcome: Extract<Outcome, { kind: 'failed' }>,
  now: number,
): number | undefined {
  if (!outcome.isDown && failures < FAILURES_OF_A_PEER) return undefined
  return now + Math.max(LADDER[failures - 1] ?? PROBE_MS, outcome.retryAfterMs)
}

/** RFC 9110, section 10.2.3: seconds or a date. */
function retryAfterMs(field: string | undefined, now: number): number {
  if (field === undefined) return 0
  const ms = /^\d{1,9}$/.test(field) ? Number(field) * SECOND : Date.parse(field) - now
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}
