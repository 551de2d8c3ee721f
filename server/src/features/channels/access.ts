import type { Db, Tx } from '#db/database.ts'
import type { Actor } from '#http/access.ts'
import { notFound, type HttpError } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { maySeeChannel } from './policy.ts'
import { findChannel, takeSeq, type ChannelSeen } from './store.ts'

/**
 * A channel that `actor` may see.
 *
 * @throws HttpError 404, the same whether it does not exist or is hidden
 */
export async function accessChannel(
  db: Db,
  actor: Pick<Actor, 'userId' | 'rights'>,
  channelId: string,
): Promise<ChannelSeen> {
  return seen(actor, channelId, isId(channelId) ? await findChannel(db, channelId, actor.userId) : undefined)
}

/**
 * Like {@link accessChannel}, and takes the channel's next message number with it. What is thrown undoes that.
 *
 * @throws HttpError 404
 */
export async function accessChannelToWrite(
  tx: Tx,
  actor: Pick<Actor, 'userId' | 'rights'>,
  channelId: string,
): Promise<{ type: string; seq: number }> {
  const channel = isId(channelId) ? await takeSeq(tx, channelId, actor.userId) : undefined
  const { type, last_seq: seq } = seen(actor, channelId, channel)
  return { type, seq }
}

function seen<C extends Pick<ChannelSeen, 'is_private' | 'is_member'>>(
  actor: Pick<Actor, 'rights'>,
  channelId: string,
  channel: C | undefined,
): C {
  if (!channel) throw channelNotFound(channelId)
  const viewer = { isMember: channel.is_member, rights: actor.rights }
  if (!maySeeChannel({ isPrivate: channel.is_private === 1 }, viewer)) throw channelNotFound(channelId)
  return channel
}

export function channelNotFound(channelId: string): HttpError {
  return notFound('Channel', channelId)
}
