import type { AttachedFile } from '#events/events.ts'
import { slot } from '#lib/slots.ts'

/** Where a file is fetched. What not everybody may see needs a token or a link's query besides. */
export function addressOf({ id, extension }: Pick<AttachedFile, 'id' | 'extension'>): string {
  return `/api/v1/cdn/file/${id}.${extension}`
}

/** The address of an avatar or banner, from `<id>.<extension>`. */
export function pictureAddress(picture: string | null): string | null {
  return picture === null ? null : `/api/v1/cdn/file/${picture}`
}

/**
 * The fields `attachments` and `files` of a message, as JSON without braces. Their addresses have a slot, in which each
 * reader gets a link of their own.
 */
export function filesJson(files: readonly AttachedFile[]): string {
  if (files.length === 0) return '"attachments":[],"files":[]'
  const attachments = files.map((file) =>
    file.shownAs === 'object' ? `{${basics(file)}}` : `"${linkTo(file, addressOf(file))}"`,
  )
  return `"attachments":[${attachments.join(',')}],"files":[${files.map(fileJson).join(',')}]`
}

/** The addresses alone: what `send_message` answers in `attachments`. */
export function addressesJson(files: readonly AttachedFile[]): string {
  return `[${files.map((file) => `"${linkTo(file, addressOf(file))}"`).join(',')}]`
}

function fileJson(file: AttachedFile): string {
  const { id, kind, width, height, isAnimated } = file
  const thumbnails = file.thumbnails.map(
    (one) =>
      `{"url":"${linkTo(file, `/api/v1/cdn/file/${id}/${one.width}.webp`)}",` +
      `"width":${one.width},"height":${one.height}}`,
  )
  return (
    `{${basics(file)},"file_id":"${id}","kind":"${kind}","width":${width},"height":${height},` +
    `"is_animated":${isAnimated},"thumbnails":[${thumbnails.join(',')}]}`
  )
}

function basics(file: AttachedFile): string {
  const { name, type, size } = file
  return `"url":"${linkTo(file, addressOf(file))}","filename":${JSON.stringify(name)},"type":"${type}","size":${size}`
}

/** Ids, extensions and types are letters, digits, `-`, `_`, `.`, `+` and `/`: nothing that JSON would escape. */
function linkTo({ id }: AttachedFile, address: string): string {
  return `${address}?${slot(id)}`
}
