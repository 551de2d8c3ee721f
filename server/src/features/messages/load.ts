import type { Context } from '#context'
import type { Db } from '#db/database.ts'
import type { MessageContent } from '#events/events.ts'
import { accessChannel, listVisibleChannels, type ChannelSeen } from '#features/channels/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import {
  firstSeqSince,
  messagesAfter,
  messagesBefore,
  newestRefs,
  readMessageIds,
  seqOfMessage,
  unreadCounts,
  type MessageRef,
} from './store.ts'
import { parseIsoTime } from '#lib/iso-time.ts'

const MAX_PER_PAGE = 50
/** Counting off pages costs as much as reading them; what is further back is found by `before`. */
const MAX_OFFSET = 50_000
const READ_IDS_PER_CHANNEL = 50

type Deps = Pick<Context, 'db' | 'messages' | 'recentPages'>

export interface PageRequest {
  page: number
  messages_per_page: number
  before?: string | null | undefined
  after?: string | null | undefined
  around?: string | null | undefined
}

/** A page of a channel's history, oldest first. @throws HttpError 400, 404 */
export async function loadMessages(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  request: PageRequest,
): Promise<readonly MessageContent[]> {
  checkPage(request)
  return pageOfChannel(ctx, await accessChannel(ctx.db.read, actor, channelId), request)
}

function checkPage({ page, messages_per_page: limit, before, after, around }: PageRequest): void {
  if (limit < 1 || limit > MAX_PER_PAGE)
    throw badRequest(`messages_per_page must be from 1 to ${MAX_PER_PAGE}`)
  if (page < 1) throw badRequest('page must be at least 1')
  if ([before, after, around].filter(Boolean).length > 1) {
    throw badRequest('Only one of before, after and around can be used')
  }
}

/** A page of a channel that the caller has been found to see. */
export async function pageOfChannel(
  ctx: Deps,
  channel: Pick<ChannelSeen, 'id' | 'last_seq' | 'changes'>,
  request: PageRequest,
): Promise<readonly MessageContent[]> {
  const { page, messages_per_page: limit } = request
  const { id: channelId } = channel
  const db = ctx.db.read
  if (page > 1 || request.after || request.around) {
    return ctx.messages.read(db, await pageOf(db, channelId, request))
  }
  const before = request.before ? (await placeOf(db, channelId, request.before)).first : undefined
  return ctx.recentPages.get(channel, { limit, before }, async () =>
    ctx.messages.read(db, (await messagesBefore(db, channelId, before, { limit })).toReversed()),
  )
}

async function pageOf(db: Db, channelId: string, request: PageRequest): Promise<MessageRef[]> {
  const { page, messages_per_page: limit, before, after, around } = request
  if (after) return messagesAfter(db, channelId, (await placeOf(db, channelId, after)).last, limit)
  if (around) {
    const { first } = await placeOf(db, channelId, around)
    const older = await messagesBefore(db, channelId, first, { limit: Math.floor(limit / 2) })
    const newer = await messagesAfter(db, channelId, first - 1, limit - older.length)
    return [...older.toReversed(), ...newer]
  }
  const offset = (page - 1) * limit
  if (offset > MAX_OFFSET)
    throw badRequest('This page is too far back: use before with the oldest message you have')
  const below = before ? (await placeOf(db, channelId, before)).first : undefined
  return (await messagesBefore(db, channelId, below, { limit, offset })).toReversed()
}

/**
 * A place in the history: the numbers before which (`first`) and after which (`last`) to look. For a message
 * they are the same; for a time, `first` is the first message since and `last` the one before it.
 */
async function placeOf(db: Db, channelId: string, text: string): Promise<{ first: number; last: number }> {
  if (/^\d{1,15}$/.test(text)) return { first: Number(text), last: Number(text) }
  if (isId(text)) {
    const seq = await seqOfMessage(db, channelId, text)
    if (seq === undefined) throw notFound('message_id', text)
    return { first: seq, last: seq }
  }
  const time = parseIsoTime(text)
  if (time === undefined)
    throw badRequest('before, after and around take a message id, a seq or an ISO 8601 time')
  const first = (await firstSeqSince(db, channelId, time)) ?? Number.MAX_SAFE_INTEGER
  return { first, last: first - 1 }
}

/** What was said last in each of some channels, and how much of each a person has not read. */
export async function overviewOf(
  ctx: Pick<Context, 'db' | 'messages'>,
  userId: string,
  channelIds: readonly string[],
): Promise<{ newest: Map<string, MessageContent>; unread: Map<string, number> }> {
  const messages = await ctx.messages.read(ctx.db.read, await newestRefs(ctx.db.read, channelIds))
  return {
    newest: new Map(messages.map((message) => [message.channelId, message])),
    unread: await unreadCounts(ctx.db.read, userId, channelIds),
  }
}

/** What a client needs at its start: where the person has read to, in every channel they may see. */
export async function readHistory(
  db: Db,
  actor: Actor,
): Promise<{ viewedMessageIds: string[]; unreadCounts: Map<string, number> }> {
  const channels = await listVisibleChannels(db, actor)
  const ids = channels.map(({ id }) => id)
  const [viewedMessageIds, unread] = await Promise.all([
    readMessageIds(db, actor.userId, ids, READ_IDS_PER_CHANNEL),
    unreadCounts(db, actor.userId, ids),
  ])
  return { viewedMessageIds, unreadCounts: unread }
}
