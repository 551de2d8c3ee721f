import type { Context } from '#context'
import type { Db, Tx } from '#db/database.ts'
import type { NotificationTable } from '#db/tables.ts'
import type { NotificationFacts, NotificationType } from '#events/events.ts'
import { foldCase } from '#features/accounts/index.ts'
import { whoSees } from '#features/channels/index.ts'
import { isId, newId } from '#lib/id.ts'
import { can, type ChannelStanding, type Standing } from '#lib/permission.ts'
import type { PushInterest } from './interest.ts'
import { mentionsIn, type Mentions } from './mentions.ts'
import { levelOf } from './policy.ts'
import { thoseInThread } from './message-store.ts'
import {
  candidates,
  deleteNotificationsOf,
  insertNotifications,
  notificationsOf,
  reviseNotification,
} from './store.ts'

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
  /** The message that began the thread which it goes on in. */
  readonly threadId?: string | null | undefined
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
  readonly interest: PushInterest

  constructor(ctx: Deps, interest: PushInterest) {
    this.#ctx = ctx
    this.interest = interest
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
    const mayConcern = mentions !== undefined || !!involved.answered || !!involved.threadId
    const isNoted = mayConcern && (await this.#note(tx, message, sender, mentions, involved))
    if (!this.interest.isAny) return
    if (isNoted || message.isDirect || this.interest.wantsAll(message.channelId)) {
      tx.enqueue({ type: 'notifications.push', payload: { messageId: message.id } })
    }
  }

  /** @returns whether a message concerns anybody */
  async #note(
    tx: Tx,
    message: Concerning,
    sender: { readonly person: Standing; readonly standing: ChannelStanding },
    mentions: Mentions | undefined,
    involved: Involved,
  ): Promise<boolean> {
    const concerned = await this.#whomItConcerns(tx, message, sender, mentions, involved)
    const now = this.#ctx.clock()
    const rows = [...concerned.people].map(([userId, type]) => rowOf(message, { userId, type }, now))
    const broadcast = concerned.broadcast && broadcastOf(message, concerned.broadcast, now)
    insertNotifications(tx, broadcast ? [...rows, broadcast] : rows)
    for (const row of rows) tx.publish({ type: 'notification.created', notification: factsOf(row) })
    if (broadcast) announce(tx, broadcast)
    if (concerned.here) tx.enqueue({ type: 'notifications.here', payload: { messageId: message.id } })
    return rows.length > 0 || broadcast !== null
  }

  /**
   * Notes whom a message concerns after it was edited. Whoever was told once is not told again; who is not meant any more has
   * nothing of it.
   *
   * @param editor as they stand in the channel: whether it may speak to many is decided by who wrote that
   * @param before what it said, and `after` what it says
   */
  async edited(
    tx: Tx,
    message: Concerning,
    editor: { readonly person: Standing; readonly standing: ChannelStanding },
    { before, after }: { readonly before: string; readonly after: string },
    involved: Involved,
  ): Promise<void> {
    const mentions = mentionsIn(after)
    const was = mentionsIn(before)
    if (!mentions && !was) return
    const concerned = await this.#whomItConcerns(tx, message, editor, mentions, involved)
    const rows = await notificationsOf(tx, message.id)
    const now = this.#ctx.clock()
    const told = new Set(rows.map(({ user_id }) => user_id))
    for (const row of rows) {
      if (row.user_id === null) continue
      const isMeant = row.type === 'thread' || concerned.here || concerned.people.has(row.user_id)
      if (isMeant !== (row.withdrawn_at !== null)) continue
      reviseNotification(tx, row.id, { withdrawn_at: isMeant ? null : now })
      if (!isMeant) withdraw(tx, row)
    }
    const fresh = [...concerned.people].flatMap(([userId, type]) =>
      told.has(userId) ? [] : [rowOf(message, { userId, type }, now)],
    )
    insertNotifications(tx, fresh)
    for (const row of fresh) tx.publish({ type: 'notification.created', notification: factsOf(row) })
    if (fresh.length > 0 && this.interest.isAny) {
      const payload = { messageId: message.id, late: fresh.map(({ user_id }) => user_id) }
      tx.enqueue({ type: 'notifications.push', payload })
    }
    this.#reviseBroadcast(
      tx,
      message,
      rows.find(({ user_id }) => user_id === null),
      concerned.broadcast,
    )
    if (concerned.here && !was?.here) {
      tx.enqueue({ type: 'notifications.here', payload: { messageId: message.id } })
    }
  }

  #reviseBroadcast(
    tx: Tx,
    message: Concerning,
    row: NotificationTable | undefined,
    audience: Concerned['broadcast'],
  ): void {
    const now = this.#ctx.clock()
    if (audience === null) {
      if (!row || row.withdrawn_at !== null) return
      reviseNotification(tx, row.id, { withdrawn_at: now })
      return withdraw(tx, row)
    }
    const wanted = broadcastOf(message, audience, now)
    if (row) return reviseNotification(tx, row.id, { roles: wanted.roles, withdrawn_at: null })
    insertNotifications(tx, [wanted])
    announce(tx, wanted)
  }

  /** Forgets whom a message concerned that was deleted. */
  async deleted(tx: Tx, messageId: string): Promise<void> {
    for (const row of await deleteNotificationsOf(tx, messageId)) {
      if (row.withdrawn_at === null) withdraw(tx, row)
    }
  }

  /** Finds out whom a message concerns: who is meant, may see it, and wants to know. */
  async #whomItConcerns(
    db: Db,
    { channelId, isDirect, senderId: actorId }: Concerning,
    { person, standing }: { readonly person: Standing; readonly standing: ChannelStanding },
    mentions: Mentions | undefined,
    { answered, threadId }: Involved,
  ): Promise<Concerned> {
    // Nobody presides over a conversation: whoever takes part may call the others.
    const mayCallMany = isDirect || can(person, 'mention_everyone', standing).allowed
    const names = new Set((mentions?.names ?? []).map(foldCase))
    const ids = new Set([...names].filter(isId))
    if (answered) ids.add(answered)
    if (threadId) for (const id of await thoseInThread(db, threadId)) ids.add(id)
    const people = new Map<string, NotificationType>()
    if (ids.size > 0 || names.size > 0) {
      const now = this.#ctx.clock()
      const about = { actorId, channelId, now }
      const meant = await candidates(db, { ids: [...ids], names: [...names] }, about)
      const willing = meant.filter((one) => levelOf(one, { isDirect, now }) !== 'nothing')
      const seeing = await whoSees(
        this.#ctx,
        db,
        channelId,
        willing.map(({ id }) => id),
      )
      for (const { id, key } of willing) {
        if (!seeing.has(id)) continue
        const isNamed = names.has(key) || names.has(id)
        people.set(id, isNamed ? 'mention' : id === answered ? 'reply' : 'thread')
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
