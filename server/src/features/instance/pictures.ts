import type { Context } from '#context'
import {
  pictureAddress,
  pictureOf,
  pictureUpload,
  replacePicture,
  type StagedFile,
} from '#features/files/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { recordActivity } from '#features/stats/index.ts'
import type { Actor } from '#http/access.ts'
import type { Api } from '#http/endpoint.ts'
import { z } from 'zod'
import { lockSettings, readSettings, writeSettings } from './settings.ts'

const ServerAvatar = z.object({
  status_code: z.literal(201),
  message: z.string().meta({ example: 'Server avatar uploaded successfully' }),
  avatar_url: z.string(),
})
const ServerBanner = z.object({
  status_code: z.literal(201),
  message: z.string().meta({ example: 'Server banner uploaded successfully' }),
  banner_url: z.string(),
})

/** Avatar and banner of the server. */
export function serverPictureRoutes(api: Api, ctx: Context): void {
  const common = {
    method: 'POST',
    tag: 'Server',
    access: 'manage_server_settings',
    bucket: 'uploads',
    errors: [507],
  } as const
  api.endpoint(
    {
      ...common,
      path: '/api/v1/system/upload-avatar',
      summary: "Upload the server's avatar",
      uploads: pictureUpload(ctx, 'server_avatar'),
      answers: { 201: ServerAvatar },
    },
    async ({ actor, files }) => ({
      message: 'Server avatar uploaded successfully',
      avatar_url: await setServerPicture(ctx, actor, pictureOf(files), 'server_avatar'),
    }),
  )
  api.endpoint(
    {
      ...common,
      path: '/api/v1/system/upload-banner',
      summary: "Upload the server's banner",
      uploads: pictureUpload(ctx, 'server_banner'),
      answers: { 201: ServerBanner },
    },
    async ({ actor, files }) => ({
      message: 'Server banner uploaded successfully',
      banner_url: await setServerPicture(ctx, actor, pictureOf(files), 'server_banner'),
    }),
  )
}

async function setServerPicture(
  ctx: Context,
  actor: Actor,
  staged: StagedFile,
  purpose: 'server_avatar' | 'server_banner',
): Promise<string> {
  const picture = await ctx.db.transact(async (tx) => {
    await lockSettings(tx)
    const before = (await readSettings(tx))[purpose]
    const stored = await replacePicture(ctx, tx, staged, { ownerId: actor.userId, purpose, before })
    await writeSettings(tx, { [purpose]: stored.picture }, ctx.clock())
    recordAudit(tx, {
      actorId: actor.userId,
      action: 'server.picture_changed',
      targetType: 'server',
      targetId: ctx.instance.serverId,
      details: { purpose },
      at: ctx.clock(),
    })
    recordActivity(tx, {
      type: 'server_avatar_updated',
      userId: actor.userId,
      details: { field: purpose, setting_type: 'file' },
      at: ctx.clock(),
    })
    tx.publish({ type: 'settings.changed' })
    return stored.picture
  })
  staged.kept()
  return pictureAddress(picture)!
}
