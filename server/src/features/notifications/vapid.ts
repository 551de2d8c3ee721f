import { SignJWT } from 'jose'
import { createPublicKey } from 'node:crypto'
import type { Context } from '#context'

/** The longest that RFC 8292 allows is a day. */
const VALID_SECONDS = 12 * 3600

/** The public key by which push services know this server: a point on P-256, uncompressed, in base64url (RFC 8292). */
export function publicPushKey({ keyring }: Pick<Context, 'keyring'>): string {
  const { x, y } = createPublicKey(keyring.current('web_push').key).export({ format: 'jwk' })
  const point = [Buffer.of(4), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')]
  return Buffer.concat(point).toString('base64url')
}

/** Says to a push service who sends: the header `Authorization` of RFC 8292. */
export async function vapidHeader(
  ctx: Pick<Context, 'keyring' | 'clock' | 'instance'>,
  endpoint: URL,
): Promise<string> {
  const { origin } = ctx.instance
  const token = new SignJWT()
    .setProtectedHeader({ typ: 'JWT', alg: 'ES256' })
    .setAudience(endpoint.origin)
    .setExpirationTime(Math.floor(ctx.clock() / 1000) + VALID_SECONDS)
  // Whom to turn to in case of trouble: only addresses of the web and of mail may stand there.
  if (origin.startsWith('https:')) token.setSubject(origin)
  return `vapid t=${await token.sign(ctx.keyring.current('web_push').key)}, k=${publicPushKey(ctx)}`
}
