import { errors, jwtVerify, SignJWT, type JWTPayload } from 'jose'
import { randomBytes } from 'node:crypto'
import type { Context } from '#context'
import { asSigningKey } from '#db/keyring.ts'
import { unauthorized } from '#http/errors.ts'
import { isId } from '#lib/id.ts'

/** The one algorithm that is signed with and accepted: EdDSA over Ed25519 (RFC 8037). */
const ALGORITHM = 'EdDSA'
/** The compact form of RFC 7515 and nothing around or inside it: decoders skip white space, logs cut at it. */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** Clocks of processes of one server may differ by this much. */
const TOLERANCE_SECONDS = 5

export interface AccessClaims {
  readonly userId: string
  readonly sessionId: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

type Deps = Pick<Context, 'config' | 'keyring' | 'clock' | 'instance'>

/** Makes an access token: a JWT (RFC 7519) that names user, session and this server. */
export async function signAccessToken(
  ctx: Deps,
  { userId, sessionId }: { userId: string; sessionId: string },
): Promise<{ token: string; expiresAt: number }> {
  const issuedAt = Math.floor(ctx.clock() / 1000)
  const expiresAt = issuedAt + ctx.config.accounts.access_token_minutes * 60
  const { kid, key } = ctx.keyring.signing()
  const token = await new SignJWT({ sid: sessionId, origin_server: ctx.instance.host })
    .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid })
    .setSubject(userId)
    .setIssuer(ctx.instance.host)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .setJti(randomBytes(12).toString('hex'))
    .sign(key)
  return { token, expiresAt: expiresAt * 1000 }
}

/**
 * Checks signature, algorithm, issuer, server and times. That the session still stands is for the caller.
 *
 * @throws HttpError 401
 */
export async function verifyAccessToken(ctx: Deps, token: string): Promise<AccessClaims> {
  if (!COMPACT.test(token)) throw badToken()
  const { payload } = await verify(ctx, token)
  const { sub, sid, exp, origin_server } = payload
  if (typeof sub !== 'string' || typeof sid !== 'string' || typeof exp !== 'number') throw badToken()
  if (!isId(sid)) throw badToken()
  if (origin_server !== ctx.instance.host) throw badToken()
  return { userId: sub, sessionId: sid, expiresAt: exp * 1000 }
}

async function verify(ctx: Deps, token: string): Promise<{ payload: JWTPayload }> {
  try {
    return await jwtVerify(
      token,
      async ({ kid }) => {
        const key = kid === undefined ? undefined : await ctx.keyring.find(kid)
        if (key?.key.asymmetricKeyType !== 'ed25519') throw badToken()
        return asSigningKey(key).publicKey
      },
      {
        algorithms: [ALGORITHM],
        typ: 'JWT',
        issuer: ctx.instance.host,
        requiredClaims: ['sub', 'sid', 'iat', 'exp', 'jti', 'origin_server'],
        currentDate: new Date(ctx.clock()),
        // Also refuses tokens from the future.
        maxTokenAge: ctx.config.accounts.access_token_minutes * 60,
        clockTolerance: TOLERANCE_SECONDS,
      },
    )
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw unauthorized('The token has expired')
    if (error instanceof errors.JOSEError || error instanceof TypeError) throw badToken()
    throw error
  }
}

function badToken(): Error {
  return unauthorized('The token is not valid')
}
