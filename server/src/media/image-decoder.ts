import sharp, { type Metadata, type Sharp } from 'sharp'
import { brokenImage, ImageError } from './image-error.ts'
import {
  MAX_SIDE,
  type ImageLimits,
  type ImageOptions,
  type ProcessedImage,
  type Thumbnail,
} from './image.ts'
import { sniff } from './sniff.ts'
import { stripMetadata } from './strip.ts'

/** The decoders that may run at all, by the type that needs them. */
const DECODERS: Readonly<Record<string, string>> = {
  'image/jpeg': 'VipsForeignLoadJpegBuffer',
  'image/png': 'VipsForeignLoadPngBuffer',
  'image/apng': 'VipsForeignLoadPngBuffer',
  'image/gif': 'VipsForeignLoadNsgifBuffer',
  'image/webp': 'VipsForeignLoadWebpBuffer',
  'image/avif': 'VipsForeignLoadHeifBuffer',
}

/** Profiles for screens and cameras have a few KiB, those for printers up to 2 MiB. */
const MAX_PROFILE_BYTES = 1024 * 1024
/** To find the best code for a JPEG takes as much memory as the picture once more, and saves a twentieth. */
const OPTIMIZED_PIXELS = 16e6
const DEFAULT_WIDTHS = [320, 960]

/** Allows the decoders above and no others, one thread, and no memory of what was decoded. */
export function confineDecoders(): void {
  sharp.block({ operation: ['VipsForeignLoad'] })
  sharp.unblock({ operation: [...new Set(Object.values(DECODERS))] })
  sharp.concurrency(1)
  sharp.cache(false)
}

/**
 * Checks, strips, turns upright and makes smaller. The picture keeps its coding and every bit of it where it can;
 * it is coded again only to be turned, made smaller, or freed of an oversized colour profile.
 *
 * Runs in a process of its own, see `image-process.ts`: decoders are the part of a server most often broken into.
 *
 * @throws ImageError
 */
export async function decodeImage(
  bytes: Uint8Array,
  options: ImageOptions,
  limits: ImageLimits,
): Promise<ProcessedImage> {
  const { mime } = sniff(bytes)
  const stripped = stripMetadata(bytes, mime)
  if (!stripped || !(mime in DECODERS)) {
    const message = 'Pictures of this type cannot be shown'
    throw new ImageError('unsupported', message, stripped && { stripped: stripped.bytes })
  }
  if (stripped.frames > limits.maxFrames) {
    throw new ImageError('too_large', `The picture has more than ${limits.maxFrames} frames`)
  }
  const input = { failOn: 'error', limitInputPixels: limits.maxPixels } as const
  const metadata = await readMetadata(bytes)
  checkSize(metadata, limits)
  try {
    const kept = await keepOrRecode(sharp(bytes, input), metadata, { ...stripped, mime }, options)
    const thumbnails = await makeThumbnails(sharp(bytes, input).autoOrient(), kept.width, options)
    return { ...kept, animated: stripped.animated, thumbnails }
  } catch (error) {
    throw error instanceof ImageError ? error : brokenImage((error as Error).message.split('\n')[0]!)
  }
}

async function readMetadata(bytes: Uint8Array): Promise<Metadata> {
  try {
    // The limit would apply here as an error without a type; the size is judged by what this returns.
    return await sharp(bytes, { limitInputPixels: false }).metadata()
  } catch (error) {
    throw brokenImage((error as Error).message.split('\n')[0]!)
  }
}

function checkSize({ width, height }: Metadata, { maxPixels }: ImageLimits): void {
  if (width * height <= maxPixels && Math.max(width, height) <= MAX_SIDE) return
  const megapixels = Math.floor(maxPixels / 1e6)
  throw new ImageError('too_large', `The picture has more than ${megapixels} million pixels`)
}

type Kept = Pick<ProcessedImage, 'bytes' | 'mime' | 'width' | 'height'>

async function keepOrRecode(
  picture: Sharp,
  metadata: Metadata,
  stripped: { bytes: Uint8Array; mime: string; animated: boolean },
  { maxSide = MAX_SIDE }: ImageOptions,
): Promise<Kept> {
  const { mime, animated } = stripped
  const { width, height } = animated ? metadata : metadata.autoOrient
  const tooLong = Math.max(width, height) > maxSide
  if (animated && tooLong) {
    throw new ImageError('too_large', `A moving picture may be at most ${maxSide} pixels wide and high`)
  }
  const isTurned = (metadata.orientation ?? 1) > 1 && mime !== 'image/avif'
  const hasHugeProfile = (metadata.icc?.length ?? 0) > MAX_PROFILE_BYTES
  if (animated || !(tooLong || isTurned || hasHugeProfile))
    return { bytes: stripped.bytes, mime, width, height }
  return recode(picture, metadata, mime, maxSide)
}

/**
 * Codes a picture again, at a quality that one does not see: JPEG and WebP at 90, lossless where it was lossless.
 * AVIF becomes WebP, which is ten times faster to make. The colour profile stays, or colours become sRGB.
 */
async function recode(picture: Sharp, metadata: Metadata, mime: string, maxSide: number): Promise<Kept> {
  const upright = picture.autoOrient()
  if (Math.max(metadata.width, metadata.height) > maxSide) {
    upright.resize({ width: maxSide, height: maxSide, fit: 'inside' })
  }
  const keepsProfile = metadata.space !== 'cmyk' && (metadata.icc?.length ?? 0) <= MAX_PROFILE_BYTES
  if (keepsProfile) upright.keepIccProfile()
  const chromaSubsampling = metadata.chromaSubsampling === '4:4:4' ? '4:4:4' : '4:2:0'
  if (mime === 'image/jpeg')
    upright.jpeg({
      quality: 90,
      chromaSubsampling,
      optimizeCoding: metadata.width * metadata.height < OPTIMIZED_PIXELS,
    })
  else if (mime === 'image/png' || mime === 'image/gif') upright.png()
  else upright.webp({ quality: 90 })
  const { data, info } = await upright.toBuffer({ resolveWithObject: true })
  return { bytes: data, mime: `image/${info.format}`, width: info.width, height: info.height }
}

/** The largest is made of the picture, the others of the largest. */
async function makeThumbnails(picture: Sharp, width: number, options: ImageOptions): Promise<Thumbnail[]> {
  const asked = [...new Set(options.thumbnailWidths ?? DEFAULT_WIDTHS)].toSorted((a, b) => b - a)
  const widths = asked.filter((candidate) => candidate < width)
  // A small picture has one of its own size: a still of what moves, at the least.
  if (widths.length === 0) widths.push(width)
  const fit = (size: number) =>
    ({ width: size, height: size * 4, fit: 'inside', withoutEnlargement: true }) as const
  const { data, info } = await picture.resize(fit(widths[0]!)).raw().toBuffer({ resolveWithObject: true })
  const raw = { width: info.width, height: info.height, channels: info.channels }
  const thumbnails: Thumbnail[] = []
  for (const size of widths) {
    const webp = sharp(data, { raw }).resize(fit(size)).webp({ quality: 80 })
    const made = await webp.toBuffer({ resolveWithObject: true })
    thumbnails.unshift({ width: made.info.width, height: made.info.height, bytes: made.data })
  }
  return thumbnails
}
