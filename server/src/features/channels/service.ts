import type { Context } from '#context'
import type { ChannelFacts, ChannelType } from '#events/events.ts'
import { isUniqueViolation } from '#db/errors.ts'
import { findUser, foldCase } from '#features/accounts/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { overridesFor, rolesOf } from '#features/roles/index.ts'
import { recordActivity } from '#features/stats/index.ts'
import type { Db, Tx } from '#db/database.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, conflict, forbidden, invalidField, notFound } from '#http/errors.ts'
import { isId, newId } from '#lib/id.ts'
import { can, noOverrides } from '#lib/permission.ts'
import { characterCount, cleanLine } from '#lib/text.ts'
import { accessChannelWith, channelNotFound, listVisibleChannels, type AccessibleChannel } from './access.ts'
import { listCategories } from './category-store.ts'
import { inOrder } from './order.ts'
import { deleteMember, insertChannel, insertMember, markChannelDeleted, membersByChannel } from './store.ts'
import { factsOf } from './wire.ts'

const MAX_NAME = 100

type Deps = Pick<Context, 'db' | 'clock' | 'roles'>

/** The channels that `actor` may see, in the order of lists, with the members of the private ones. */
export async function listChannels(
  db: Db,
  actor: Actor,
): Promise<{ channel: ChannelFacts; members: readonly string[] | null }[]> {
  const rows = await listVisibleChannels(db, actor)
  const members = await membersByChannel(
    db,
    rows.filter((row) => row.is_private).map(({ id }) => id),
  )
  return inOrder(rows, await listCategories(db)).map((row) => ({
    channel: factsOf(row),
    members: members.get(row.id) ?? null,
  }))
}

/** Creates a channel; whoever makes a private one is its first member. @throws HttpError 409, 422 */
export async function createChannel(
  ctx: Deps,
  actor: Actor,
  input: { name: string; isPrivate: boolean; type: ChannelType },
): Promise<ChannelFacts> {
  const name = channelNameOf(input.name)
  const now = ctx.clock()
  const row = {
    id: newId(now),
    name,
    name_key: foldCase(name),
    type: input.type,
    is_private: input.isPrivate ? (1 as const) : (0 as const),
    last_seq: 0,
    changes: 0,
    access_revision: 0,
    slow_mode_seconds: 0,
    topic: null,
    category_id: null,
    position: null,
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
      recordActivity(tx, {
        type: 'channel_created',
        userId: actor.userId,
        channelId: row.id,
        details: {
          channel_name: name,
          channel_id: row.id,
          is_private: input.isPrivate,
          created_by: actor.userId,
        },
        at: now,
      })
      if (!input.isPrivate) return
      await insertMember(tx, row.id, actor.userId, now)
      tx.publish({ type: 'channel.member_added', channel, userId: actor.userId })
    })
  } catch (error) {
    throw asNameTaken(error, name)
  }
  return channel
}

/** A name as it will be stored. @throws HttpError 422 */
export function channelNameOf(input: string): string {
  const name = cleanLine(input.normalize('NFC'))
  if (name === '' || characterCount(name) > MAX_NAME) {
    throw invalidField(['body', 'channel_name'], `must have 1 to ${MAX_NAME} characters`, 'value_error')
  }
  return name
}

/** What broke, or 409 if the unique index of names did. */
export function asNameTaken(error: unknown, name: string): unknown {
  return isUniqueViolation(error, 'name_key')
    ? conflict(`The channel name '${name}' is already taken`)
    : error
}

/** Deletes a channel at once for everybody; its messages are purged in the background. @throws HttpError 403, 404 */
export async function deleteChannel(ctx: Deps, actor: Actor, channelId: string): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const { name } = await accessChannelWith(tx, actor, 'delete_channels', channelId)
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
    if (await seesAnyway(ctx, tx, channel, userId)) return 'skipped'
    const added = await insertMember(tx, channelId, userId, ctx.clock())
    if (added) {
      tx.publish({ type: 'channel.member_added', channel: factsOf(channel), userId })
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
    const channel = await accessPrivateChannel(tx, actor, channelId)
    if (await seesAnyway(ctx, tx, channel, userId))
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

async function accessPrivateChannel(db: Db, actor: Actor, channelId: string): Promise<AccessibleChannel> {
  const channel = await accessChannelWith(db, actor, 'manage_channel_users', channelId)
  if (channel.is_private === 0) throw badRequest(`Channel ID: '${channelId}' is not private`)
  return channel
}

/** Whether the roles of somebody show them the channel, so that it means nothing to be its member. */
async function seesAnyway(ctx: Deps, tx: Tx, channel: AccessibleChannel, userId: string): Promise<boolean> {
  const user = isId(userId) ? await findUser(tx, userId) : undefined
  // People of other servers can be written to, but our channels are not theirs.
  if (!user || user.origin_server !== null) throw notFound('User', userId)
  const person = ctx.roles.standing(userId, await rolesOf(tx, userId), null)
  const overrides = (await overridesFor(tx, [channel.id], person)).get(channel.id) ?? noOverrides
  const standing = { ...channel.standing, isMember: false, overrides }
  const { allowed, because } = can(person, 'view_messages', standing)
  return allowed && (because.by === 'owner' || because.by === 'role')
}
