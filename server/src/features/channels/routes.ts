import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { messageAnswer } from '#http/schemas.ts'
import { categoryRoutes } from './category-routes.ts'
import { permissionRoutes } from './permission-routes.ts'
import {
  ChannelCreated,
  ChannelList,
  ChannelParams,
  ChannelUpdated,
  CreateChannelInput,
  UpdateChannelInput,
} from './schema.ts'
import { addMember, createChannel, deleteChannel, listChannels, removeMember } from './service.ts'
import { editChannel } from './update.ts'
import { channelToWire, factsOf } from './wire.ts'

const tag = 'Channels'
const NEEDS = 'Needs the privilege `manage_channel_users` in the channel.'

export function channelRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/channels',
      tag,
      summary: 'About these routes',
      access: 'public',
      bucket: 'default',
      answers: { 200: messageAnswer(200, 'Channels route') },
    },
    () => ({ message: 'Channels route' }),
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/channels/list/',
      tag,
      summary: 'List the channels that the caller may see, in their order',
      access: 'user',
      bucket: 'default',
      answers: { 200: ChannelList },
    },
    async ({ actor }) => {
      const channels = await listChannels(ctx.db.read, actor)
      return { channels: channels.map(({ channel, members }) => channelToWire(channel, members)) }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/channels/create/',
      tag,
      summary: 'Create a channel',
      description: 'The HTTP status is 200, not 201, as existing clients know it.',
      access: 'create_channels',
      bucket: 'default',
      input: CreateChannelInput,
      answers: { 200: ChannelCreated },
      errors: [409],
    },
    async ({ actor, input }) => {
      const { channel_name: name, is_private: isPrivate, channel_type: type } = input
      const channel = await createChannel(ctx, actor, { name, isPrivate, type })
      const members = isPrivate ? [actor.userId] : null
      return { message: 'Channel created successfully', channel_data: channelToWire(channel, members) }
    },
  )

  api.endpoint(
    {
      method: 'DELETE',
      path: '/api/v1/channels/:channel_id/delete',
      tag,
      summary: 'Delete a channel with its messages',
      access: 'delete_channels',
      bucket: 'default',
      params: ChannelParams,
      answers: { 200: messageAnswer(200, "Channel: '…' deleted successfully") },
      errors: [404],
    },
    async ({ actor, params }) => {
      await deleteChannel(ctx, actor, params.channel_id)
      return { message: `Channel: '${params.channel_id}' deleted successfully` }
    },
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/channels/:channel_id/update',
      tag,
      summary: 'Change a channel: its name, topic or place, whether it is private, its slow mode',
      description:
        'Whoever makes a channel private becomes its member. Needs the privilege `edit_channels` in the channel.',
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      input: UpdateChannelInput,
      answers: { 200: ChannelUpdated },
      errors: [404, 409],
    },
    async ({ actor, params, input }) => {
      const edit = {
        name: input.channel_name,
        isPrivate: input.is_private,
        slowModeSeconds: input.slow_mode_seconds,
        topic: input.topic,
        categoryId: input.category_id,
        position: input.position,
      }
      const { channel, members } = await editChannel(ctx, actor, params.channel_id, edit)
      const channel_data = channelToWire(factsOf(channel), members)
      return { message: 'Channel updated successfully', channel_data }
    },
  )

  categoryRoutes(api, ctx)
  memberRoutes(api, ctx)
  permissionRoutes(api, ctx)
}

function memberRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/channels/:channel_id/add_user',
      tag,
      summary: 'Let a user into a private channel',
      description: `Somebody who sees every private channel anyway is skipped. ${NEEDS}`,
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      input: z.object({ to_add_user_id: z.string().min(1).max(100) }),
      placement: 'query or body',
      answers: { 200: messageAnswer(200, "User ID: 'user_123' added to Channel ID: 'channel_456'") },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      const [channelId, userId] = [params.channel_id, input.to_add_user_id]
      const message =
        (await addMember(ctx, actor, channelId, userId)) === 'added'
          ? `User ID: '${userId}' added to Channel ID: '${channelId}'`
          : `Skipping the operation, User ID: '${userId}' already has access to all private channels`
      return { message }
    },
  )

  api.endpoint(
    {
      method: 'DELETE',
      path: '/api/v1/channels/:channel_id/remove_user',
      tag,
      summary: 'Take a user out of a private channel',
      description: `Open sockets of theirs receive nothing more from it. ${NEEDS}`,
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      input: z.object({ to_remove_user_id: z.string().min(1).max(100) }),
      placement: 'query or body',
      answers: { 200: messageAnswer(200, "User ID: 'user_123' removed from Channel ID: 'channel_456'") },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      const [channelId, userId] = [params.channel_id, input.to_remove_user_id]
      await removeMember(ctx, actor, channelId, userId)
      return { message: `User ID: '${userId}' removed from Channel ID: '${channelId}'` }
    },
  )
}
