import { z } from 'zod'
import { kinds, type Purpose } from '#features/files/index.ts'
import { IsoTime } from '#http/schemas.ts'

export const UploadInput = z.object({
  directory: z
    .string()
    .max(64)
    .meta({ description: '`uploads` and `attachments` mean: sorted in by content.' }),
  visibility: z
    .enum(['public', 'members'])
    .default('public')
    .meta({ description: '`public`: for whoever has the address. `members`: for whoever is signed in.' }),
})

export const Uploaded = z.object({
  status_code: z.literal(201),
  message: z.string().meta({ example: 'File uploaded successfully' }),
  url: z.string(),
  is_duplicate: z.boolean().meta({ description: 'Whether the caller had stored the same content before.' }),
  filename: z.string(),
  type: z.string(),
  size: z.int(),
})

export const FilesInput = z.object({
  directory: z
    .string()
    .max(100)
    .default('uploads')
    .meta({ description: '`all`, `uploads`, `attachments`, `server`, or the name of one directory.' }),
  page: z.int().min(1).default(1),
  per_page: z.int().min(1).max(1000).default(500),
  sort: z.enum(['name', 'created', 'size', 'type']).default('name').meta({
    description: '`name` is the name it is stored under, in its directory.',
  }),
  order: z.enum(['asc', 'desc']).optional().meta({ description: 'Default: `asc` for names and types.' }),
  kind: z.enum(kinds).optional(),
  reference_type: z.string().max(40).optional(),
  uploader_user_id: z.string().max(100).optional(),
})

/** What a file belongs to, in the words of the API. */
export const referenceTypes = {
  attachment: 'message_attachment',
  user_avatar: 'user_avatar',
  user_banner: 'user_banner',
  server_avatar: 'server_avatar',
  server_banner: 'server_banner',
  upload: 'storage_upload',
} as const satisfies Record<Purpose, string>

const FileItem = z
  .object({
    id: z.string(),
    filename: z.string(),
    size: z.int(),
    uploaded_at: IsoTime,
    modified: z.number().meta({ description: 'Seconds since 1970.' }),
    url: z.string(),
    subdirectory: z.string(),
    type: z.string(),
    kind: z.enum(kinds),
    uploader: z.string(),
    uploader_user_id: z.string(),
    uploader_username: z.string().nullable(),
    reference_type: z.enum(Object.values(referenceTypes)),
    message_id: z.string().nullable(),
    channel_id: z.string().nullable(),
    channel_name: z.string().nullable(),
    is_orphaned: z.boolean(),
  })
  .meta({ id: 'StoredFile' })

export const FileList = z.object({
  status_code: z.literal(200),
  directory: z.string(),
  files: z.array(FileItem),
  existing_dirs: z.array(z.string()),
  scanned_dirs: z.array(z.string()),
  page: z.int(),
  per_page: z.int(),
  total: z.int(),
})

export const FileUrlInput = z.object({ file_url: z.string().min(1).max(500) })

export const FileInfo = z.object({
  status_code: z.literal(200),
  file_info: z.object({
    url: z.string(),
    path: z.string(),
    filename: z.string(),
    size: z.int(),
    mime_type: z.string(),
    created: IsoTime,
    modified: IsoTime,
    file_hash: z.string().nullable(),
  }),
})

export const FileDeleted = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'File deleted successfully' }),
  file_url: z.string(),
})

export const CleanupInput = z.object({
  subdirectory: z.string().max(100).default(''),
  dry_run: z.boolean().default(false).meta({ description: 'Say what would be freed, and change nothing.' }),
})

export const CleanedUp = z.object({
  status_code: z.literal(200),
  message: z.string(),
  subdirectory: z.string(),
  deleted_count: z.int(),
  freed_bytes: z.int(),
  dry_run: z.boolean(),
})
