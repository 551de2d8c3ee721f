import type { Context } from '#context'
import { ChannelParams } from '#features/channels/index.ts'
import type { Api } from '#http/endpoint.ts'
import { daysKept } from './policy.ts'
import { ChannelRetention, ChannelRetentionInput, ServerRetention, ServerRetentionInput } from './schema.ts'
import { readChannelRetention, setChannelRetention, setServerRetention } from './service.ts'
import { listRetention } from './store.ts'

const tag = 'Server administration'

/** For how long messages are kept: everybody concerned may know, few may change it. */
export function retentionRoutes(api: Api, ctx: Context): void {
  const ofServer = async () => ({
    days: ctx.settings.current.message_retention_days,
    channels: Object.fromEntries(
      (await listRetention(ctx.db.read)).flatMap(({ id, days }) => (days === null ? [] : [[id, days]])),
    ),
  })
  const ofChannel = (channelId: string, days: number | null) => ({
    channel_id: channelId,
    days,
    effective_days: daysKept(ctx.settings.current.message_retention_days, days) ?? 0,
  })

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/system/message-retention',
      tag,
      summary: 'For how long messages are kept',
      access: 'manage_server_settings',
      bucket: 'default',
      answers: { 200: ServerRetention },
    },
    ofServer,
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/system/message-retention',
      tag,
      summary: 'Set for how long messages are kept',
      description: 'Older ones are removed for good within the hour, without a trace.',
      access: 'manage_server_settings',
      bucket: 'default',
      input: ServerRetentionInput,
      answers: { 200: ServerRetention },
    },
    async ({ actor, input }) => {
      await setServerRetention(ctx, actor.userId, input.days)
      return ofServer()
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/channels/:channel_id/retention',
      tag,
      summary: 'For how long messages of a channel are kept',
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      answers: { 200: ChannelRetention },
      errors: [404],
    },
    async ({ actor, params: { channel_id: id } }) =>
      ofChannel(id, await readChannelRetention(ctx, actor, id)),
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/channels/:channel_id/retention',
      tag,
      summary: 'Set for how long messages of a channel are kept',
      description: 'Older ones are removed for good within the hour, without a trace.',
      access: 'manage_server_settings',
      bucket: 'default',
      params: ChannelParams,
      input: ChannelRetentionInput,
      answers: { 200: ChannelRetention },
      errors: [404],
    },
    async ({ actor, params: { channel_id: id }, input }) => {
      await setChannelRetention(ctx, actor, id, input.days)
      return ofChannel(id, input.days)
    },
  )
}
