import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import { ChannelParams } from '#features/channels/index.ts'
import { RawJson, type Api } from '#http/endpoint.ts'
import type { Actor } from '#http/access.ts'
import { isoTime } from '#lib/clock.ts'
import { authorsOf } from './authors.ts'
import { editMessage, messageHistory } from './edit.ts'
import { oneMessage } from './mark.ts'
import { listPins, setPinned } from './pins.ts'
import { addReaction, removeReaction, type Reacted } from './reactions.ts'
import {
  EditInput,
  EmojiInput,
  MessageEdited,
  MessageHistory,
  MessageList,
  MessageParams,
  OneMessage,
  PinAnswer,
  ReactionAdded,
  ReactionRemoved,
  ThreadAnswer,
  ThreadInput,
} from './schema.ts'
import { loadThread } from './threads.ts'
import { messageJson, reactionsJson } from './wire.ts'

const tag = 'Messages'
const MESSAGE = '/api/v1/channels/:channel_id/messages/:message_id'
const PINS = 'Needs `moderate_content` in a channel, and `send_messages` in a direct conversation.'

/** What is done with a message once it is there. */
export function conversationRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: MESSAGE,
      tag,
      summary: 'Load one message',
      access: 'user',
      bucket: 'messages',
      params: MessageParams,
      answers: { 200: OneMessage },
      errors: [404],
    },
    async ({ actor, params }) => {
      const message = await oneMessage(ctx, actor, params.channel_id, params.message_id)
      const [json] = await jsonOf(ctx, actor, [message])
      return new RawJson(200, `{"status_code":200,"message_data":${json}}`)
    },
  )

  api.endpoint(
    {
      method: 'PUT',
      path: MESSAGE,
      tag,
      summary: 'Edit a message',
      description:
        "One's own, or anybody's with the privilege `edit_messages` in the channel. What it said before is kept for " +
        'moderators. 409 when it was edited at the same time.',
      access: 'user',
      bucket: 'messages',
      params: MessageParams,
      input: EditInput,
      answers: { 200: MessageEdited },
      errors: [404, 409],
    },
    async ({ actor, params, input }) => {
      const message = await editMessage(ctx, actor, params.channel_id, params.message_id, input.message)
      const [json] = await jsonOf(ctx, actor, [message])
      return new RawJson(
        200,
        `{"status_code":200,"message":"The message has been edited","message_data":${json}}`,
      )
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: `${MESSAGE}/history`,
      tag,
      summary: 'What a message said before it was edited',
      description: 'Needs the privilege `moderate_content` in the channel.',
      access: 'user',
      bucket: 'default',
      params: MessageParams,
      answers: { 200: MessageHistory },
      errors: [404],
    },
    async ({ actor, params }) => {
      const revisions = await messageHistory(ctx, actor, params.channel_id, params.message_id)
      return {
        message_id: params.message_id,
        revisions: revisions.map(({ revision, text, writtenAt, writtenBy }) => ({
          revision,
          message: text,
          written_at: isoTime(writtenAt),
          written_by: writtenBy,
        })),
      }
    },
  )

  api.endpoint(
    {
      method: 'GET',
      path: `${MESSAGE}/thread`,
      tag,
      summary: 'Load a thread',
      description:
        'The message that began it and a page of the others: the newest ones, or those before or after a `seq`. ' +
        'Messages of threads are also in the history of the channel.',
      access: 'user',
      bucket: 'messages',
      params: MessageParams,
      input: ThreadInput,
      answers: { 200: ThreadAnswer },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      const { id, root, messages } = await loadThread(ctx, actor, params.channel_id, params.message_id, input)
      const items = await jsonOf(ctx, actor, root ? [root, ...messages] : messages)
      const first = root ? items.shift() : 'null'
      return new RawJson(
        200,
        `{"status_code":200,"thread_id":"${id}","root":${first},"messages":[${items.join(',')}]}`,
      )
    },
  )

  reactionRoutes(api, ctx)
  pinRoutes(api, ctx)
}

function reactionRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: `${MESSAGE}/reactions`,
      tag,
      summary: 'Put an emoji on a message',
      description: 'Needs the privilege `send_messages` in the channel.',
      access: 'user',
      bucket: 'messages',
      params: MessageParams,
      input: EmojiInput,
      placement: 'query or body',
      answers: { 201: ReactionAdded },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      const reacted = await addReaction(ctx, actor, params.channel_id, params.message_id, input.emoji)
      const state = { status_code: reacted.changed ? 201 : 200, already_present: !reacted.changed }
      return new RawJson(201, reactedJson(state, params, reacted, actor))
    },
  )

  api.endpoint(
    {
      method: 'DELETE',
      path: `${MESSAGE}/reactions`,
      tag,
      summary: "Take one's own emoji away from a message",
      access: 'user',
      bucket: 'messages',
      params: MessageParams,
      input: EmojiInput,
      placement: 'query or body',
      answers: { 200: ReactionRemoved },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      const reacted = await removeReaction(ctx, actor, params.channel_id, params.message_id, input.emoji)
      const state = { status_code: 200, already_absent: !reacted.changed }
      return new RawJson(200, reactedJson(state, params, reacted, actor))
    },
  )
}

function pinRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/channels/:channel_id/pins',
      tag,
      summary: 'List the pinned messages of a channel',
      description: 'What was pinned last comes first.',
      access: 'user',
      bucket: 'messages',
      params: ChannelParams,
      answers: { 200: MessageList },
      errors: [404],
    },
    async ({ actor, params }) => {
      const items = await jsonOf(ctx, actor, await listPins(ctx, actor, params.channel_id))
      return new RawJson(200, `{"status_code":200,"messages":[${items.join(',')}]}`)
    },
  )

  for (const isPinned of [true, false]) {
    api.endpoint(
      {
        method: isPinned ? 'PUT' : 'DELETE',
        path: `${MESSAGE}/pin`,
        tag,
        summary: isPinned ? 'Pin a message' : 'Unpin a message',
        description: PINS,
        access: 'user',
        bucket: 'default',
        params: MessageParams,
        answers: { 200: PinAnswer },
        errors: [404],
      },
      async ({ actor, params }) => {
        const changed = await setPinned(ctx, actor, params.channel_id, params.message_id, { isPinned })
        return { message: `The message has been ${isPinned ? 'pinned' : 'unpinned'}`, changed }
      },
    )
  }
}

function reactedJson(
  state: object,
  params: { channel_id: string; message_id: string },
  { emoji, reactions }: Reacted,
  actor: Actor,
): string {
  const fields = JSON.stringify({
    ...state,
    message_id: params.message_id,
    channel_id: params.channel_id,
    emoji,
  })
  return `${fields.slice(0, -1)},"reactions":${reactionsJson(reactions, actor.userId)}}`
}

async function jsonOf(
  ctx: Pick<Context, 'profiles'>,
  actor: Actor,
  messages: readonly MessageContent[],
): Promise<string[]> {
  const authors = await authorsOf(ctx, messages)
  return messages.map((message) => messageJson(message, authors, actor.userId))
}
