import { isoTime } from '#lib/clock.ts'
import { can, type ChannelStanding, type Standing } from '#lib/permission.ts'
import type { Right } from '#lib/rights.ts'
import { forbidden, type HttpError } from './errors.ts'

/** Who is asking: the owner of a valid access token, as of this moment. */
export interface Actor extends Standing {
  readonly sessionId: string
  readonly username: string
  /** Ids of their roles, highest first. */
  readonly roles: readonly string[]
}

/** Who may call an endpoint: anybody, anybody signed in, or who holds a right. */
export type Access = 'public' | 'user' | Right

/** Which rate limit an endpoint counts against. */
export type Bucket = 'auth' | 'uploads' | 'messages' | 'default'

/** Finds whose token this is. @throws HttpError 401, 403 */
export type Authenticate = (token: string) => Promise<Actor>

/**
 * Demands a right, on the whole server or in a channel that the person is known to see.
 *
 * @throws HttpError 403, naming the right or the end of the timeout
 */
export function demand(person: Standing, right: Right, channel?: ChannelStanding): void {
  const { allowed, because } = can(person, right, channel)
  if (allowed) return
  throw because.by === 'timeout' ? timedOut(because.until) : forbidden(`This needs the privilege '${right}'`)
}

/** What somebody who is timed out is told. */
function timedOut(until: number): HttpError {
  return forbidden(`You are timed out until ${isoTime(until)}`)
}
