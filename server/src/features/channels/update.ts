import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { ChannelTable } from '#db/tables.ts'
import { foldCase } from '#features/accounts/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { listOverrides } from '#features/roles/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, invalidField } from '#http/errors.ts'
import { characterCount, cleanText } from '#lib/text.ts'
import { accessChannelWith, channelNotFound, type AccessibleChannel } from './access.ts'
import { holdCategories } from './categories.ts'
import { asNameTaken, channelNameOf } from './service.ts'
import { insertMember, membersByChannel, updateChannel } from './store.ts'
import { factsOf } from './wire.ts'

export interface ChannelEdit {
  readonly name?: string | undefined
  readonly isPrivate?: boolean | undefined
  readonly slowModeSeconds?: number | undefined
  readonly topic?: string | null | undefined
  readonly categoryId?: string | null | undefined
  readonly position?: number | undefined
}

const MAX_TOPIC = 1024

/**
 * Changes a channel for everybody at once. Whoever makes it private becomes its member; who was a member of it while
 * it was private before is one again.
 *
 * @returns the channel, with its members if it is private
 * @throws HttpError 400 nothing to change, 403, 404, 409 name taken, 422
 */
export async function editChannel(
  ctx: Pick<Context, 'db' | 'clock'>,
  actor: Actor,
  channelId: string,
  edit: ChannelEdit,
): Promise<{ channel: ChannelTable; members: readonly string[] | null }> {
  if (Object.values(edit).every((value) => value === undefined)) {
    throw badRequest('Nothing to update: send channel_name, is_private, slow_mode_seconds, topic or a place')
  }
  const name = edit.name === undefined ? undefined : channelNameOf(edit.name)
  const topic = edit.topic === undefined ? undefined : topicOf(edit.topic)
  try {
    return await ctx.db.transact(async (tx) => {
      const now = ctx.clock()
      const before = await accessChannelWith(tx, actor, 'edit_channels', channelId)
      const turns = edit.isPrivate !== undefined && edit.isPrivate !== (before.is_private === 1)
      const change = {
        ...(name !== undefined && { name, name_key: foldCase(name) }),
        ...(edit.slowModeSeconds !== undefined && { slow_mode_seconds: edit.slowModeSeconds }),
        ...(topic !== undefined && { topic }),
        ...(edit.categoryId !== undefined && { category_id: edit.categoryId }),
        ...(edit.position !== undefined && { position: edit.position }),
        ...(turns && { is_private: edit.isPrivate ? (1 as const) : (0 as const) }),
      }
      if (edit.categoryId) await holdCategories(tx, [edit.categoryId])
      const row = await updateChannel(tx, channelId, change, { access: turns, now })
      if (!row) throw channelNotFound(channelId)
      const channel = factsOf(row)
      if (turns) await announceTurn(tx, row, actor.userId, now)
      tx.publish({ type: 'channel.updated', channel })
      recordAudit(tx, {
        actorId: actor.userId,
        action: 'channel.updated',
        targetType: 'channel',
        targetId: channelId,
        details: { before: detailsOf(before), after: detailsOf(row) },
        at: now,
      })
      const members = row.is_private === 1 ? (await membersByChannel(tx, [channelId])).get(channelId)! : null
      return { channel: row, members }
    })
  } catch (error) {
    throw name === undefined ? error : asNameTaken(error, name)
  }
}

/** Tells who may see the channel from now on. */
async function announceTurn(tx: Tx, row: ChannelTable, userId: string, now: number): Promise<void> {
  const channel = factsOf(row)
  const joins = channel.isPrivate && (await insertMember(tx, row.id, userId, now))
  tx.publish({
    type: 'channel.access_changed',
    channel,
    revision: row.access_revision,
    overrides: await listOverrides(tx, row.id),
    ...(joins && { member: userId }),
  })
  if (joins) tx.publish({ type: 'channel.member_added', channel, userId })
}

/** A topic as it will be stored. @throws HttpError 422 */
function topicOf(input: string | null): string | null {
  const topic = cleanText((input ?? '').normalize('NFC')).trim()
  if (characterCount(topic) > MAX_TOPIC)
    throw invalidField(['body', 'topic'], `must have at most ${MAX_TOPIC} characters`, 'value_error')
  return topic === '' ? null : topic
}

function detailsOf(row: ChannelTable | AccessibleChannel) {
  const { name, is_private, slow_mode_seconds, topic, category_id, position } = row
  return { channel_name: name, is_private: is_private === 1, slow_mode_seconds, topic, category_id, position }
}
