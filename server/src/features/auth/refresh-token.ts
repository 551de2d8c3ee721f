import { createHash, createHmac, randomBytes, type KeyObject } from 'node:crypto'

/** Marks our refresh tokens, so that scanners for leaked secrets know one when they see it. */
const PREFIX = 'pbr_'

/** 256 random bits, URL-safe. */
export function newRefreshToken(): string {
  return PREFIX + randomBytes(32).toString('base64url')
}

/** What is stored of a token. It has full entropy, so a plain hash cannot be searched. */
export function hashRefreshToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/**
 * The token that takes the place of `token` when it is spent. Derived, not random, so that two tabs which race
 * with the same token can be given the same successor although only hashes are stored. Nobody can derive it
 * without the server's key.
 */
export function successorOf(key: KeyObject, token: string): string {
  return PREFIX + createHmac('sha256', key).update(`refresh-token-successor:${token}`).digest('base64url')
}
