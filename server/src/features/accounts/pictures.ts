import type { Context } from '#context'
import {
  pictureAddress,
  pictureOf,
  pictureUpload,
  replacePicture,
  type StagedFile,
} from '#features/files/index.ts'
import type { Actor } from '#http/access.ts'
import type { Api } from '#http/endpoint.ts'
import { unauthorized } from '#http/errors.ts'
import { AvatarAnswer, BannerAnswer } from './schema.ts'
import { lockUser, updateUser } from './store.ts'

/** Avatars and banners of users. */
export function pictureRoutes(api: Api, ctx: Context): void {
  const common = {
    method: 'POST',
    tag: 'Accounts',
    access: 'user',
    bucket: 'uploads',
    errors: [507],
  } as const
  api.endpoint(
    {
      ...common,
      path: '/api/v1/users/profile/avatar',
      summary: "Upload the caller's avatar",
      description:
        'Larger pictures are made smaller. What the picture tells about camera and place is removed.',
      uploads: pictureUpload(ctx, 'user_avatar'),
      answers: { 201: AvatarAnswer },
    },
    async ({ actor, files }) => {
      const { address, status } = await setPicture(ctx, actor, pictureOf(files), 'avatar')
      return { message: 'Avatar uploaded successfully', avatar_url: address, duplicate_status: status }
    },
  )
  api.endpoint(
    {
      ...common,
      path: '/api/v1/users/profile/banner',
      summary: "Upload the caller's banner",
      uploads: pictureUpload(ctx, 'user_banner'),
      answers: { 201: BannerAnswer },
    },
    async ({ actor, files }) => {
      const { address, status } = await setPicture(ctx, actor, pictureOf(files), 'banner')
      return { message: 'Banner uploaded successfully', banner_url: address, duplicate_status: status }
    },
  )
}

async function setPicture(
  ctx: Context,
  actor: Actor,
  staged: StagedFile,
  which: 'avatar' | 'banner',
): Promise<{ address: string; status: 'new' | 'existing' }> {
  const { picture, isDuplicate } = await ctx.db.transact(async (tx) => {
    // Two uploads at once: the second one replaces what the first one stored.
    const user = await lockUser(tx, actor.userId)
    if (!user) throw unauthorized()
    const stored = await replacePicture(ctx, tx, staged, {
      ownerId: actor.userId,
      purpose: `user_${which}`,
      before: user[which],
    })
    await updateUser(tx, actor.userId, { [which]: stored.picture, updated_at: ctx.clock() })
    tx.publish({ type: 'user.changed', userId: actor.userId })
    return stored
  })
  staged.kept()
  return { address: pictureAddress(picture)!, status: isDuplicate ? 'existing' : 'new' }
}
