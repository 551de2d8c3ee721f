import type { Context } from '#context'
import { ChannelParams } from '#features/channels/index.ts'
import { addressesJson, receiveUpload } from '#features/files/index.ts'
import { RawJson, type Api } from '#http/endpoint.ts'
import { messageAnswer } from '#http/schemas.ts'
import { authorsOf } from './authors.ts'
import { conversationRoutes } from './conversation-routes.ts'
import { loadMessages, readHistory } from './load.ts'
import { deleteMessage, markAsRead } from './mark.ts'
import { LoadInput, MessageIdInput, MessagePage, MessageSent, ReadHistory, SendInput } from './schema.ts'
import { pageBytes } from './recent-pages.ts'
import { expectMayAttach, sendMessage } from './send.ts'
import { messageJson } from './wire.ts'

const tag = 'Messages'
const MARKED = 'The message_id was successfully marked as read'
const DELETED = 'The message has been deleted successfully'

export function messageRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/channels/:channel_id/load_messages',
      tag,
      summary: 'Load a page of messages',
      description:
        'Page 1 is the newest page, oldest message first inside it. `before`, `after` and `around` give pages ' +
        'that stay the same while new messages come in.',
      access: 'user',
      bucket: 'messages',
      params: ChannelParams,
      input: LoadInput,
      answers: { 200: MessagePage },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      const messages = await loadMessages(ctx, actor, params.channel_id, input)
      return new RawJson(200, pageBytes(messages, await authorsOf(ctx, messages), actor.userId))
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/channels/:channel_id/send_message',
      tag,
      summary: 'Send a message',
      description:
        'Needs the privilege `send_messages` in the channel, and `upload_files` for files. They come in a form, in the ' +
        'field `attachments`, several if need be; the text may be missing then. With `upload_id`, in the query or ' +
        "before the files, the sender's sockets are told how far the upload is. 429 while the channel is in slow " +
        "mode and it is not the caller's turn.",
      access: 'user',
      bucket: 'messages',
      params: ChannelParams,
      input: SendInput,
      uploads: {
        fields: ['attachments', 'attachments[]'],
        limit: () => ctx.settings.current.max_attachments,
        take: async (file, call) => {
          await expectMayAttach(ctx, call.actor, call.params.channel_id)
          return receiveUpload(ctx, file, { purpose: 'attachment' }, call)
        },
      },
      answers: { 201: MessageSent },
      errors: [404, 429, 507],
    },
    async ({ actor, params, input, files }) => {
      const message = await sendMessage(ctx, actor, params.channel_id, input, files)
      const json = messageJson(message, await authorsOf(ctx, [message]), actor.userId)
      return new RawJson(
        201,
        `{"status_code":201,"message":"message sent successfully","message_id":"${message.id}",` +
          `"attachments":${addressesJson(message.files)},"message_data":${json}}`,
      )
    },
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/channels/:channel_id/mark_message_as_read',
      tag,
      summary: 'Mark a message, and all before it, as read',
      access: 'user',
      bucket: 'messages',
      params: ChannelParams,
      input: MessageIdInput,
      placement: 'query or body',
      answers: { 201: messageAnswer(201, MARKED) },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      await markAsRead(ctx, actor, params.channel_id, input.message_id)
      return { message: MARKED }
    },
  )

  api.endpoint(
    {
      method: 'DELETE',
      path: '/api/v1/channels/:channel_id/delete_message',
      tag,
      summary: 'Delete a message',
      description: "One's own, or anybody's with the privilege `delete_messages` in the channel.",
      access: 'user',
      bucket: 'messages',
      params: ChannelParams,
      input: MessageIdInput,
      placement: 'query or body',
      answers: { 204: messageAnswer(204, DELETED) },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      await deleteMessage(ctx, actor, params.channel_id, input.message_id)
      return { message: DELETED }
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/channels/read-history',
      tag,
      summary: 'What the caller has read, and how much is unread',
      access: 'user',
      bucket: 'default',
      answers: { 200: ReadHistory },
    },
    async ({ actor }) => {
      const history = await readHistory(ctx.db.read, actor)
      return {
        viewed_message_ids: history.viewedMessageIds,
        unread_counts: Object.fromEntries(history.unreadCounts),
      }
    },
  )

  conversationRoutes(api, ctx)
}
