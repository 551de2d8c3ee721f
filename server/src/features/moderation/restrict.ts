import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { UserTable } from '#db/tables.ts'
import { recordAudit } from '#features/audit/index.ts'
import { endSessions } from '#features/auth/index.ts'
import { recordActivity } from '#features/stats/index.ts'
import { deleteRestriction, putRestriction, restrictionsOf } from '#features/restrictions/index.ts'
import type { Actor } from '#http/access.ts'
import { invalidField } from '#http/errors.ts'
import { isoTimeOrNull } from '#lib/clock.ts'
import { characterCount, cleanText } from '#lib/text.ts'
import { accessTarget } from './target.ts'

const MINUTE = 60_000
const MAX_REASON = 500

type Deps = Pick<Context, 'db' | 'clock'>

export interface Sentence {
  readonly reason: string | null | undefined
  /** Undefined: until it is lifted. */
  readonly minutes: number | undefined
}

/**
 * Keeps somebody off the server: their sessions and sockets end at once, and nobody signs in to the account. A second
 * ban takes the place of the first.
 *
 * @throws HttpError 400, 403, 404, 422
 */
export async function ban(ctx: Deps, actor: Actor, userId: string, sentence: Sentence): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const target = await accessTarget(tx, actor, userId, 'ban_users')
    await imposeBan(ctx, tx, actor.userId, target, sentence)
  })
}

/**
 * The ban itself, once it is known that it may be.
 *
 * @param target whose row is locked
 * @returns how many sessions ended
 */
export async function imposeBan(
  ctx: Deps,
  tx: Tx,
  actorId: string | null,
  target: UserTable,
  sentence: Sentence,
): Promise<number> {
  const until = await impose(ctx, tx, { kind: 'ban', actorId, target, sentence })
  const ended = await endSessions(ctx, tx, target.id, {}, 'banned')
  noteLeaving(ctx, tx, target, 'banned')
  recordAudit(tx, {
    ...onUser(ctx, actorId, target, 'user.banned'),
    details: { username: target.username, reason: reasonOf(sentence), until: isoTimeOrNull(until) },
  })
  return ended.length
}

/** Lets somebody come back. Whoever is not banned stays free. @throws HttpError 400, 403, 404 */
export async function unban(ctx: Deps, actor: Actor, userId: string): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const target = await accessTarget(tx, actor, userId, 'ban_users')
    await lift(ctx, tx, 'ban', actor.userId, target)
  })
}

/**
 * Keeps somebody from reaching others for a while: they may still read.
 *
 * @returns when it ends
 * @throws HttpError 400, 403, 404, 422
 */
export async function timeOut(
  ctx: Deps,
  actor: Actor,
  userId: string,
  sentence: Sentence & { readonly minutes: number },
): Promise<number> {
  return ctx.db.transact(async (tx) => {
    const target = await accessTarget(tx, actor, userId, 'mute_users')
    const until = (await impose(ctx, tx, { kind: 'timeout', actorId: actor.userId, target, sentence }))!
    recordAudit(tx, {
      ...onUser(ctx, actor.userId, target, 'user.timed_out'),
      details: { username: target.username, reason: reasonOf(sentence), until: isoTimeOrNull(until) },
    })
    return until
  })
}

/** Ends a timeout early. @throws HttpError 400, 403, 404 */
export async function endTimeout(ctx: Deps, actor: Actor, userId: string): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const target = await accessTarget(tx, actor, userId, 'mute_users')
    await lift(ctx, tx, 'timeout', actor.userId, target)
  })
}

/** Ends all sessions of somebody, who may sign in again. @returns how many @throws HttpError 400, 403, 404, 422 */
export async function kick(
  ctx: Deps,
  actor: Actor,
  userId: string,
  reason: string | null | undefined,
): Promise<number> {
  return ctx.db.transact(async (tx) => {
    const target = await accessTarget(tx, actor, userId, 'ban_users')
    const ended = await endSessions(ctx, tx, userId, {}, 'kicked')
    if (ended.length > 0) noteLeaving(ctx, tx, target, 'kicked')
    recordAudit(tx, {
      ...onUser(ctx, actor.userId, target, 'user.kicked'),
      details: { username: target.username, reason: checkedReason(reason), ended_sessions: ended.length },
    })
    return ended.length
  })
}

/** Lifts a restriction, and says so if there was one. @returns whether there was */
export async function lift(
  ctx: Deps,
  tx: Tx,
  kind: 'ban' | 'timeout',
  actorId: string | null,
  target: UserTable,
): Promise<boolean> {
  const now = ctx.clock()
  const lifted = await deleteRestriction(tx, target.id, kind)
  if (!lifted || (lifted.until !== null && lifted.until <= now)) return false
  await announce(ctx, tx, target.id)
  recordAudit(tx, {
    ...onUser(ctx, actorId, target, kind === 'ban' ? 'user.unbanned' : 'user.timeout_ended'),
    details: { username: target.username },
  })
  return true
}

async function impose(
  ctx: Deps,
  tx: Tx,
  act: { kind: 'ban' | 'timeout'; actorId: string | null; target: UserTable; sentence: Sentence },
): Promise<number | null> {
  const now = ctx.clock()
  const { minutes } = act.sentence
  const until = minutes === undefined ? null : now + minutes * MINUTE
  await putRestriction(tx, {
    user_id: act.target.id,
    kind: act.kind,
    reason: reasonOf(act.sentence),
    by_id: act.actorId,
    at: now,
    until,
  })
  // Before their sockets are closed, so that they can show why.
  await announce(ctx, tx, act.target.id)
  return until
}

async function announce(ctx: Deps, tx: Tx, userId: string): Promise<void> {
  tx.publish({ type: 'user.restricted', userId, ...(await restrictionsOf(tx, userId, ctx.clock())) })
}

/** Nobody else leaves: accounts are not removed. */
function noteLeaving(ctx: Deps, tx: Tx, { id }: UserTable, because: 'banned' | 'kicked'): void {
  recordActivity(tx, { type: 'user_left', userId: id, details: { because }, at: ctx.clock() })
}

function reasonOf({ reason }: Sentence): string | null {
  return checkedReason(reason)
}

/** @throws HttpError 422 */
export function checkedReason(reason: string | null | undefined): string | null {
  const text = cleanText(reason ?? '').trim()
  if (characterCount(text) > MAX_REASON) {
    throw invalidField(['body', 'reason'], `must have at most ${MAX_REASON} characters`, 'string_too_long')
  }
  return text === '' ? null : text
}

function onUser(ctx: Pick<Context, 'clock'>, actorId: string | null, target: UserTable, action: string) {
  return { actorId, action, targetType: 'user', targetId: target.id, at: ctx.clock() }
}
