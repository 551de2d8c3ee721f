/** What {@link Media.processImage} may be asked for. Sizes are in pixels. */
export interface ImageOptions {
  /** Widths of thumbnails; those as wide as the picture or wider are left out. Default 320 and 960. */
  readonly thumbnailWidths?: readonly number[]
  /** A picture with a longer side is made smaller; one that moves is refused as `too_large`. Default: no limit. */
  readonly maxSide?: number
}

/** A smaller version of a picture, of its first frame, as WebP. */
export interface Thumbnail {
  readonly width: number
  readonly height: number
  readonly bytes: Uint8Array
}

/** A picture that may be stored and shown: upright, and without any data about who took it where. */
export interface ProcessedImage {
  readonly bytes: Uint8Array
  /** Of `bytes`, which may be of another type than what was sent. */
  readonly mime: string
  /** As it is seen, in pixels. */
  readonly width: number
  readonly height: number
  readonly animated: boolean
  /** At least one, the smallest first. */
  readonly thumbnails: readonly Thumbnail[]
}

/** What a picture may cost. */
export interface ImageLimits {
  readonly maxPixels: number
  readonly maxFrames: number
  /** Memory of the process that decodes, in bytes. */
  readonly maxMemory: number
}

/** One side may be no longer than this: thumbnails could not be made of it. */
export const MAX_SIDE = 32_767
