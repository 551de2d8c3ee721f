/** Milliseconds since the Unix epoch. Passed in a context so that tests can move time. */
export type Clock = () => number

export const systemClock: Clock = () => Date.now()

/** ISO 8601 with milliseconds and an explicit offset, the one form in which times leave the server. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '+00:00')
}

/** Like {@link isoTime}, keeping `null` for a time that never came. */
export function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms)
}
