import type { Context } from '#context'
import { RawJson, type Api } from '#http/endpoint.ts'
import { messageAnswer } from '#http/schemas.ts'
import type { Actor } from '#http/access.ts'
import { addToGroup, createGroup, leaveGroup, renameGroup } from './groups.ts'
import { listOverviews, oneOverview } from './overview.ts'
import {
  AddInput,
  ConversationList,
  ConversationMade,
  ConversationParams,
  CreateGroupInput,
  ListInput,
  OneConversation,
  RenameInput,
} from './schema.ts'
import { overviewJson } from './wire.ts'

const tag = 'Direct messages'

export function conversationRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/dms/conversations',
      tag,
      summary: 'List the conversations of the caller, the last active first',
      access: 'user',
      bucket: 'default',
      input: ListInput,
      answers: { 200: ConversationList },
    },
    async ({ actor, input: { limit, before } }) => {
      const { overviews, next } = await listOverviews(ctx, actor, { limit, before })
      const items = overviews.map(overviewJson).join(',')
      return new RawJson(200, `{"status_code":200,"conversations":[${items}],"next":${JSON.stringify(next)}}`)
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/dms/conversations/:conversation_id',
      tag,
      summary: 'One conversation of the caller',
      access: 'user',
      bucket: 'default',
      params: ConversationParams,
      answers: { 200: OneConversation },
      errors: [404],
    },
    ({ actor, params }) => answerWith(ctx, actor, params.conversation_id, 200),
  )

  groupRoutes(api, ctx)
}

function groupRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/dms/groups',
      tag,
      summary: 'Begin a conversation of several people',
      description: 'Of this server, at most 50. Whoever wants to be asked first is asked.',
      access: 'send_messages',
      bucket: 'messages',
      input: CreateGroupInput,
      answers: { 201: ConversationMade },
      errors: [409],
    },
    async ({ actor, input: { name, participants: peers } }) =>
      answerWith(ctx, actor, await createGroup(ctx, actor, { name, peers }), 201),
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/dms/groups/:conversation_id',
      tag,
      summary: 'Give a group another name',
      access: 'user',
      bucket: 'default',
      params: ConversationParams,
      input: RenameInput,
      answers: { 200: OneConversation },
      errors: [404],
    },
    async ({ actor, params, input }) =>
      answerWith(ctx, actor, await renameGroup(ctx, actor, params.conversation_id, input.name), 200),
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/dms/groups/:conversation_id/participants',
      tag,
      summary: 'Bring people into a group',
      description: 'They can read what was said before. Whoever wants to be asked first is asked.',
      access: 'send_messages',
      bucket: 'default',
      params: ConversationParams,
      input: AddInput,
      answers: { 200: OneConversation },
      errors: [404, 409],
    },
    async ({ actor, params, input }) =>
      answerWith(ctx, actor, await addToGroup(ctx, actor, params.conversation_id, input.participants), 200),
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/dms/groups/:conversation_id/leave',
      tag,
      summary: 'Leave a group',
      access: 'user',
      bucket: 'default',
      params: ConversationParams,
      answers: { 200: messageAnswer(200, 'You have left the group') },
      errors: [404],
    },
    async ({ actor, params }) => {
      await leaveGroup(ctx, actor, params.conversation_id)
      return { message: 'You have left the group' }
    },
  )
}

async function answerWith(ctx: Context, actor: Actor, id: string, status: 200 | 201): Promise<RawJson> {
  const conversation = overviewJson(await oneOverview(ctx, actor, id))
  return new RawJson(status, `{"status_code":${status},"conversation":${conversation}}`)
}
