/** One counter that a request counts on. */
export interface Charge {
  /** Who is counted, and warned when it is too much: an account, or an address. */
  readonly subject: string
  /** What is counted. Each subject has a counter for each bucket. */
  readonly bucket: string
  /** How much there may be within the window. */
  readonly limit: number
}

/** What happens to a subject that goes on beyond its limit. */
export interface Ladder {
  /** From the second warning on a subject is refused for so long, times its warnings. */
  readonly cooldownMs: number
  readonly maxCooldownMs: number
  /** One more is the end of the ladder. */
  readonly maxWarnings: number
  /** After so long without another one, a warning is forgotten. */
  readonly warningMs: number
}

export interface Terms {
  readonly windowMs: number
  /** Without one, nobody is warned. */
  readonly ladder?: Ladder
}

/** How a counter stands. */
export interface Count {
  readonly used: number
  /** When the oldest of it leaves the window, and so more becomes possible. */
  readonly leavesAt: number
}

/** What became of a request. Refused ones are not counted. */
export interface Outcome {
  /** Which charge refused it; -1 if none did. */
  readonly refusedBy: number
  /** How the counters stand, this request included. Empty if it came during a cooldown. */
  readonly counts: readonly Count[]
  /** How long to wait, in milliseconds, if it was refused. */
  readonly waitMs: number
  /** Warnings of the subject that was refused. More than `maxWarnings` of the ladder: nothing helped. */
  readonly warnings: number
  /** Whether this request brought a warning, rather than coming during a cooldown. */
  readonly warned: boolean
}

/** Somebody who was warned. */
export interface Penalty {
  readonly warnings: number
  /** When the last warning was given. */
  readonly warnedAt: number
  /** Until when the subject is refused, whatever it asks for. */
  readonly until: number
  /** In which bucket it asked for too much, and when something becomes possible there. */
  readonly bucket: string
  readonly freeAt: number
}

/** How long a subject has to wait that cools down: where it asked for too much, until there is room again. */
export function waitOf({ warnedAt, until, bucket, freeAt }: Penalty, charge: Charge, now: number): number {
  // A cooldown that has not begun yet is from before the clock was set back.
  if (now >= until || now < warnedAt) return 0
  return Math.max(until, charge.bucket === bucket ? freeAt : 0) - now
}

/** What a subject gets that was refused at `now`, until `freeAt` for want of room. */
export function warn(
  before: Penalty | undefined,
  { cooldownMs, maxCooldownMs, maxWarnings, warningMs }: Ladder,
  { bucket, freeAt }: Pick<Penalty, 'bucket' | 'freeAt'>,
  now: number,
): Penalty {
  const forgotten = before ? Math.max(0, Math.floor((now - before.warnedAt) / warningMs)) : 0
  const warnings = Math.min(Math.max(0, (before?.warnings ?? 0) - forgotten), maxWarnings) + 1
  const cooldown = warnings > 1 ? Math.min(maxCooldownMs, cooldownMs * warnings) : 0
  return { warnings, warnedAt: now, until: now + cooldown, bucket, freeAt }
}

/** Where counters and warnings are kept. */
export interface RateLimitStore extends AsyncDisposable {
  /** Whether anybody may be cooling down: false spares the question who. */
  readonly hasCooldowns: boolean
  /** Counts a request on all counters, or on none if one of them is full or its subject cools down. */
  hit(charges: readonly Charge[], terms: Terms, now: number): Outcome | Promise<Outcome>
  /** Takes back what was counted at `at`. */
  refund(charges: readonly Charge[], terms: Terms, at: number): void | Promise<void>
  /**
   * How long to wait for the subject of this charge to be let through again, in milliseconds; 0 unless it cools down.
   * As far as that is known without asking.
   */
  cooldown(charge: Charge, now: number): number
  /** Forgets warnings and cooldown of a subject. */
  forgive(subject: string): void | Promise<void>
}
