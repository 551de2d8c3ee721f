import type { Db } from '#db/database.ts'
import type { RestrictionTable } from '#db/tables.ts'
import type { RestrictionFacts } from '#events/events.ts'
import { forbidden, type HttpError } from '#http/errors.ts'
import { isoTime } from '#lib/clock.ts'
import { listRestrictions } from './store.ts'

/** What somebody is kept from at a moment. Restrictions end by the clock: nothing has to happen for that. */
export interface Restrictions {
  readonly ban: RestrictionFacts | null
  readonly timeout: RestrictionFacts | null
}

export const unrestricted: Restrictions = { ban: null, timeout: null }

/** What one person is kept from now. */
export async function restrictionsOf(db: Db, userId: string, now: number): Promise<Restrictions> {
  return (await restrictionsByUser(db, now, [userId])).get(userId) ?? unrestricted
}

/** What people are kept from now, of the given ones or of all. Whoever is not in it is free. */
export async function restrictionsByUser(
  db: Db,
  now: number,
  userIds?: readonly string[],
): Promise<Map<string, Restrictions>> {
  const byUser = new Map<string, Restrictions>()
  for (const row of await listRestrictions(db, now, userIds)) {
    const known = byUser.get(row.user_id) ?? unrestricted
    byUser.set(row.user_id, { ...known, [row.kind]: factsOf(row) })
  }
  return byUser
}

/** @throws HttpError 403 while somebody is banned */
export async function demandNotBanned(db: Db, userId: string, now: number): Promise<void> {
  const { ban } = await restrictionsOf(db, userId, now)
  if (ban) throw banned(ban)
}

/** What somebody who is banned is told. */
export function banned({ until, reason }: RestrictionFacts): HttpError {
  const end = until === null ? '' : ` until ${isoTime(until)}`
  return forbidden(`You are banned from this server${end}${reason === null ? '' : `: ${reason}`}`)
}

function factsOf({ reason, at, until }: RestrictionTable): RestrictionFacts {
  return { reason, at, until }
}
