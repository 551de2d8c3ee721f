/**
 * Why a picture was not processed:
 * `broken`: it cannot be decoded; `too_large`: more pixels, frames or memory than allowed; `too_slow`: not done in
 * time; `unsupported`: no decoder for its type; `busy`: too many are waiting, or the decoder does not start.
 */
export type ImageFailure = 'broken' | 'too_large' | 'too_slow' | 'unsupported' | 'busy'

/** A picture was not processed. The message is safe to show to whoever sent it. */
export class ImageError extends Error {
  readonly reason: ImageFailure
  /** With `unsupported`: the file without its metadata, where that could be taken out all the same. */
  readonly stripped: Uint8Array | undefined

  constructor(reason: ImageFailure, message: string, options: ErrorOptions & { stripped?: Uint8Array } = {}) {
    super(message, options)
    this.name = 'ImageError'
    this.reason = reason
    this.stripped = options.stripped
  }
}

export function brokenImage(what: string): ImageError {
  return new ImageError('broken', `The picture is damaged: ${what}`)
}
