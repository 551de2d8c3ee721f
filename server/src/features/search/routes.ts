import type { Context } from '#context'
import { ChannelParams } from '#features/channels/index.ts'
import { authorsOf, messageJson } from '#features/messages/index.ts'
import { RawJson, type Api } from '#http/endpoint.ts'
import { badRequest } from '#http/errors.ts'
import { ChannelSearchAnswer, ChannelSearchInput, SearchAnswer, SearchInput } from './schema.ts'
import { searchChannel, searchEverywhere, type SearchPage } from './search.ts'

const tag = 'Search'
const MAX_SCAN = 5000

export function searchRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/channels/:channel_id/search',
      tag,
      summary: 'Search the whole history of a channel',
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      input: ChannelSearchInput,
      answers: { 200: ChannelSearchAnswer },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      if (input.scan_limit < 1 || input.scan_limit > MAX_SCAN)
        throw badRequest(`scan_limit must be from 1 to ${MAX_SCAN}`)
      const { channel, ...page } = await searchChannel(ctx, actor, params.channel_id, input)
      return answer(ctx, actor.userId, page, {
        query: input.q.trim(),
        scanned: channel.last_seq,
        truncated_scan: !page.complete,
      })
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/search',
      tag,
      summary: 'Search everything that the caller may see',
      access: 'user',
      bucket: 'default',
      input: SearchInput,
      answers: { 200: SearchAnswer },
    },
    async ({ actor, input }) => {
      const page = await searchEverywhere(ctx, actor, input)
      return answer(ctx, actor.userId, page, { query: input.q.trim(), complete: page.complete })
    },
  )
}

async function answer(
  ctx: Pick<Context, 'profiles'>,
  viewerId: string,
  { messages, nextCursor }: SearchPage,
  fields: object,
): Promise<RawJson> {
  const authors = await authorsOf(ctx, messages)
  const items = messages.map((message) => messageJson(message, authors, viewerId))
  const rest = JSON.stringify({ ...fields, next_cursor: nextCursor }).slice(1)
  return new RawJson(200, `{"status_code":200,"messages":[${items.join(',')}],${rest}`)
}
