import { stripGif } from './strip/gif.ts'
import { stripHeif } from './strip/heif.ts'
import { stripJpeg } from './strip/jpeg.ts'
import { stripPng } from './strip/png.ts'
import { stripWebp } from './strip/webp.ts'

interface Stripped {
  readonly bytes: Buffer
  /** Counted where each costs a decoder as much as a picture; 1 for AVIF, whose frames are a video. */
  readonly frames: number
  readonly animated: boolean
}

/**
 * A picture without what is not the picture: EXIF with the place it was taken, XMP, IPTC, comments, previews, and
 * whatever is hidden behind its end. Frames and colour profile stay; nothing is decoded, so nothing gets worse.
 *
 * @returns `undefined` for types whose metadata is not known
 * @throws ImageError `broken` where the file is not made as its format says
 */
export function stripMetadata(original: Uint8Array, mime: string): Stripped | undefined {
  const bytes = Buffer.from(original.buffer, original.byteOffset, original.byteLength)
  switch (mime) {
    case 'image/jpeg':
      return { bytes: stripJpeg(bytes), frames: 1, animated: false }
    case 'image/png':
    case 'image/apng':
      return counted(stripPng(bytes))
    case 'image/gif':
      return counted(stripGif(bytes))
    case 'image/webp':
      return counted(stripWebp(bytes))
    case 'image/avif':
    case 'image/heic':
    case 'image/heif':
      return { ...stripHeif(bytes), frames: 1 }
    default:
      return undefined
  }
}

function counted(picture: { bytes: Buffer; frames: number }): Stripped {
  return { ...picture, animated: picture.frames > 1 }
}
