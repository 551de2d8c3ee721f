/** What others of the Fediverse take for a username (Mastodon's rule, which most follow). */
const ACCEPTED = /^[a-z0-9_]+(?:[.-]+[a-z0-9_]+)*$/i
const MAX_SLUG = 40

/** Whether other servers can address somebody by this name as it is. */
export function isFederatedName(name: string): boolean {
  return ACCEPTED.test(name)
}

/**
 * A name that other servers accept for somebody whose username they do not: what of it is ASCII, and the end of their
 * id, so that it stays the same and is nobody else's.
 */
export function mappedName(username: string, userId: string): string {
  const slug = username
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, MAX_SLUG)
    .replace(/^_+|_+$/g, '')
  return `${slug || 'user'}.${userId.slice(-8)}`
}
