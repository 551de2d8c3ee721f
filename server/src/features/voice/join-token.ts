import { errors, jwtVerify, SignJWT } from 'jose'
import { randomBytes } from 'node:crypto'
import type { Context } from '#context'
import { asSigningKey } from '#db/keyring.ts'

const ALGORITHM = 'EdDSA'
/** Of its own, so that a join token is no access token and the other way round. */
const TYPE = 'voice-join+jwt'
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/
const LIFETIME_SECONDS = 60

/** What a join token says: who may enter which voice session, once. */
export interface JoinClaims {
  readonly jti: string
  readonly userId: string
  readonly username: string
  readonly channelId: string
  readonly sessionId: string
  readonly scope: string
}

type Deps = Pick<Context, 'keyring' | 'clock' | 'instance'>

export function newJoinToken(ctx: Pick<Context, 'clock'>): { jti: string; expiresAt: number } {
  const issuedAt = Math.floor(ctx.clock() / 1000)
  return { jti: randomBytes(12).toString('hex'), expiresAt: (issuedAt + LIFETIME_SECONDS) * 1000 }
}

/** Makes a join token, a JWT (RFC 7519) by the key that access tokens are signed with. */
export function signJoinToken(ctx: Deps, claims: JoinClaims, expiresAt: number): Promise<string> {
  const { kid, key } = ctx.keyring.signing()
  return new SignJWT({
    instance_id: ctx.instance.host,
    server_id: ctx.instance.serverId,
    channel_id: claims.channelId,
    session_id: claims.sessionId,
    username: claims.username,
    scope: claims.scope,
  })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid })
    .setSubject(claims.userId)
    .setIssuer(ctx.instance.host)
    .setIssuedAt(Math.floor(expiresAt / 1000) - LIFETIME_SECONDS)
    .setExpirationTime(Math.floor(expiresAt / 1000))
    .setJti(claims.jti)
    .sign(key)
}

/** Checks signature, kind and times; whether it was used is for the caller. @returns undefined when it is no good */
export async function verifyJoinToken(ctx: Deps, token: string): Promise<JoinClaims | undefined> {
  if (token.length > 4096 || !COMPACT.test(token)) return undefined
  try {
    const { payload } = await jwtVerify(
      token,
      async ({ kid }) => {
        const key = kid === undefined ? undefined : await ctx.keyring.find(kid)
        if (key?.key.asymmetricKeyType !== 'ed25519') throw new errors.JWTInvalid('no such key')
        return asSigningKey(key).publicKey
      },
      {
        algorithms: [ALGORITHM],
        typ: TYPE,
        issuer: ctx.instance.host,
        requiredClaims: ['sub', 'jti', 'iat', 'exp'],
        currentDate: new Date(ctx.clock()),
      },
    )
    const { jti, sub, username, channel_id, session_id, scope } = payload
    const texts = [jti, sub, username, channel_id, session_id, scope]
    if (!texts.every((text) => typeof text === 'string')) return undefined
    const [id, userId, name, channelId, sessionId, rights] = texts
    return {
      jti: id!,
      userId: userId!,
      username: name!,
      channelId: channelId!,
      sessionId: sessionId!,
      scope: rights!,
    }
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
    throw error
  }
}
