import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { DomainEvent, Reaction } from '#events/events.ts'
import { lockChannel, noteChange } from '#features/channels/index.ts'
import { demand, type Actor } from '#http/access.ts'
import { badRequest } from '#http/errors.ts'
import { characterCount, cleanLine } from '#lib/text.ts'
import { reactionsOf } from './content.ts'
import { countReactions, deleteReaction, insertReaction } from './conversation-store.ts'
import { accessMessage } from './mark.ts'

const MAX_LENGTH = 32
/** Different emoji on a message. */
const MAX_EMOJI = 20

type Deps = Pick<Context, 'db' | 'clock' | 'conversations'>

type ReactionEvent = Extract<DomainEvent, { readonly type: 'reaction.added' | 'reaction.removed' }>

export interface Reacted {
  readonly emoji: string
  /** False when nothing was to be done. */
  readonly changed: boolean
  readonly reactions: readonly Reaction[]
}

/** Puts an emoji on a message. @throws HttpError 400, 403, 404 */
export function addReaction(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  messageId: string,
  input: string,
): Promise<Reacted> {
  const emoji = emojiOf(input)
  return ctx.db.transact(async (tx) => {
    await lockChannel(tx, channelId)
    const { channel } = await accessMessage(tx, actor, channelId, messageId)
    demand(actor, 'send_messages', channel.standing)
    if (channel.type === 'dm') await ctx.conversations.admitReaction(tx, channelId, actor.userId)
    const row = { message_id: messageId, emoji, user_id: actor.userId, created_at: ctx.clock() }
    const changed = await insertReaction(tx, row)
    const reactions = (await reactionsOf(tx, [messageId])).get(messageId) ?? []
    if (reactions.length > MAX_EMOJI) throw badRequest(`A message has at most ${MAX_EMOJI} different emoji`)
    if (changed) {
      noteReaction(tx, 'reaction.added', { channelId, messageId, userId: actor.userId, emoji, reactions })
    }
    return { emoji, changed, reactions }
  })
}

/** Takes one's own emoji away from a message. @throws HttpError 400, 404 */
export function removeReaction(
  ctx: Pick<Context, 'db'>,
  actor: Actor,
  channelId: string,
  messageId: string,
  input: string,
): Promise<Reacted> {
  const emoji = emojiOf(input)
  return ctx.db.transact(async (tx) => {
    await lockChannel(tx, channelId)
    await accessMessage(tx, actor, channelId, messageId)
    const changed = await deleteReaction(tx, { message_id: messageId, emoji, user_id: actor.userId })
    const reactions = (await reactionsOf(tx, [messageId])).get(messageId) ?? []
    if (changed) {
      noteReaction(tx, 'reaction.removed', { channelId, messageId, userId: actor.userId, emoji, reactions })
    }
    return { emoji, changed, reactions }
  })
}

/** Counts a reaction that came or went, and tells of it. */
function noteReaction(tx: Tx, type: ReactionEvent['type'], change: Omit<ReactionEvent, 'type'>): void {
  countReactions(tx, change.messageId, type === 'reaction.added' ? 1 : -1)
  noteChange(tx, change.channelId)
  tx.publish({ type, ...change })
}

/** An emoji as it is stored. Clients have names for their own ones too, so any short text will do. */
function emojiOf(input: string): string {
  const emoji = cleanLine(input.normalize('NFC'))
  if (emoji === '' || characterCount(emoji) > MAX_LENGTH)
    throw badRequest(`emoji must have 1 to ${MAX_LENGTH} characters`)
  return emoji
}
