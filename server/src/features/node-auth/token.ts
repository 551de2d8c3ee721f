import { createHash, randomBytes } from 'node:crypto'

/** Marks tokens of node sessions, so that scanners for leaked secrets know one when they see it. */
const PREFIX = 'pbn_'

/** 360 random bits, in 64 URL-safe characters. */
export function newNodeToken(): string {
  return PREFIX + randomBytes(45).toString('base64url')
}

/** What is stored of a token. It has full entropy, so a plain hash cannot be searched. */
export function hashNodeToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
