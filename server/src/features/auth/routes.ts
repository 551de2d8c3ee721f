import { exportJWK } from 'jose'
import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { notFound } from '#http/errors.ts'
import { messageAnswer } from '#http/schemas.ts'
import { isoTime } from '#lib/clock.ts'
import { isId } from '#lib/id.ts'
import { RefreshTokenInput, Session, sessionAnswer } from './schema.ts'
import { endSessions, refreshSession, revokeRefreshToken, tokensOf } from './sessions.ts'
import { listSessions } from './store.ts'

const tag = 'Authentication'

export function authRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/auth/refresh',
      tag,
      summary: 'Rotate a refresh token',
      description:
        'A refresh token can be used once. One that was used before ends its session, unless it comes again ' +
        'within ten seconds: then it gets the same successor, once.',
      access: 'public',
      bucket: 'auth',
      input: RefreshTokenInput,
      answers: { 200: sessionAnswer(200, 'Token refreshed successfully') },
      errors: [403],
    },
    async ({ input }) => {
      const tokens = await tokensOf(ctx, await refreshSession(ctx, input.refresh_token))
      return { message: 'Token refreshed successfully', ...tokens }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/auth/revoke',
      tag,
      summary: 'Sign out: end the session of a refresh token',
      description: 'Its access tokens and open sockets end at once. An unknown token is no error.',
      access: 'public',
      bucket: 'auth',
      input: RefreshTokenInput,
      answers: { 200: messageAnswer(200, 'Refresh token revoked successfully') },
    },
    async ({ input }) => {
      await revokeRefreshToken(ctx, input.refresh_token)
      return { message: 'Refresh token revoked successfully' }
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/auth/sessions',
      tag,
      summary: 'List the sessions of the caller',
      access: 'user',
      bucket: 'default',
      answers: { 200: z.object({ status_code: z.literal(200), sessions: z.array(Session) }) },
    },
    async ({ actor }) => {
      const rows = await listSessions(ctx.db.read, actor.userId, ctx.clock())
      const sessions = rows.map((row) => ({
        session_id: row.id,
        device: row.device,
        created_at: isoTime(row.created_at),
        last_used_at: isoTime(row.last_used_at),
        expires_at: isoTime(row.expires_at),
        is_current: row.id === actor.sessionId,
      }))
      return { sessions }
    },
  )

  api.endpoint(
    {
      method: 'DELETE',
      path: '/api/v1/auth/sessions/:session_id',
      tag,
      summary: 'End a session of the caller',
      access: 'user',
      bucket: 'default',
      params: z.object({ session_id: z.string() }),
      answers: { 200: messageAnswer(200, 'Session ended') },
      errors: [404],
    },
    async ({ actor, params: { session_id: id } }) => {
      const ended = isId(id)
        ? await ctx.db.transact((tx) => endSessions(ctx, tx, actor.userId, { only: [id] }, 'signed out'))
        : []
      if (ended.length === 0) throw notFound('Session', id)
      return { message: 'Session ended' }
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/.well-known/jwks.json',
      tag,
      summary: 'Public keys that access tokens are signed with (RFC 7517)',
      access: 'public',
      bucket: 'default',
      answers: { 200: z.object({ keys: z.array(z.looseObject({ kid: z.string() })) }) },
    },
    async () => {
      const { kid, publicKey } = ctx.keyring.signing()
      const key = { ...(await exportJWK(publicKey)), kid, alg: 'EdDSA', use: 'sig' }
      return { keys: [key] }
    },
  )
}
