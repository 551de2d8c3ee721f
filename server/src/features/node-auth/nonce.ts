import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

const RANDOM_BYTES = 16
const CONTEXT = 'pufferblow-node-challenge/v1'

/** What a challenge is for: it counts nowhere else. */
export interface Audience {
  /** Public origin of this server. */
  readonly origin: string
  readonly userId: string
  readonly nodeId: string
}

/**
 * What a node signs: 43 URL-safe characters, base64url of 16 random bytes and of the first 16 bytes of
 *
 *     SHA-256("pufferblow-node-challenge/v1\n" origin "\n" user id "\n" node id "\n" random)
 *
 * So the server it is for, the user and the node are part of what is signed, and a client can tell before it signs
 * that a server has not passed on the challenge of another.
 */
export function newNonce(audience: Audience): string {
  const random = randomBytes(RANDOM_BYTES)
  return Buffer.concat([random, binding(audience, random)]).toString('base64url')
}

/** Whether a nonce was made for this audience. */
export function isNonceFor(audience: Audience, nonce: string): boolean {
  const bytes = Buffer.from(nonce, 'base64url')
  if (bytes.length !== RANDOM_BYTES * 2) return false
  const expected = binding(audience, bytes.subarray(0, RANDOM_BYTES))
  return timingSafeEqual(bytes.subarray(RANDOM_BYTES), expected)
}

function binding({ origin, userId, nodeId }: Audience, random: Buffer): Buffer {
  const hash = createHash('sha256').update(`${CONTEXT}\n${origin}\n${userId}\n${nodeId}\n`).update(random)
  return hash.digest().subarray(0, RANDOM_BYTES)
}
