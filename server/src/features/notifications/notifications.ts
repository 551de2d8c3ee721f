import type { Context } from '#context'
import type { Db, Tx } from '#db/database.ts'
import type { NotificationTable } from '#db/tables.ts'
import type { NotificationFacts, NotificationType } from '#events/events.ts'
import { foldCase } from '#features/accounts/index.ts'
import { whoSees } from '#features/channels/index.ts'
import { isId, newId } from '#lib/id.ts'
import { can, type ChannelStanding, type Standing } from '#lib/permission.ts'
import { mentionsIn, type Mentions } from './mentions.ts'
import { levelOf } from './policy.ts'
import { candidates, deleteNotificationsOf, insertNotifications } from './store.ts'

type Deps = Pick<Context, 'clock' | 'roles'>

/** A message, as far as it decides whom it concerns. */
export interface Concerning {
  readonly id: string
  readonly channelId: string
  readonly isDirect: boolean
  readonly seq: number
  readonly senderId: string
}

/** Why a message concerns somebody besides what it says. */
export interface Involved {
  /** Who wrote what it answers. */
  readonly answered?: string | null | undefined
}

/** Everybody whom a message concerns. */
export interface Concerned {
  /** One by one, and why; everybody here sees the channel and wants to know. */
  readonly people: ReadonlyMap<string, NotificationType>
  /** Everybody who sees the channel (`all`), or those with one of some roles; null for nobody. */
  readonly broadcast: 'all' | readonly string[] | null
  /** Also those who are online at this moment. */
  readonly here: boolean
}

/**
 * Notes whom messages concern, in the transaction that stores them. What speaks to many is one row, however many there are:
 * who they are is asked when they look, by the rule that says what they see.
 */
export class Notifications {
  readonly #ctx: Deps

  constructor(ctx: Deps) {
    this.#ctx = ctx
  }

  /** Whom a text speaks to, read before the transaction. */
  read(text: string): Mentions | undefined {
    return mentionsIn(text)
  }

  /**
   * Notes whom a new message concerns. One that speaks to nobody costs nothing.
   *
   * @param sender as they stand in the channel
   */
  async sent(
    tx: Tx,
    message: Concerning,
    sender: { readonly person: Standing; readonly standing: ChannelStanding },
    mentions: Mentions | undefined,
    involved: Involved = {},
  ): Promise<void> {
    if (!mentions && !involved.answered) return
    const concerned = await this.whomItConcerns(tx, message, sender, mentions, involved)
    const now = this.#ctx.clock()
    const rows = [...concerned.people].map(([userId, type]) => rowOf(message, { userId, type }, now))
    const broadcast = concerned.broadcast && broadcastOf(message, concerned.broadcast, now)
    insertNotifications(tx, broadcast ? [...rows, broadcast] : rows)
    for (const row of rows) tx.publish({ type: 'notification.created', notification: factsOf(row) })
    if (broadcast) announce(tx, broadcast)
    if (concerned.here) tx.enqueue({ type: 'notifications.here', payload: { messageId: message.id } })
  }

  /** Forgets whom a message concerned that was deleted. */
  async deleted(tx: Tx, messageId: string): Promise<void> {
    for (const row of await deleteNotificationsOf(tx, messageId)) {
      if (row.withdrawn_at === null) withdraw(tx, row)
    }
  }

  /** Finds out whom a message concerns: who is meant, may see it, and wants to know. */
  async whomItConcerns(
    db: Db,
    { channelId, isDirect }: Concerning,
    { person, standing }: { readonly person: Standing; readonly standing: ChannelStanding },
    mentions: Mentions | undefined,
    { answered }: Involved,
  ): Promise<Concerned> {
    // Nobody presides over a conversation: whoever takes part may call the others.
    const mayCallMany = isDirect || can(person, 'mention_everyone', standing).allowed
    const names = new Set((mentions?.names ?? []).map(foldCase))
    const ids = new Set([...names].filter(isId))
    if (answered) ids.add(answered)
    const people = new Map<string, NotificationType>()
    if (ids.size > 0 || names.size > 0) {
      const now = this.#ctx.clock()
      const about = { actorId: person.userId, channelId, now }
      const meant = await candidates(db, { ids: [...ids], names: [...names] }, about)
      const willing = meant.filter((one) => levelOf(one, { isDirect, now }) !== 'nothing')
      const seeing = await whoSees(
        this.#ctx,
        db,
        channelId,
        willing.map(({ id }) => id),
      )
      for (const { id, key } of willing) {
        if (seeing.has(id)) people.set(id, names.has(key) || names.has(id) ? 'mention' : 'reply')
      }
    }
    if (!mentions || !mayCallMany) return { people, broadcast: null, here: false }
    // Everybody has the role `user`, so its name is left to people.
    const roles = isDirect ? [] : [...names].filter((id) => id !== 'user' && this.#ctx.roles.current.get(id))
    const broadcast = mentions.everybody ? 'all' : roles.length > 0 ? roles.toSorted() : null
    return { people, broadcast, here: mentions.here && !mentions.everybody }
  }
}

export function rowOf(
  message: Concerning,
  { userId, type }: { userId: string; type: NotificationType },
  now: number,
): NotificationTable & { user_id: string } {
  return {
    id: newId(now),
    user_id: userId,
    roles: null,
    type,
    actor_id: message.senderId,
    channel_id: message.channelId,
    message_id: message.id,
    seq: message.seq,
    created_at: now,
    read_at: null,
    withdrawn_at: null,
  }
}

function broadcastOf(
  message: Concerning,
  audience: 'all' | readonly string[],
  now: number,
): NotificationTable {
  const roles = audience === 'all' ? null : ` ${audience.join(' ')} `
  return { ...rowOf(message, { userId: '', type: 'mention' }, now), user_id: null, roles }
}

export function factsOf(row: NotificationTable): NotificationFacts {
  return {
    id: row.id,
    type: row.type,
    userId: row.user_id ?? '',
    actorId: row.actor_id,
    channelId: row.channel_id,
    messageId: row.message_id,
    createdAt: row.created_at,
  }
}

/** Tells those whom a broadcast concerns. */
function announce(tx: Tx, row: NotificationTable): void {
  const { userId: _nobody, ...notification } = factsOf(row)
  tx.publish({ type: 'notification.broadcast', notification, roles: rolesOfRow(row) })
}

/** Tells those who were told that it is over. */
function withdraw(tx: Tx, row: NotificationTable): void {
  const { id: notificationId, user_id: userId, channel_id: channelId, message_id: messageId } = row
  tx.publish({ type: 'notification.withdrawn', notificationId, userId, channelId, messageId })
}

function rolesOfRow({ roles }: Pick<NotificationTable, 'roles'>): string[] | null {
  return roles === null ? null : roles.trim().split(' ')
}
