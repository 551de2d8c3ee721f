import type { Context } from '#context'
import { RawJson, type Api } from '#http/endpoint.ts'
import { preference } from '#http/preference.ts'
import { messageAnswer } from '#http/schemas.ts'
import { isoTime } from '#lib/clock.ts'
import { listRequests } from './overview.ts'
import { blockPerson, choosePreferences, unblockPerson } from './people.ts'
import { listBlocks, readAcceptFrom, showsWhatIsRead } from './people-store.ts'
import { acceptRequest, refuseRequest } from './requests.ts'
import {
  BlockList,
  ConversationParams,
  DmSettings,
  DmSettingsAnswer,
  PersonInput,
  RequestList,
} from './schema.ts'
import { overviewJson } from './wire.ts'

const tag = 'Direct messages'

export function peopleRoutes(api: Api, ctx: Context): void {
  requestRoutes(api, ctx)
  settingRoutes(api, ctx)
  blockRoutes(api, ctx)
}

function requestRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/dms/requests',
      tag,
      summary: 'List the conversations that the caller is asked to take part in',
      description: 'The newest 100 that were not answered.',
      access: 'user',
      bucket: 'default',
      answers: { 200: RequestList },
    },
    async ({ actor }) => {
      const items = (await listRequests(ctx, actor)).map(({ request, overview }) => {
        const fields = { from_user_id: request.from_id, requested_at: isoTime(request.created_at) }
        return `${JSON.stringify(fields).slice(0, -1)},"conversation":${overviewJson(overview)}}`
      })
      return new RawJson(200, `{"status_code":200,"requests":[${items.join(',')}]}`)
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/dms/requests/:conversation_id/accept',
      tag,
      summary: 'Take part in a conversation that one was asked into',
      access: 'user',
      bucket: 'default',
      params: ConversationParams,
      answers: { 200: messageAnswer(200, 'Request accepted') },
      errors: [404, 409],
    },
    async ({ actor, params }) => {
      await acceptRequest(ctx, actor, params.conversation_id)
      return { message: 'Request accepted' }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/dms/requests/:conversation_id/decline',
      tag,
      summary: 'Want no part in a conversation',
      description: 'Whoever asked is not told. To write to them takes it back.',
      access: 'user',
      bucket: 'default',
      params: ConversationParams,
      answers: { 200: messageAnswer(200, 'Request declined') },
      errors: [404],
    },
    async ({ actor, params }) => {
      await refuseRequest(ctx, actor, params.conversation_id)
      return { message: 'Request declined' }
    },
  )
}

function settingRoutes(api: Api, ctx: Context): void {
  preference(
    api,
    {
      path: '/api/v1/dms/settings',
      tag,
      read: 'From whom the caller takes new conversations, and who sees what they have read',
      change: {
        summary: 'Say from whom one takes new conversations, and who sees what one has read',
        description: 'What is left out stays as it is. Conversations that one has stay.',
      },
      input: DmSettings,
      answer: DmSettingsAnswer,
    },
    {
      show: (userId) => settingsOf(ctx, userId),
      choose: (userId, { accept_from: acceptFrom, read_receipts: readReceipts }) =>
        choosePreferences(ctx, userId, { acceptFrom, readReceipts }),
    },
  )
}

function blockRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/dms/blocked',
      tag,
      summary: 'List whom the caller has blocked',
      access: 'user',
      bucket: 'default',
      answers: { 200: BlockList },
    },
    async ({ actor }) => {
      const rows = await listBlocks(ctx.db.read, actor.userId)
      const blocked = rows.map(({ blocked_id: user_id, username, created_at }) => ({
        user_id,
        username,
        blocked_at: isoTime(created_at),
      }))
      return { blocked }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/dms/block',
      tag,
      summary: 'Block a person',
      description:
        'Neither can write to the other any more. The other is not told, and sees what somebody sees who writes to ' +
        'a person that takes no messages. In groups that both are in, both are still read.',
      access: 'user',
      bucket: 'default',
      input: PersonInput,
      answers: { 200: messageAnswer(200, "'johndoe' is blocked") },
    },
    async ({ actor, input }) => {
      const { username } = await blockPerson(ctx, actor, input.peer)
      return { message: `'${username}' is blocked` }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/dms/unblock',
      tag,
      summary: 'Take the block of a person back',
      access: 'user',
      bucket: 'default',
      input: PersonInput,
      answers: { 200: messageAnswer(200, "'johndoe' is not blocked any more") },
      errors: [404],
    },
    async ({ actor, input }) => {
      const { username } = await unblockPerson(ctx, actor, input.peer)
      return { message: `'${username}' is not blocked any more` }
    },
  )
}

async function settingsOf({ db }: Pick<Context, 'db'>, userId: string) {
  return {
    accept_from: await readAcceptFrom(db.read, userId),
    read_receipts: await showsWhatIsRead(db.read, userId),
  }
}
