import type { Context } from '#context'
import type { ChannelFacts, ChannelType } from '#events/events.ts'
import { isUniqueViolation } from '#db/errors.ts'
import { findUser, foldCase, rolesByUser } from '#features/accounts/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { rightsOf } from '#features/roles/index.ts'
import type { Db } from '#db/database.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, conflict, forbidden, invalidField, notFound } from '#http/errors.ts'
import { isId, newId } from '#lib/id.ts'
import { characterCount, cleanLine } from '#lib/text.ts'
import { accessChannel, channelNotFound } from './access.ts'
import {
  deleteMember,
  insertChannel,
  insertMember,
  listVisibleChannels,
  markChannelDeleted,
  membersByChannel,
} from './store.ts'
import { factsOf } from './wire.ts'

const MAX_NAME = 100

type Deps = Pick<Context, 'db' | 'clock'>

/** The channels that `actor` may see, with the members of the private ones. */
export async function listChannels(
  db: Db,
  actor: Actor,
): Promise<{ channel: ChannelFacts; members: readonly string[] | null }[]> {
  const rows = await listVisibleChannels(db, actor.userId, {
    seesPrivate: actor.rights.has('view_private_channels'),
  })
  const members = await membersByChannel(
    db,
    rows.filter((row) => row.is_private).map(({ id }) => id),
  )
  return rows.map((row) => ({ channel: factsOf(row), members: members.get(row.id) ?? null }))
}

/** Creates a channel; whoever makes a private one is its first member. @throws HttpError 409, 422 */
export async function createChannel(
  ctx: Deps,
  actor: Actor,
  input: { name: string; isPrivate: boolean; type: ChannelType },
): Promise<ChannelFacts> {
  const name = cleanLine(input.name.normalize('NFC'))
  if (name === '' || characterCount(name) > MAX_NAME) {
    throw invalidField(['body', 'channel_name'], `must have 1 to ${MAX_NAME} characters`, 'value_error')
  }
  const now = ctx.clock()
  const row = {
    id: newId(now),
    name,
    name_key: foldCase(name),
    type: input.type,
    is_private: input.isPrivate ? (1 as const) : (0 as const),
    last_seq: 0,
    changes: 0,
    created_by: actor.userId,
    created_at: now,
    updated_at: now,
    deleted_at: null,
  }
  const channel = factsOf(row)
  try {
    await ctx.db.transact(async (tx) => {
      await insertChannel(tx, row)
      tx.publish({ type: 'channel.created', channel })
      recordAudit(tx, {
        ...onChannel(ctx, actor, row.id, 'channel.created'),
        details: { channel_name: name, channel_type: input.type, is_private: input.isPrivate },
      })
      if (!input.isPrivate) return
      await insertMember(tx, row.id, actor.userId, now)
      tx.publish({ type: 'channel.member_added', channel, userId: actor.userId })
    })
  } catch (error) {
    if (isUniqueViolation(error, 'name_key')) throw conflict(`The channel name '${name}' is already taken`)
    throw error
  }
  return channel
}

/** Deletes a channel at once for everybody; its messages are purged in the background. @throws HttpError 404 */
export async function deleteChannel(ctx: Deps, actor: Actor, channelId: string): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const { name } = await accessChannel(tx, actor, channelId)
    if (!(await markChannelDeleted(tx, channelId, ctx.clock()))) throw channelNotFound(channelId)
    tx.enqueue({ type: 'messages.purge', payload: { channelId } })
    tx.publish({ type: 'channel.deleted', channelId })
    recordAudit(tx, {
      ...onChannel(ctx, actor, channelId, 'channel.deleted'),
      details: { channel_name: name },
    })
  })
}

/**
 * Lets somebody into a private channel. Doing it twice is no error.
 *
 * @returns `skipped` when the person sees every private channel anyway
 * @throws HttpError 400 public channel, 404
 */
export async function addMember(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  userId: string,
): Promise<'added' | 'skipped'> {
  return ctx.db.transact(async (tx) => {
    const channel = await accessPrivateChannel(tx, actor, channelId)
    if (await seesPrivateChannels(tx, userId)) return 'skipped'
    const added = await insertMember(tx, channelId, userId, ctx.clock())
    if (added) {
      tx.publish({ type: 'channel.member_added', channel, userId })
      recordAudit(tx, {
        ...onChannel(ctx, actor, channelId, 'channel.member_added'),
        details: { user_id: userId },
      })
    }
    return 'added'
  })
}

/** Takes somebody out of a private channel. @throws HttpError 400, 403 when the person sees every channel, 404 */
export async function removeMember(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  userId: string,
): Promise<void> {
  await ctx.db.transact(async (tx) => {
    await accessPrivateChannel(tx, actor, channelId)
    if (await seesPrivateChannels(tx, userId))
      throw forbidden('Admins and owners cannot be removed from a channel')
    if (!(await deleteMember(tx, channelId, userId))) throw notFound('A member of this channel', userId)
    tx.publish({ type: 'channel.member_removed', channelId, userId })
    recordAudit(tx, {
      ...onChannel(ctx, actor, channelId, 'channel.member_removed'),
      details: { user_id: userId },
    })
  })
}

function onChannel(ctx: Pick<Context, 'clock'>, actor: Actor, channelId: string, action: string) {
  return { actorId: actor.userId, action, targetType: 'channel', targetId: channelId, at: ctx.clock() }
}

async function accessPrivateChannel(db: Db, actor: Actor, channelId: string): Promise<ChannelFacts> {
  const channel = factsOf(await accessChannel(db, actor, channelId))
  if (!channel.isPrivate) throw badRequest(`Channel ID: '${channelId}' is not private`)
  return channel
}

async function seesPrivateChannels(db: Db, userId: string): Promise<boolean> {
  if (!isId(userId) || !(await findUser(db, userId))) throw notFound('User', userId)
  const roles = await rolesByUser(db, [userId])
  return rightsOf(roles.get(userId) ?? []).has('view_private_channels')
}
