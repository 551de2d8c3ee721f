import type { Context } from '#context'
import type { ConversationRequestTable } from '#db/tables.ts'
import type { MessageContent } from '#events/events.ts'
import type { Profile } from '#features/accounts/index.ts'
import { overviewOf, peopleOf } from '#features/messages/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest } from '#http/errors.ts'
import { accessConversation } from './access.ts'
import { listPending } from './people-store.ts'
import { findConversation, listConversations, participantsOf, type Conversation } from './store.ts'

const MAX_REQUESTS = 100

/** A conversation with all that a list of them shows. */
export interface Overview {
  readonly conversation: Conversation
  readonly participants: readonly string[]
  readonly unread: number
  readonly newest: MessageContent | undefined
  /** Everybody who is shown with it. */
  readonly profiles: ReadonlyMap<string, Profile>
  /** Who looks at it. */
  readonly viewerId: string
}

type Deps = Pick<Context, 'db' | 'messages' | 'profiles'>

/** Conversations of the caller, the last active first. @throws HttpError 400 `before` is none that was given */
export async function listOverviews(
  ctx: Deps,
  actor: Actor,
  page: { limit: number; before: string | undefined },
): Promise<{ overviews: Overview[]; next: string | null }> {
  const before = page.before === undefined ? undefined : parseMark(page.before)
  const rows = await listConversations(ctx.db.read, actor.userId, { limit: page.limit, before })
  const last = rows.length === page.limit ? rows.at(-1) : undefined
  return {
    overviews: await describe(ctx, actor.userId, rows),
    next: last ? `${last.active_at}.${last.id}` : null,
  }
}

/** One conversation of the caller. @throws HttpError 404 */
export async function oneOverview(ctx: Deps, actor: Actor, id: string): Promise<Overview> {
  const conversation = await accessConversation(ctx.db.read, actor, id)
  return (await describe(ctx, actor.userId, [conversation]))[0]!
}

/** What the caller is asked to take part in, the newest first. */
export async function listRequests(
  ctx: Deps,
  actor: Actor,
): Promise<{ request: ConversationRequestTable; overview: Overview }[]> {
  const requests = await listPending(ctx.db.read, actor.userId, MAX_REQUESTS)
  const found = await Promise.all(requests.map(({ channel_id }) => findConversation(ctx.db.read, channel_id)))
  const overviews = await describe(
    ctx,
    actor.userId,
    found.flatMap((conversation) => conversation ?? []),
  )
  return requests.flatMap((request) => {
    const overview = overviews.find(({ conversation }) => conversation.id === request.channel_id)
    return overview ? [{ request, overview }] : []
  })
}

async function describe(ctx: Deps, userId: string, rows: readonly Conversation[]): Promise<Overview[]> {
  const ids = rows.map(({ id }) => id)
  const participants = await participantsOf(ctx.db.read, ids)
  const { newest, unread } = await overviewOf(ctx, userId, ids)
  const authors = peopleOf([...newest.values()])
  const profiles = await ctx.profiles.of([...[...participants.values()].flat(), ...authors])
  return rows.map((conversation) => ({
    conversation,
    participants: participants.get(conversation.id)!,
    unread: unread.get(conversation.id) ?? 0,
    newest: newest.get(conversation.id),
    profiles,
    viewerId: userId,
  }))
}

function parseMark(text: string): { activeAt: number; channelId: string } {
  const [, time, channelId] = /^(\d{1,15})\.([0-9a-f-]{36})$/.exec(text) ?? []
  if (time === undefined || channelId === undefined) throw badRequest('before must be a `next` of this list')
  return { activeAt: Number(time), channelId }
}
