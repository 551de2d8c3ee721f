/**
 * Why a key was refused: `invalid` (not a key), `known` (anybody could guess it), `exposed` (others may read the file),
 * `unreadable` (the file system refused), `mismatch` (what it should open was sealed with another key, or tampered with),
 * `missing` (there is none).
 */
export type KeyErrorReason = 'invalid' | 'known' | 'exposed' | 'unreadable' | 'mismatch' | 'missing'

/** A key that cannot be used. The message never contains key material. */
export class KeyError extends Error {
  override readonly name = 'KeyError'
  readonly reason: KeyErrorReason

  constructor(reason: KeyErrorReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}
