/** Headers about limits, by name. */
export type LimitHeaders = Readonly<Record<string, string>>

/**
 * Tells a client how its counter stands: `X-RateLimit-*`, as many APIs have them, with the time of the reset in Unix
 * seconds, and the fields `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11 with the same
 * in structured form. `Retry-After` is in seconds, and 0 as long as there is no need to wait.
 *
 * More becomes possible when the oldest request that is counted leaves the window: that is the reset.
 */
export function limitHeaders(count: {
  bucket: string
  limit: number
  windowMs: number
  used: number
  leavesAt: number
  now: number
}): LimitHeaders {
  const { bucket, limit, now } = count
  const remaining = Math.max(0, limit - count.used)
  const wait = Math.max(0, Math.ceil((count.leavesAt - now) / 1000))
  return {
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(Math.ceil(Math.max(count.leavesAt, now) / 1000)),
    'ratelimit-policy': `"${bucket}";q=${limit};w=${count.windowMs / 1000}`,
    ratelimit: `"${bucket}";r=${remaining};t=${wait}`,
    'retry-after': remaining === 0 ? String(Math.max(1, wait)) : '0',
  }
}
