import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, conflict, notFound, unauthorized, type HttpError } from '#http/errors.ts'
import { isId, newId } from '#lib/id.ts'
import { isNonceFor, newNonce, type Audience } from './nonce.ts'
import { ed25519KeyFrom, isMacOf, isSignedBy } from './proof.ts'
import {
  consumeChallenge,
  deleteOldChallenges,
  endActive,
  findActiveByToken,
  findChallenge,
  holdSession,
  insertChallenge,
  insertNodeSession,
  type ActiveNodeSession,
  type ChallengeWithUser,
} from './store.ts'
import { hashNodeToken, newNodeToken } from './token.ts'

const CHALLENGE_MS = 120_000
const SESSION_MS = 24 * 3600 * 1000
/** Of one account session. Whoever asks for more loses the oldest. */
const KEPT_CHALLENGES = 20

type Deps = Pick<Context, 'db' | 'clock' | 'instance'>

/** Something to sign, for one node of the caller. @throws HttpError 400 not an Ed25519 key */
export async function createChallenge(
  ctx: Deps,
  actor: Actor,
  { nodeId, publicKey }: { nodeId: string; publicKey: string | undefined },
): Promise<{ id: string; nonce: string; expiresAt: number; audience: string }> {
  if (publicKey !== undefined && !ed25519KeyFrom(publicKey)) {
    throw badRequest('node_public_key must be an Ed25519 key: PEM (SPKI), or 32 bytes in base64')
  }
  const now = ctx.clock()
  const { origin } = ctx.instance
  const challenge = {
    id: newId(now),
    session_id: actor.sessionId,
    node_id: nodeId,
    node_public_key: publicKey ?? null,
    nonce: newNonce({ origin, userId: actor.userId, nodeId }),
    expires_at: now + CHALLENGE_MS,
    consumed_at: null,
  }
  await ctx.db.transact(async (tx) => {
    if (!(await holdSession(tx, actor.sessionId))) throw unauthorized('The session has ended')
    await insertChallenge(tx, challenge)
    await deleteOldChallenges(tx, actor.sessionId, KEPT_CHALLENGES)
  })
  return { id: challenge.id, nonce: challenge.nonce, expiresAt: challenge.expires_at, audience: origin }
}

/** What a node answers to a challenge. */
export interface ChallengeAnswer {
  readonly challengeId: string
  readonly publicKey: string
  readonly signature: string
  readonly sharedSecret: string | undefined
}

/**
 * Opens a node session for whoever proves to hold the node's key.
 *
 * @param personOf tells who sent an access token along; the HMAC form counts only with one of the challenge's user
 * @throws HttpError 401 expired, not signed, or not for this server; 404; 409 answered before
 */
export async function answerChallenge(
  ctx: Deps,
  answer: ChallengeAnswer,
  personOf: () => Promise<Actor | undefined>,
): Promise<{ session: ActiveNodeSession; token: string }> {
  const now = ctx.clock()
  const id = answer.challengeId
  const challenge = isId(id) ? await findChallenge(ctx.db.read, id) : undefined
  if (!challenge) throw notFound('Challenge', id)
  if (challenge.consumed_at !== null) throw consumed()
  if (challenge.expires_at <= now) throw unauthorized('The challenge has expired')
  const audience = { origin: ctx.instance.origin, userId: challenge.user_id, nodeId: challenge.node_id }
  const proof = await proofOf(challenge, audience, answer, personOf)

  const token = newNodeToken()
  const row = {
    id: newId(now),
    session_id: challenge.session_id,
    node_id: challenge.node_id,
    node_public_key: answer.publicKey,
    proof,
    token_hash: hashNodeToken(token),
    created_at: now,
    expires_at: now + SESSION_MS,
    ended_at: null,
  }
  await ctx.db.transact(async (tx) => {
    if (!(await holdSession(tx, challenge.session_id))) throw unauthorized('The session has ended')
    if (!(await consumeChallenge(tx, id, now))) throw consumed()
    await insertNodeSession(tx, row)
  })
  return { session: { ...row, user_id: challenge.user_id }, token }
}

/** Judges the signature. A key that could have signed must have: there is no way back to the weaker form. */
async function proofOf(
  challenge: ChallengeWithUser,
  audience: Audience,
  answer: ChallengeAnswer,
  personOf: () => Promise<Actor | undefined>,
): Promise<'ed25519' | 'hmac'> {
  if (!isNonceFor(audience, challenge.nonce)) throw unauthorized('The challenge is not of this server')
  const key = ed25519KeyFrom(answer.publicKey)
  const demanded = challenge.node_public_key === null ? undefined : ed25519KeyFrom(challenge.node_public_key)
  if (demanded && !(key && key.equals(demanded))) {
    throw unauthorized('The challenge was made for another node key')
  }
  if (key) {
    if (isSignedBy(key, challenge.nonce, answer.signature)) return 'ed25519'
    throw unauthorized('The challenge signature is not valid')
  }
  if ((await personOf())?.userId !== challenge.user_id) {
    throw unauthorized('Without an Ed25519 key this needs a token of the user that the challenge is for')
  }
  const { sharedSecret } = answer
  if (sharedSecret !== undefined && isMacOf(sharedSecret, challenge.nonce, answer.signature)) return 'hmac'
  throw unauthorized('The challenge signature is not valid')
}

/** The node session of a token. @throws HttpError 401 unless it is active */
export async function introspect(ctx: Deps, token: string): Promise<ActiveNodeSession> {
  const session = await findActiveByToken(ctx.db.read, hashNodeToken(token), ctx.clock())
  if (!session) throw unauthorized('The node session is not active')
  return session
}

/** Ends a node session of the caller at once. @throws HttpError 404 */
export async function revoke(ctx: Deps, actor: Actor, sessionId: string): Promise<void> {
  const ended = isId(sessionId)
    ? await ctx.db.transact((tx) => endActive(tx, actor.userId, { only: sessionId }, ctx.clock()))
    : 0
  if (ended === 0) throw notFound('Node session', sessionId)
}

/** Ends all node sessions of somebody, whose password was changed, say. */
export async function endNodeSessions(ctx: Pick<Context, 'clock'>, tx: Tx, userId: string): Promise<void> {
  await endActive(tx, userId, {}, ctx.clock())
}

function consumed(): HttpError {
  return conflict('The challenge was answered before')
}
