/** Whether `name` is a time zone of the IANA database, such as `Europe/Berlin` or `UTC`, that this machine knows. */
export function isTimeZone(name: string): boolean {
  // Offsets such as `+02:00` are understood too, but know no summer.
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
