/** Thrown by a handler: the work cannot be done, and trying again will not change that. The job becomes a dead letter. */
export class GiveUp extends Error {}

/** Thrown by a handler: not now, but at a time that somebody else named. It does not count as a failure. */
export class TryLater extends Error {
  /** Milliseconds. */
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.at = at
  }
}
