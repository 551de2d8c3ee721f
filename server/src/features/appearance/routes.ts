import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { changeOwnAppearance, changeServerAppearance, SERVER } from './change.ts'
import { appearances } from './store.ts'
import { appearanceFields } from './wire.ts'

const field = z.string().max(20).nullish()

const Input = z.object({
  avatar_kind: field.meta({ description: '`identicon` or `image`.' }),
  banner_kind: field.meta({ description: '`solid` or `image`.' }),
  accent_color: field.meta({ example: '#3366cc' }),
  shuffle_avatar_seed: z.boolean().default(false).meta({ description: 'Draw another identicon.' }),
})

const echo = z.string().nullable()

const Changed = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'Appearance updated successfully' }),
  avatar_kind: echo.meta({ description: 'What was sent; null for what was not.' }),
  banner_kind: echo,
  accent_color: echo,
  avatar_seed: echo.meta({ description: 'The new one, if it was asked for.' }),
})

export function appearanceRoutes(
  api: Api,
  ctx: Pick<Context, 'db' | 'clock' | 'instance' | 'settings'>,
): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/system/server-appearance',
      tag: 'Server',
      summary: 'How the server looks where there is no picture',
      access: 'public',
      bucket: 'default',
      answers: { 200: z.object({ status_code: z.literal(200), ...appearanceFields }) },
    },
    async () => {
      const chosen = (await appearances(ctx.db.read, [SERVER])).get(SERVER)
      const { server_avatar: avatar, server_banner: banner } = ctx.settings.current
      return {
        avatar_kind: chosen?.avatar_kind ?? (avatar === null ? ('identicon' as const) : ('image' as const)),
        banner_kind: chosen?.banner_kind ?? (banner === null ? ('solid' as const) : ('image' as const)),
        accent_color: chosen?.accent_color ?? null,
        avatar_seed: chosen?.avatar_seed ?? ctx.instance.serverId,
      }
    },
  )

  const common = {
    method: 'PUT',
    description: 'What is not sent stays as it is.',
    bucket: 'default',
    input: Input,
    answers: { 200: Changed },
  } as const
  const message = 'Appearance updated successfully'
  api.endpoint(
    {
      ...common,
      path: '/api/v1/users/profile/appearance',
      tag: 'Users',
      summary: 'Change how the caller looks where there is no picture',
      access: 'user',
    },
    async ({ actor, input }) => ({ message, ...(await changeOwnAppearance(ctx, actor, input)) }),
  )
  api.endpoint(
    {
      ...common,
      path: '/api/v1/system/server-appearance',
      tag: 'Server',
      summary: 'Change how the server looks where there is no picture',
      access: 'manage_server_settings',
    },
    async ({ actor, input }) => ({ message, ...(await changeServerAppearance(ctx, actor, input)) }),
  )
}
