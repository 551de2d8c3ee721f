import type { Context } from '#context'
import { together } from '#db/together.ts'
import {
  addressOf,
  directories,
  judge,
  ownsContent,
  receiveUpload,
  storeFiles,
  tooLarge,
  type Directory,
  type StagedFile,
} from '#features/files/index.ts'
import { recordActivity } from '#features/stats/index.ts'
import type { Actor } from '#http/access.ts'
import type { Api } from '#http/endpoint.ts'
import { badRequest, invalidField } from '#http/errors.ts'
import { isoTime } from '#lib/clock.ts'
import { directoriesOf, listStoredFiles, shownName } from './listing.ts'
import { deleteByUrl, findWithBlob } from './manage.ts'
import { collectGarbage, removeOrphans } from './orphans.ts'
import {
  CleanedUp,
  CleanupInput,
  FileDeleted,
  FileInfo,
  FileList,
  FilesInput,
  FileUrlInput,
  Uploaded,
  UploadInput,
} from './schema.ts'

const tag = 'Storage'

/** What the owner does with what is stored. */
export function storageRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/storage/upload',
      tag,
      summary: 'Store a file',
      access: 'manage_storage',
      bucket: 'uploads',
      input: UploadInput,
      placement: 'query or body',
      uploads: {
        fields: ['file'],
        limit: () => 1,
        take: (file, call) => {
          const query = call.request.query as Record<string, unknown>
          const named = call.fields['directory'] ?? query['directory']
          const directory = named === undefined ? undefined : directoryOf(named)
          return receiveUpload(ctx, file, { purpose: 'upload', directory }, call)
        },
      },
      answers: { 201: Uploaded },
      errors: [507],
    },
    async ({ actor, input, files }) => {
      const [staged] = files
      if (!staged) throw invalidField(['body', 'file'], 'field required', 'missing')
      return await storeUpload(ctx, actor, staged, { ...input, directory: directoryOf(input.directory) })
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/storage/files',
      tag,
      summary: 'List what is stored',
      access: 'manage_storage',
      bucket: 'default',
      input: FilesInput,
      answers: { 200: FileList },
    },
    async ({ actor, input }) => listStoredFiles(ctx, actor, input),
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/storage/file-info',
      tag,
      summary: 'Describe a stored file',
      access: 'manage_storage',
      bucket: 'default',
      input: FileUrlInput,
      answers: { 200: FileInfo },
      errors: [404],
    },
    async ({ actor, input }) => {
      const { file, blob } = await findWithBlob(ctx, input.file_url)
      const created = isoTime(file.created_at)
      return {
        file_info: {
          url: addressOf(file),
          path: `${file.directory}/${file.id}.${file.extension}`,
          filename: await shownName(ctx, actor, file),
          size: file.size,
          mime_type: file.type,
          created,
          modified: created,
          file_hash: blob.sha256,
        },
      }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/storage/delete-file',
      tag,
      summary: 'Delete a stored file',
      description: 'A message that it belongs to stays. Avatars and banners are replaced, not deleted.',
      access: 'manage_storage',
      bucket: 'default',
      input: FileUrlInput,
      answers: { 200: FileDeleted },
      errors: [404],
    },
    async ({ actor, input }) => {
      await deleteByUrl(ctx, actor, input.file_url)
      return { message: 'File deleted successfully', file_url: input.file_url }
    },
  )

  cleanupRoute(api, ctx)
}

function cleanupRoute(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/storage/cleanup-orphaned',
      tag,
      summary: 'Remove what nothing refers to',
      access: 'manage_storage',
      bucket: 'default',
      input: CleanupInput,
      answers: { 200: CleanedUp },
    },
    async ({ input: { subdirectory, dry_run: dryRun } }) => {
      const freed =
        subdirectory === ''
          ? await collectGarbage(ctx, { dryRun })
          : {
              objects: 0,
              ...(await removeOrphans(ctx, { directories: directoriesOf(subdirectory), dryRun })),
            }
      const count = freed.files + freed.objects
      return {
        message: dryRun ? `${count} orphaned files would be removed` : `${count} orphaned files were removed`,
        subdirectory,
        deleted_count: count,
        freed_bytes: freed.bytes,
        dry_run: dryRun,
      }
    },
  )
}

/** @throws HttpError 400, 413, 507 */
async function storeUpload(
  ctx: Context,
  actor: Actor,
  staged: StagedFile,
  { directory, visibility }: { directory: Directory; visibility: 'public' | 'members' },
) {
  // The directory may have come after the file.
  const { limitBytes } = judge(staged, 'upload', ctx.settings.current, directory)
  if (staged.main.size > limitBytes) throw tooLarge(limitBytes)
  const { file, isDuplicate } = await ctx.db.transact(async (tx) => {
    const use = { ownerId: actor.userId, purpose: 'upload', visibility, directory } as const
    const [known, [stored]] = await together([
      ownsContent(tx, staged.main.sha256, actor.userId),
      storeFiles(ctx, tx, [staged], use),
    ])
    recordActivity(tx, {
      type: 'file_upload',
      userId: actor.userId,
      details: { file_id: stored!.id, type: stored!.type, size: stored!.size },
      at: ctx.clock(),
    })
    return { file: stored!, isDuplicate: known }
  })
  staged.kept()
  return {
    message: 'File uploaded successfully',
    url: addressOf(file),
    is_duplicate: isDuplicate,
    filename: file.name,
    type: file.type,
    size: file.size,
  }
}

/** @throws HttpError 400 */
function directoryOf(value: unknown): Directory {
  const known = directories.find((directory) => directory === value)
  if (!known) throw badRequest(`The directory must be one of: ${directories.join(', ')}`)
  return known
}
