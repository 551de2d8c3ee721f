import type { ServerSettings } from '#features/instance/index.ts'
import { badRequest, HttpError } from '#http/errors.ts'

const MB = 1024 * 1024

/** What a file is for. It decides what is allowed and who may see it. */
export const purposes = [
  'attachment',
  'user_avatar',
  'user_banner',
  'server_avatar',
  'server_banner',
  'upload',
] as const
export type Purpose = (typeof purposes)[number]

export const kinds = ['image', 'video', 'audio', 'document', 'file'] as const
export type Kind = (typeof kinds)[number]

/** The folders that the storage routes know. */
export const directories = [
  'uploads',
  'avatars',
  'banners',
  'attachments',
  'stickers',
  'gifs',
  'images',
  'videos',
  'audio',
  'documents',
  'files',
  'config',
] as const
export type Directory = (typeof directories)[number]

/** Types that people may look at in a browser at once. Nothing that can run is among them. */
const SHOWN: ReadonlySet<string> = new Set([
  'image/png',
  'image/apng',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/avif',
  'video/mp4',
  'video/webm',
  'audio/mpeg',
  'audio/ogg',
  'audio/wav',
  'audio/flac',
  'audio/mp4',
  'audio/aac',
  'audio/webm',
  'text/plain',
])
/** Types that are told when a file is fetched, though it is only downloaded: browsers run none of them. */
const NAMED: ReadonlySet<string> = new Set(['application/pdf', 'application/zip'])

/** How a file is sent: as what, and whether a browser may show it. Whatever else it is, it is bytes to keep. */
export function servedAs(type: string): { type: string; disposition: 'inline' | 'attachment' } {
  if (type === 'text/plain') return { type: 'text/plain; charset=utf-8', disposition: 'inline' }
  if (SHOWN.has(type)) return { type, disposition: 'inline' }
  if (NAMED.has(type) || type.startsWith('application/vnd.openxmlformats-officedocument.')) {
    return { type, disposition: 'attachment' }
  }
  return { type: 'application/octet-stream', disposition: 'attachment' }
}

/** What may come of a file, given what its first bytes say. */
export interface Verdict {
  readonly kind: Kind
  readonly limitBytes: number
  /** Whether it must be a picture that can be shown, or may be kept as a file otherwise. */
  readonly mustBeImage: boolean
}

/**
 * Judges a file by its content.
 *
 * @throws HttpError 400 a type that is not allowed here
 */
export function judge(
  { kind, extension, type }: { readonly kind: Kind; readonly extension: string; readonly type: string },
  purpose: Purpose,
  settings: ServerSettings,
  directory?: Directory,
): Verdict {
  const images = settings.allowed_images_extensions
  if (purpose !== 'attachment' && purpose !== 'upload') {
    if (kind !== 'image' || !includes(images, extension)) {
      throw badRequest(`The image must be one of: ${images.join(', ')}`)
    }
    return { kind, limitBytes: settings.max_image_size * MB, mustBeImage: true }
  }
  if (directory === 'stickers') {
    const stickers = settings.allowed_stickers_extensions
    if (kind !== 'image' || !includes(stickers, extension)) {
      throw badRequest(`A sticker must be one of: ${stickers.join(', ')}`)
    }
    return { kind, limitBytes: settings.max_sticker_size * MB, mustBeImage: true }
  }
  expectInDirectory({ kind, type }, directory)
  const shown = { mustBeImage: directory === 'images' || directory === 'avatars' || directory === 'banners' }
  if (type === 'image/gif' && includes(settings.allowed_gif_extensions, 'gif')) {
    return { kind: 'image', limitBytes: settings.max_gif_size * MB, ...shown }
  }
  if (kind === 'image' && includes(images, extension)) {
    return { kind, limitBytes: settings.max_image_size * MB, ...shown }
  }
  if (kind === 'video' && includes(settings.allowed_videos_extensions, extension)) {
    return { kind, limitBytes: settings.max_video_size * MB, ...shown }
  }
  if (kind === 'audio') return { kind, limitBytes: settings.max_audio_size * MB, ...shown }
  if (kind === 'document' && includes(settings.allowed_doc_extensions, extension)) {
    return { kind, limitBytes: settings.max_document_size * MB, ...shown }
  }
  // Whatever is none of these is kept as it is, and only ever downloaded.
  if (
    !includes(settings.allowed_file_extensions, '*') &&
    !includes(settings.allowed_file_extensions, extension)
  ) {
    throw badRequest(`Files of the type '${extension}' are not allowed here`)
  }
  return { kind: 'file', limitBytes: settings.max_file_size * MB, ...shown }
}

/** A directory that says what is in it takes nothing else. @throws HttpError 400 */
function expectInDirectory(
  { kind, type }: { kind: Kind; type: string },
  directory: Directory | undefined,
): void {
  const expected = directory === undefined ? undefined : CONTENT_OF[directory]
  if (expected === undefined || (kind === expected && (directory !== 'gifs' || type === 'image/gif'))) return
  throw badRequest(`This is not a file for the directory '${directory}'`)
}

const CONTENT_OF: Readonly<Partial<Record<Directory, Kind>>> = {
  avatars: 'image',
  banners: 'image',
  images: 'image',
  gifs: 'image',
  videos: 'video',
  audio: 'audio',
  documents: 'document',
}

/** 413 for a file, with the limit it broke. */
export function tooLarge(limitBytes: number): HttpError {
  return new HttpError(413, `The file is too large: at most ${limitBytes / MB} MB`)
}

/** The folder in which the storage routes show a file. */
export function directoryFor(purpose: Purpose, kind: Kind, type: string, wanted?: Directory): Directory {
  if (purpose.endsWith('avatar')) return 'avatars'
  if (purpose.endsWith('banner')) return 'banners'
  if (wanted !== undefined && wanted !== 'uploads' && wanted !== 'attachments') return wanted
  if (type === 'image/gif') return 'gifs'
  if (/^(application\/(json|xml|yaml|toml)|text\/(xml|yaml))$/.test(type)) return 'config'
  return FOLDER_OF_KIND[kind]
}

const FOLDER_OF_KIND: Readonly<Record<Kind, Directory>> = {
  image: 'images',
  video: 'videos',
  audio: 'audio',
  document: 'documents',
  file: 'files',
}

function includes(extensions: readonly string[], extension: string): boolean {
  return extensions.includes(extension) || (extension === 'jpg' && extensions.includes('jpeg'))
}
