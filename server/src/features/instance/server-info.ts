import { z } from 'zod'
import type { Context } from '#context'
import { pictureAddress } from '#features/files/index.ts'
import type { Api } from '#http/endpoint.ts'
import { badRequest } from '#http/errors.ts'
import { IsoTime } from '#http/schemas.ts'
import { isoTime } from '#lib/clock.ts'
import { version } from '#lib/version.ts'
import { changeSettings, tidy } from './change-settings.ts'
import { serverNameOf } from './rename.ts'
import { countMembers, readCreationTime, serverSettings, type ServerSettings } from './settings.ts'

const extensions = z.array(z.string())

const ServerInfo = z.object({
  status_code: z.literal(200),
  server_info: z.object({
    server_id: z.string(),
    server_name: z.string(),
    server_description: z.string().nullable(),
    version: z.string(),
    is_private: z.boolean().meta({ description: 'A private server takes new accounts by invite only.' }),
    creation_date: IsoTime,
    avatar_url: z.string().nullable(),
    banner_url: z.string().nullable(),
    welcome_message: z.string().nullable(),
    members_count: z.int(),
    online_members: z.int(),
    max_users: z.int().nullable(),
    max_message_length: z.int(),
    max_image_size: z.int().meta({ description: 'Sizes are in MB.' }),
    max_video_size: z.int(),
    max_sticker_size: z.int(),
    max_gif_size: z.int(),
    max_audio_size: z.int(),
    max_document_size: z.int(),
    max_file_size: z.int(),
    max_total_attachment_size: z.int(),
    allowed_image_types: extensions,
    allowed_video_types: extensions,
    allowed_file_types: extensions.meta({ description: 'Of documents.' }),
    allowed_sticker_types: extensions,
    allowed_gif_types: extensions,
    allowed_audio_types: extensions.meta({ description: '`*`: any.' }),
    rtc_media_quality: z.null(),
  }),
})

/** Where known clients call a setting otherwise than we do. */
const NAMES = {
  allowed_image_types: 'allowed_images_extensions',
  allowed_video_types: 'allowed_videos_extensions',
  allowed_file_types: 'allowed_doc_extensions',
  allowed_sticker_types: 'allowed_stickers_extensions',
  allowed_gif_types: 'allowed_gif_extensions',
  max_total_attachment_size: 'max_attachments_size',
} as const satisfies Record<string, keyof ServerSettings>

const { shape } = serverSettings
const types = z
  .array(z.string().transform((text) => text.trim().replace(/^\./, '').toLowerCase()))
  .pipe(shape.allowed_images_extensions.unwrap())
  .nullish()
const size = shape.max_image_size.unwrap().nullish()

const ServerInfoChange = z.object({
  server_name: z.string().max(1000).nullish(),
  server_description: z.string().max(1000).nullish().meta({ description: 'Empty: none.' }),
  welcome_message: z.string().max(2000).nullish().meta({ description: 'Empty: none.' }),
  is_private: z.boolean().nullish(),
  registration: z.enum(['open', 'invite', 'closed']).nullish(),
  max_users: z.int().min(0).max(100_000_000).nullish().meta({ description: '0: no limit.' }),
  max_message_length: shape.max_message_length.unwrap().nullish(),
  max_image_size: size,
  max_video_size: size,
  max_sticker_size: size,
  max_gif_size: size,
  max_audio_size: size,
  max_document_size: size,
  max_file_size: size,
  max_total_attachment_size: size,
  allowed_image_types: types,
  allowed_video_types: types,
  allowed_file_types: types,
  allowed_sticker_types: types,
  allowed_gif_types: types,
})

export function serverInfoRoutes(api: Api, ctx: Context): void {
  const common = {
    path: '/api/v1/system/server-info',
    tag: 'Server administration',
    bucket: 'default',
  } as const
  api.endpoint(
    {
      ...common,
      method: 'GET',
      summary: 'About this server, and what it allows',
      access: 'public',
      answers: { 200: ServerInfo },
    },
    async () => {
      const { current } = ctx.settings
      const { total, online } = await countMembers(ctx.db.read)
      return {
        server_info: {
          server_id: ctx.instance.serverId,
          server_name: current.server_name,
          server_description: current.server_description,
          version,
          is_private: current.is_private,
          creation_date: isoTime(await readCreationTime(ctx.db.read)),
          avatar_url: pictureAddress(current.server_avatar),
          banner_url: pictureAddress(current.server_banner),
          welcome_message: current.welcome_message,
          members_count: total,
          online_members: online,
          max_users: current.max_users || null,
          max_message_length: current.max_message_length,
          max_image_size: current.max_image_size,
          max_video_size: current.max_video_size,
          max_sticker_size: current.max_sticker_size,
          max_gif_size: current.max_gif_size,
          max_audio_size: current.max_audio_size,
          max_document_size: current.max_document_size,
          max_file_size: current.max_file_size,
          max_total_attachment_size: current.max_attachments_size,
          allowed_image_types: current.allowed_images_extensions,
          allowed_video_types: current.allowed_videos_extensions,
          allowed_file_types: current.allowed_doc_extensions,
          allowed_sticker_types: current.allowed_stickers_extensions,
          allowed_gif_types: current.allowed_gif_extensions,
          allowed_audio_types: ['*'],
          rtc_media_quality: null,
        },
      }
    },
  )

  api.endpoint(
    {
      ...common,
      method: 'PUT',
      summary: 'Change what the server is called and allows, at once',
      access: 'manage_server_settings',
      input: ServerInfoChange,
      placement: 'query or body',
      answers: {
        200: z.object({
          status_code: z.literal(200),
          message: z.string().meta({ example: 'Server settings updated successfully' }),
          updated_fields: z.array(z.string()),
        }),
      },
    },
    async ({ actor, input }) => {
      const given = Object.entries(input).filter(([, value]) => value !== undefined && value !== null)
      if (given.length === 0) throw badRequest('Nothing to update: send at least one field')
      const change = Object.fromEntries(
        given.map(([name, value]) => [NAMES[name as keyof typeof NAMES] ?? name, cleaned(name, value)]),
      ) as Partial<ServerSettings>
      await changeSettings(ctx, change, actor.userId)
      return {
        message: 'Server settings updated successfully',
        updated_fields: given.map(([name]) => name),
      }
    },
  )
}

/** Text as it will be stored. @throws HttpError 422 */
function cleaned(name: string, value: unknown): unknown {
  return name === 'server_name' ? serverNameOf(value as string) : tidy(name, value)
}
