/** What stands in the log where a secret was. */
export const MASK = '[redacted]'
