import type { Context } from '#context'
import type { Db, Tx } from '#db/database.ts'
import { compileOverrides, listOverrides, overridesFor, rolesByUser } from '#features/roles/index.ts'
import { demand } from '#http/access.ts'
import { notFound, type HttpError } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { can, noOverrides, type ChannelStanding, type Overrides, type Standing } from '#lib/permission.ts'
import type { Right } from '#lib/rights.ts'
import {
  findChannel,
  listChannelsSeenBy,
  membersAmong,
  takeSeq,
  type ChannelSeen,
  type SeenFields,
} from './store.ts'

/** A channel that somebody may see, with how they stand to it: what `can` needs to tell what they may do there. */
export interface AccessibleChannel extends ChannelSeen {
  readonly standing: ChannelStanding
}

/**
 * A channel that `person` may see.
 *
 * @throws HttpError 404, the same whether it does not exist or is hidden
 */
export async function accessChannel(db: Db, person: Standing, channelId: string): Promise<AccessibleChannel> {
  return seen(
    db,
    person,
    channelId,
    isId(channelId) ? await findChannel(db, channelId, person.userId) : undefined,
  )
}

/** A channel in which `person` has a right. @throws HttpError 403, and 404 when they may not even see it */
export async function accessChannelWith(
  db: Db,
  person: Standing,
  right: Right,
  channelId: string,
): Promise<AccessibleChannel> {
  const channel = await accessChannel(db, person, channelId)
  demand(person, right, channel.standing)
  return channel
}

/**
 * Takes the next message number of a channel in which `person` may send. What is thrown undoes that.
 *
 * @throws HttpError 403, 404
 */
export async function accessChannelToWrite(
  tx: Tx,
  person: Standing,
  channelId: string,
): Promise<{ id: string; type: string; seq: number; slowModeSeconds: number; standing: ChannelStanding }> {
  const row = isId(channelId) ? await takeSeq(tx, channelId, person.userId) : undefined
  const channel = await seen(tx, person, channelId, row)
  const { id, type, last_seq: seq, slow_mode_seconds: slowModeSeconds, standing } = channel
  demand(person, 'send_messages', standing)
  return { id, type, seq, slowModeSeconds, standing }
}

/**
 * The channels that `person` may see, oldest first.
 *
 * @param options.direct also their direct conversations
 */
export async function listVisibleChannels(
  db: Db,
  person: Standing,
  options: { direct?: boolean } = {},
): Promise<AccessibleChannel[]> {
  return (await partitionChannels(db, person, options)).visible
}

/**
 * All channels, oldest first: those that `person` may see and those that they may not.
 *
 * @param options.direct also their direct conversations
 */
export async function partitionChannels(
  db: Db,
  person: Standing,
  { direct = false }: { direct?: boolean } = {},
): Promise<{ visible: AccessibleChannel[]; hidden: AccessibleChannel[] }> {
  const channels = await listChannelsSeenBy(db, person.userId, { direct })
  const overridden = channels.filter(({ access_revision }) => access_revision > 0)
  const overrides = await overridesFor(
    db,
    overridden.map(({ id }) => id),
    person,
  )
  const [visible, hidden]: [AccessibleChannel[], AccessibleChannel[]] = [[], []]
  for (const channel of channels) {
    const standing = standingOf(channel, overrides.get(channel.id))
    const { allowed } = can(person, 'view_messages', standing)
    ;(allowed ? visible : hidden).push({ ...channel, standing })
  }
  return { visible, hidden }
}

/** Those of some people, who have accounts here, who may see a channel: the rule of {@link accessChannel} for many at once. */
export async function whoSees(
  { roles }: Pick<Context, 'roles'>,
  db: Db,
  channelId: string,
  userIds: readonly string[],
): Promise<Set<string>> {
  const channel = userIds.length > 0 ? await findChannel(db, channelId, '') : undefined
  if (!channel) return new Set()
  const held = await rolesByUser(db, userIds)
  // Public channels have no members.
  const members = channel.is_private === 1 ? await membersAmong(db, channelId, userIds) : new Set<string>()
  const overrides =
    channel.access_revision > 0 ? compileOverrides(await listOverrides(db, channelId)) : noOverrides
  return new Set(
    userIds.filter((userId) => {
      const standing = standingOf({ ...channel, is_member: members.has(userId) }, overrides)
      return can(roles.standing(userId, held.get(userId) ?? [], null), 'view_messages', standing).allowed
    }),
  )
}

async function seen<C extends SeenFields>(
  db: Db,
  person: Standing,
  channelId: string,
  channel: C | undefined,
): Promise<C & { standing: ChannelStanding }> {
  if (!channel) throw channelNotFound(channelId)
  // Nearly all channels say nothing of their own, and then this costs nothing.
  const overrides = channel.access_revision > 0 ? await overridesFor(db, [channelId], person) : undefined
  const standing = standingOf(channel, overrides?.get(channelId))
  if (!can(person, 'view_messages', standing).allowed) throw channelNotFound(channelId)
  return { ...channel, standing }
}

/** How a person stands to a channel of which the row is known. */
export function standingOf(
  channel: Pick<SeenFields, 'type' | 'is_private' | 'is_member'>,
  overrides: Overrides = noOverrides,
): ChannelStanding {
  return {
    type: channel.type,
    isPrivate: channel.is_private === 1,
    isMember: channel.is_member,
    overrides,
  }
}

export function channelNotFound(channelId: string): HttpError {
  return notFound('Channel', channelId)
}
