import type { Bucket } from '../access.ts'
import type { Ladder } from './store.ts'

/** How much is let through, and what happens to those who go on beyond it. */
export interface LimitRules {
  readonly windowMs: number
  /** Requests within the window, of one account or of all at one address who have not signed in. */
  readonly limits: Readonly<Record<Bucket, number>>
  /** All accounts at one address together may send so many times the limit of one. */
  readonly addressFactor: number
  readonly ladder: Ladder
  /** Frames that all sockets of an account may send in ten seconds. */
  readonly frames: number
}

/** What a limit never falls below, however small the share: with less nobody could put it right again. */
const LEAST = 5
const MINUTE = 60_000

/** What the owner sets, by the names of the server settings. */
export interface LimitSettings {
  readonly rate_limit_duration: number
  readonly max_rate_limit_requests: number
  readonly max_rate_limit_warnings: number
  readonly rate_limit_auth_percent: number
  readonly rate_limit_uploads_percent: number
  readonly rate_limit_messages_percent: number
  readonly rate_limit_address_factor: number
  readonly rate_limit_warning_minutes: number
  readonly rate_limit_frames: number
}

export function limitRulesOf(settings: LimitSettings): LimitRules {
  const share = (percent: number): number =>
    Math.max(LEAST, Math.floor((settings.max_rate_limit_requests * percent) / 100))
  return {
    windowMs: settings.rate_limit_duration * MINUTE,
    limits: {
      auth: share(settings.rate_limit_auth_percent),
      uploads: share(settings.rate_limit_uploads_percent),
      messages: share(settings.rate_limit_messages_percent),
      default: share(100),
    },
    addressFactor: settings.rate_limit_address_factor,
    ladder: {
      cooldownMs: 30_000,
      maxCooldownMs: 300_000,
      maxWarnings: settings.max_rate_limit_warnings,
      warningMs: settings.rate_limit_warning_minutes * MINUTE,
    },
    frames: settings.rate_limit_frames,
  }
}
