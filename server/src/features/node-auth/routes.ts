import type { FastifyRequest } from 'fastify'
import type { Context } from '#context'
import type { Actor } from '#http/access.ts'
import type { Api } from '#http/endpoint.ts'
import { invalidField } from '#http/errors.ts'
import { tokenOf } from '#http/token.ts'
import { isoTime } from '#lib/clock.ts'
import {
  ChallengeInput,
  ChallengeMade,
  IntrospectInput,
  NodeSessionActive,
  NodeSessionList,
  NodeSessionOpened,
  NodeSessionRevoked,
  RevokeInput,
  SCOPES,
  VerifyInput,
} from './schema.ts'
import { answerChallenge, createChallenge, introspect, revoke } from './service.ts'
import { listActive } from './store.ts'

const tag = 'Node sessions'
const HEADER = 'x-pufferblow-node-session'

export function nodeAuthRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/auth/decentralized/challenge',
      tag,
      summary: 'Ask for something to sign, for a node of the caller',
      description:
        'Lives for 120 seconds and can be answered once. The nonce is bound to this server, the user and the node: ' +
        'the last 16 of its 32 bytes (base64url) are the first 16 of SHA-256 over the lines ' +
        '`pufferblow-node-challenge/v1`, `audience`, user id and node id, each with its line feed, and the first 16 ' +
        'bytes of the nonce. A careful client checks that before it signs.',
      access: 'user',
      bucket: 'auth',
      input: ChallengeInput,
      answers: { 200: ChallengeMade },
    },
    async ({ actor, input }) => {
      const { node_id: nodeId, node_public_key: publicKey } = input
      const challenge = await createChallenge(ctx, actor, { nodeId, publicKey })
      return {
        challenge_id: challenge.id,
        challenge_nonce: challenge.nonce,
        expires_at: isoTime(challenge.expiresAt),
        audience: challenge.audience,
      }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/auth/decentralized/verify',
      tag,
      summary: 'Answer a challenge: open a node session',
      description:
        'The session lives for 24 hours, but no longer than the account session that asked for the challenge.',
      access: 'public',
      bucket: 'auth',
      input: VerifyInput,
      answers: { 200: NodeSessionOpened },
      errors: [404, 409],
    },
    async ({ input, request }) => {
      const answer = {
        challengeId: input.challenge_id,
        publicKey: input.node_public_key,
        signature: input.challenge_signature,
        sharedSecret: input.shared_secret,
      }
      const { session, token } = await answerChallenge(ctx, answer, () => personOf(ctx, request))
      return {
        session_id: session.id,
        session_token: token,
        node_id: session.node_id,
        expires_at: isoTime(session.expires_at),
        scopes: SCOPES,
      }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/auth/decentralized/introspect',
      tag,
      summary: 'Whose a node session is, and which key it is bound to',
      description: 'For servers that a node shows its token to. A session that does not count is 401.',
      access: 'public',
      bucket: 'auth',
      input: IntrospectInput,
      answers: { 200: NodeSessionActive },
    },
    async ({ input, request }) => {
      const token = input.session_token ?? headerOf(request)
      if (token === undefined) throw invalidField(['body', 'session_token'], 'field required', 'missing')
      const session = await introspect(ctx, token)
      return {
        active: true as const,
        session_id: session.id,
        user_id: session.user_id,
        node_id: session.node_id,
        node_public_key: session.node_public_key,
        expires_at: isoTime(session.expires_at),
        scopes: SCOPES,
      }
    },
  )

  ownSessionRoutes(api, ctx)
}

function ownSessionRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/auth/decentralized/revoke',
      tag,
      summary: 'End a node session of the caller at once',
      access: 'user',
      bucket: 'auth',
      input: RevokeInput,
      answers: { 200: NodeSessionRevoked },
      errors: [404],
    },
    async ({ actor, input: { session_id } }) => {
      await revoke(ctx, actor, session_id)
      return { message: 'Session revoked successfully', session_id }
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/auth/decentralized/sessions',
      tag,
      summary: 'List the active node sessions of the caller',
      access: 'user',
      bucket: 'default',
      answers: { 200: NodeSessionList },
    },
    async ({ actor }) => {
      const rows = await listActive(ctx.db.read, actor.userId, ctx.clock())
      const sessions = rows.map((row) => ({
        session_id: row.id,
        node_id: row.node_id,
        node_public_key: row.node_public_key,
        proof: row.proof as 'ed25519' | 'hmac',
        created_at: isoTime(row.created_at),
        expires_at: isoTime(row.expires_at),
      }))
      return { sessions }
    },
  )
}

/** Whoever sent a token along, where none is needed. @throws HttpError 401 when it does not count */
async function personOf(ctx: Context, request: FastifyRequest): Promise<Actor | undefined> {
  const token = tokenOf(request.body, request.query, request.headers)
  return token === undefined ? undefined : ctx.authenticator.authenticate(token)
}

function headerOf(request: FastifyRequest): string | undefined {
  const value = request.headers[HEADER]
  return typeof value === 'string' && value !== '' ? value : undefined
}
