import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { Uploads } from '#http/endpoint.ts'
import { invalidField } from '#http/errors.ts'
import type { z } from 'zod'
import { removeFiles, storeFiles } from './commit.ts'
import { receiveUpload } from './receive-upload.ts'
import type { StagedFile } from './staged-file.ts'
import { ownsContent } from './store.ts'

export type PicturePurpose = 'user_avatar' | 'user_banner' | 'server_avatar' | 'server_banner'

/** How an endpoint takes one picture, in a field named `file` or after what it is. */
export function pictureUpload(ctx: Context, purpose: PicturePurpose): Uploads<z.ZodObject, StagedFile> {
  return {
    fields: ['file', purpose.replace(/^\w+_/, '')],
    limit: () => 1,
    take: (file, call) => receiveUpload(ctx, file, { purpose }, call),
  }
}

/** @throws HttpError 422 when no picture came */
export function pictureOf(files: readonly StagedFile[]): StagedFile {
  const [picture] = files
  if (!picture) throw invalidField(['body', 'file'], 'field required', 'missing')
  return picture
}

/**
 * Stores a picture in place of another one, as part of a transaction.
 *
 * @param before `<id>.<extension>` of the picture that it replaces
 * @returns the same of the new one, and whether the owner had stored the same content before
 * @throws HttpError 507
 */
export async function replacePicture(
  ctx: Context,
  tx: Tx,
  picture: StagedFile,
  { ownerId, purpose, before }: { ownerId: string; purpose: PicturePurpose; before: string | null },
): Promise<{ picture: string; isDuplicate: boolean }> {
  const isDuplicate = await ownsContent(tx, picture.main.sha256, ownerId)
  const [file] = await storeFiles(ctx, tx, [picture], { ownerId, purpose, visibility: 'public' })
  if (before !== null) await removeFiles(ctx, tx, [before.split('.')[0]!])
  return { picture: `${file!.id}.${file!.extension}`, isDuplicate }
}
