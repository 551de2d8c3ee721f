import type { IncomingMessage } from 'node:http'

/** Longer than any token of ours. */
const MAX_TOKEN = 4096

/**
 * The access token of a request, wherever the client put it: `auth_token` in the body (JSON or form), in the
 * query, or `Authorization: Bearer`, in this order.
 *
 * @returns undefined when there is none
 */
export function tokenOf(
  body: unknown,
  query: unknown,
  headers: IncomingMessage['headers'],
): string | undefined {
  return fieldOf(body) ?? fieldOf(query) ?? bearerOf(headers)
}

function fieldOf(source: unknown): string | undefined {
  if (typeof source !== 'object' || source === null || !Object.hasOwn(source, 'auth_token')) return undefined
  const value = (source as { auth_token: unknown }).auth_token
  return typeof value === 'string' ? cut(value) : undefined
}

function bearerOf(headers: IncomingMessage['headers']): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')
  return match ? cut(match[1]!) : undefined
}

function cut(value: string): string | undefined {
  const token = value.trim()
  return token === '' || token.length > MAX_TOKEN ? undefined : token
}
