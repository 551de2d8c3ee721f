/**
 * Why something at another server could not be had.
 *
 * - `refused`: we do not talk to it, by policy or because the address is none
 * - `gone`: it is said not to exist
 * - `unreachable`: no answer now; perhaps later
 * - `invalid`: there is an answer, and it is not what it should be
 */
export type PeerErrorKind = 'refused' | 'gone' | 'unreachable' | 'invalid'

export class PeerError extends Error {
  readonly kind: PeerErrorKind

  constructor(kind: PeerErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'PeerError'
    this.kind = kind
  }
}
