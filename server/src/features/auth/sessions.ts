import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import { demandNotBanned } from '#features/restrictions/index.ts'
import { unauthorized } from '#http/errors.ts'
import { isoTime } from '#lib/clock.ts'
import { newId } from '#lib/id.ts'
import { signAccessToken } from './access-token.ts'
import { hashRefreshToken, newRefreshToken, successorOf } from './refresh-token.ts'
import {
  endSessionRows,
  findRefreshToken,
  insertRefreshToken,
  insertSession,
  markReissued,
  spendRefreshToken,
  touchSession,
} from './store.ts'

/** How long after a token was spent a racing client is still given the same successor. */
const GRACE_MS = 10_000

type Deps = Pick<Context, 'config' | 'keyring' | 'clock' | 'instance' | 'db'>

/** A session as it stands in the database, not yet turned into tokens for the client. */
export interface OpenedSession {
  readonly userId: string
  readonly sessionId: string
  readonly refreshToken: string
  readonly refreshExpiresAt: number
}

/**
 * Opens a session for a user within the transaction that found or made the user, and that has written the user's row:
 * a ban that comes at the same moment then either is seen here, or ends this session.
 *
 * @throws HttpError 403 while the user is banned
 */
export async function openSession(ctx: Deps, tx: Tx, userId: string, device: string): Promise<OpenedSession> {
  const now = ctx.clock()
  await demandNotBanned(tx, userId, now)
  const sessionId = newId(now)
  const refreshToken = newRefreshToken()
  const expiresAt = refreshExpiry(ctx, now)
  await insertSession(tx, {
    id: sessionId,
    user_id: userId,
    device,
    created_at: now,
    last_used_at: now,
    expires_at: expiresAt,
    ended_at: null,
    end_reason: null,
  })
  await insertRefreshToken(tx, refreshRow(refreshToken, sessionId, now, expiresAt))
  return { userId, sessionId, refreshToken, refreshExpiresAt: expiresAt }
}

/** Tokens in the form in which every answer that opens or renews a session carries them. */
export async function tokensOf(ctx: Deps, session: OpenedSession) {
  const access = await signAccessToken(ctx, session)
  return {
    auth_token: access.token,
    refresh_token: session.refreshToken,
    token_type: 'Bearer' as const,
    auth_token_expire_time: isoTime(access.expiresAt),
    refresh_token_expire_time: isoTime(session.refreshExpiresAt),
  }
}

/**
 * Rotates a refresh token (OAuth 2.0 Security BCP, RFC 9700, section 4.14.2). A spent token that comes back is
 * taken for stolen and ends its session, unless it comes within seconds, once: then two tabs of one client
 * raced, and the second is given the same successor.
 *
 * @throws HttpError 401, 403 while the user is banned
 */
export async function refreshSession(ctx: Deps, token: string): Promise<OpenedSession> {
  const hash = hashRefreshToken(token)
  const next = successorOf(ctx.keyring.current('refresh_token').key, token)
  // The end of a stolen session must be committed, so the refusal is thrown after the transaction.
  const outcome = await ctx.db.transact(
    async (tx): Promise<OpenedSession | 'unknown' | 'expired' | 'reused'> => {
      const now = ctx.clock()
      const row = await findRefreshToken(tx, hash)
      if (!row) return 'unknown'
      if (row.ended_at !== null) {
        await demandNotBanned(tx, row.user_id, now)
        return 'unknown'
      }
      if (row.expires_at <= now) return 'expired'
      const session = { userId: row.user_id, sessionId: row.session_id, refreshToken: next }
      if (row.spent_at === null && (await spendRefreshToken(tx, hash, now))) {
        const expiresAt = refreshExpiry(ctx, now)
        await insertRefreshToken(tx, refreshRow(next, row.session_id, now, expiresAt))
        await touchSession(tx, row.session_id, now, expiresAt)
        return { ...session, refreshExpiresAt: expiresAt }
      }
      const successor = await findRefreshToken(tx, hashRefreshToken(next))
      const inTime = successor !== undefined && now - successor.issued_at <= GRACE_MS
      if (inTime && successor.spent_at === null && (await markReissued(tx, hash))) {
        return { ...session, refreshExpiresAt: successor.expires_at }
      }
      await endSessions(ctx, tx, row.user_id, { only: [row.session_id] }, 'refresh token reused')
      return 'reused'
    },
  )
  if (typeof outcome !== 'string') return outcome
  if (outcome === 'expired') throw unauthorized('The refresh token has expired')
  throw unauthorized('The refresh token is not valid')
}

/** Ends the session of a refresh token. A token that does not count is no error: the aim is reached. */
export async function revokeRefreshToken(ctx: Deps, token: string): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const row = await findRefreshToken(tx, hashRefreshToken(token))
    if (row) await endSessions(ctx, tx, row.user_id, { only: [row.session_id] }, 'signed out')
  })
}

/** Ends sessions of a user; tokens and sockets of theirs end when this is committed. */
export async function endSessions(
  ctx: Pick<Context, 'clock'>,
  tx: Tx,
  userId: string,
  which: { only?: readonly string[]; except?: string },
  reason: string,
): Promise<string[]> {
  const sessionIds = await endSessionRows(tx, userId, which, { at: ctx.clock(), reason })
  if (sessionIds.length > 0) tx.publish({ type: 'session.ended', userId, sessionIds })
  return sessionIds
}

function refreshExpiry(ctx: Deps, now: number): number {
  return now + ctx.config.accounts.refresh_token_days * 24 * 3600 * 1000
}

function refreshRow(token: string, sessionId: string, now: number, expiresAt: number) {
  return {
    hash: hashRefreshToken(token),
    session_id: sessionId,
    issued_at: now,
    expires_at: expiresAt,
    spent_at: null,
    reissued: 0 as const,
  }
}
