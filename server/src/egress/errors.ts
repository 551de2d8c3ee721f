/** A request that must not be made, to whatever end. Trying it again is of no use. */
export class EgressRefusedError extends Error {
  /** @param reason for the operator and the log; names no address that was looked up */
  constructor(reason: string) {
    super(reason)
    this.name = 'EgressRefusedError'
  }
}

/** A request that was made, or tried, and brought no answer that can be used. */
export class EgressFailedError extends Error {
  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(reason, options)
    this.name = 'EgressFailedError'
  }
}
