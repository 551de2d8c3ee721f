import type { Context } from '#context'
import { receiveUpload } from '#features/files/index.ts'
import { authorsOf, messageJson } from '#features/messages/index.ts'
import { RawJson, type Api } from '#http/endpoint.ts'
import { demand } from '#http/access.ts'
import { badRequest, invalidField } from '#http/errors.ts'
import { conversationIdOf } from '#lib/conversation-id.ts'
import { loadDirect, sendDirect } from './direct.ts'
import { conversationRoutes } from './conversation-routes.ts'
import { peopleRoutes } from './people-routes.ts'
import { DirectPage, DirectSent, LoadDirectInput, SendDirectInput } from './schema.ts'

const tag = 'Direct messages'
const PLAIN =
  'Direct messages are encrypted where they are stored, but not end to end: the operators of the servers of both ' +
  'people can read them.'

export function dmRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/dms/send',
      tag,
      summary: 'Send a direct message to a person',
      description:
        `${PLAIN} Files come in a form, in the field \`attachments\`, several if need be, and need the privilege ` +
        '`upload_files`.',
      access: 'send_messages',
      bucket: 'messages',
      input: SendDirectInput,
      uploads: {
        fields: ['attachments', 'attachments[]'],
        limit: () => ctx.settings.current.max_attachments,
        take: (file, call) => {
          demand(call.actor, 'upload_files')
          return receiveUpload(ctx, file, { purpose: 'attachment' }, call)
        },
      },
      answers: { 201: DirectSent },
      errors: [507],
    },
    async ({ actor, input: { peer: name, message: text = '', ...input }, files }) => {
      if (text === '' && files.length === 0)
        throw invalidField(['body', 'message'], 'field required', 'missing')
      if (input.attachments.length > 0) throw badRequest('Send files as parts of a form, not their addresses')
      const { sent, peer } = await sendDirect(
        ctx,
        actor,
        name,
        { message: text, sent_at: input.sent_at },
        files,
      )
      const ids = { conversation_id: conversationIdOf(sent.channelId), message_id: sent.id }
      const delivery = peer.remote
        ? {
            delivered_local: false,
            delivered_remote: true,
            activity_id: ctx.conversations.remote!.activityIdOf(sent.id),
            delivery_target: peer.remote.deliveryTarget,
          }
        : { delivered_local: true, delivered_remote: false }
      return { message: 'Direct message sent', result: { ...ids, ...delivery } }
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/dms/messages',
      tag,
      summary: 'Load a page of the messages exchanged with a person',
      description: PLAIN,
      access: 'user',
      bucket: 'messages',
      input: LoadDirectInput,
      answers: { 200: DirectPage },
    },
    async ({ actor, input }) => {
      const { conversationId, peer, messages } = await loadDirect(ctx, actor, input)
      const authors = await authorsOf(ctx, messages)
      const items = messages.map((message) => messageJson(message, authors, actor.userId))
      const fields = { status_code: 200, conversation_id: conversationId, peer_actor_uri: peer.actorUri }
      return new RawJson(200, `${JSON.stringify(fields).slice(0, -1)},"messages":[${items.join(',')}]}`)
    },
  )

  conversationRoutes(api, ctx)
  peopleRoutes(api, ctx)
}
