import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { changeSettings } from './change-settings.ts'
import { changeOf, keyOf, runtimeConfigOf } from './runtime-config.ts'
import type { ServerSettings } from './settings.ts'

const value = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.null(),
  z.array(z.union([z.string(), z.number()])),
])

const RuntimeConfig = z.object({
  status_code: z.literal(200),
  runtime_config: z.record(z.string(), value).meta({ example: { MAX_RATE_LIMIT_REQUESTS: 6000 } }),
  include_secrets: z.literal(false).meta({ description: 'Secrets are never shown.' }),
})

const ReadInput = z.object({
  include_secrets: z.boolean().nullish().meta({ description: 'Accepted, and not followed.' }),
})

const ChangeInput = z.object({
  settings: z
    .record(z.string().max(100), z.unknown())
    .meta({ description: 'Values by their keys.', example: { MAX_RATE_LIMIT_REQUESTS: 10_000 } }),
})

const Changed = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'Runtime configuration updated successfully' }),
  updated_keys: z.array(z.string()),
  restart_required_keys: z
    .array(z.string())
    .meta({ description: 'Always empty: whatever can be changed here is in force at once.' }),
})

/** All that is set, in one object, for control panels. */
export function runtimeConfigRoutes(api: Api, ctx: Context): void {
  const common = {
    path: '/api/v1/system/runtime-config',
    tag: 'Server administration',
    access: 'manage_server_settings',
    bucket: 'default',
  } as const
  const current = (settings: ServerSettings) => runtimeConfigOf(ctx.config, settings)
  const reading = {
    ...common,
    summary: 'Server settings and the configuration of the machine',
    description: 'Secrets are shown as `***`, if they are set.',
    input: ReadInput,
    answers: { 200: RuntimeConfig },
  } as const
  const read = () => ({
    runtime_config: current(ctx.settings.current),
    include_secrets: false as const,
  })
  api.endpoint({ ...reading, method: 'GET' }, read)
  api.endpoint({ ...reading, method: 'POST' }, read)

  api.endpoint(
    {
      ...common,
      method: 'PUT',
      summary: 'Change server settings, at once',
      description:
        'Unknown keys are left out. What only the configuration of the machine can say is 400, unless it is as it was.',
      input: ChangeInput,
      answers: { 200: Changed },
    },
    async ({ actor, input }) => {
      const change = changeOf(input.settings, current(ctx.settings.current))
      const names = Object.keys(change) as (keyof ServerSettings)[]
      if (names.length > 0) await changeSettings(ctx, change, actor.userId)
      return {
        message:
          names.length > 0 ? 'Runtime configuration updated successfully' : 'Everything was so already',
        updated_keys: names.map(keyOf).toSorted(),
        restart_required_keys: [],
      }
    },
  )
}
