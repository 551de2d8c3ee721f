import type { Context } from '#context'
import type { Db } from '#db/database.ts'
import { accessChannel, listVisibleChannels } from '#features/channels/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { readEverywhere } from './preference-store.ts'
import {
  channelOfNotification,
  countUnread,
  listNotifications,
  markAllRead,
  markRead,
  type NotificationSeen,
  type Recipient,
} from './store.ts'

const MAX_LIMIT = 100

/** Somebody as the recipient of notifications: what they see at this moment decides what they get. */
async function recipientOf(db: Db, actor: Actor): Promise<Recipient> {
  const channels = await listVisibleChannels(db, actor, { direct: true })
  return {
    userId: actor.userId,
    roleIds: actor.roles,
    channelIds: channels.map(({ id }) => id),
    everywhere: await readEverywhere(db, actor.userId),
  }
}

export interface PageRequest {
  readonly limit: number
  readonly unread_only: boolean
  readonly before?: string | null | undefined
}

export interface NotificationPage {
  readonly notifications: readonly NotificationSeen[]
  readonly unread: number
  /** Where older ones go on; null when there are none. */
  readonly next: string | null
}

/** Notifications of the caller, newest first. @throws HttpError 400 */
export async function pageOfNotifications(
  db: Db,
  actor: Actor,
  { limit, unread_only: unreadOnly, before }: PageRequest,
): Promise<NotificationPage> {
  if (limit < 1 || limit > MAX_LIMIT) throw badRequest(`limit must be from 1 to ${MAX_LIMIT}`)
  if (before && !isId(before)) throw badRequest('before takes the id of a notification')
  const recipient = await recipientOf(db, actor)
  const rows = await listNotifications(db, recipient, {
    limit: limit + 1,
    unreadOnly,
    ...(before && { before }),
  })
  const notifications = rows.slice(0, limit)
  return {
    notifications,
    unread: sum(await countUnread(db, recipient)),
    next: rows.length > limit ? notifications.at(-1)!.id : null,
  }
}

/** How many notifications the caller has not read: together and by channel. */
export async function unreadNotifications(
  db: Db,
  actor: Actor,
): Promise<{ total: number; byChannel: Map<string, number> }> {
  const byChannel = await countUnread(db, await recipientOf(db, actor))
  return { total: sum(byChannel), byChannel }
}

/** Marks one notification as read. @throws HttpError 404, the same whether it does not exist or is out of reach */
export async function readOne(
  ctx: Pick<Context, 'db' | 'clock'>,
  actor: Actor,
  id: string,
): Promise<{ alreadyRead: boolean; unread: number }> {
  return ctx.db.transact(async (tx) => {
    const unknown = notFound('Notification', id)
    const channelId = isId(id) ? await channelOfNotification(tx, id, actor.userId) : undefined
    if (channelId === undefined) throw unknown
    await accessChannel(tx, actor, channelId).catch(() => {
      throw unknown
    })
    const recipient = await recipientOf(tx, actor)
    const [notification] = await listNotifications(tx, recipient, { limit: 1, unreadOnly: false, only: id })
    if (!notification) throw unknown
    const isNews =
      notification.read_at === null && (await markRead(tx, actor.userId, notification, ctx.clock()))
    const unread = sum(await countUnread(tx, recipient))
    if (isNews) tx.publish({ type: 'notification.read', userId: actor.userId, notificationId: id, unread })
    return { alreadyRead: !isNews, unread }
  })
}

/** Marks all notifications that the caller can see as read. @returns how many were not */
export async function readAll(ctx: Pick<Context, 'db' | 'clock'>, actor: Actor): Promise<number> {
  return ctx.db.transact(async (tx) => {
    const marked = await markAllRead(tx, await recipientOf(tx, actor), ctx.clock())
    if (marked > 0)
      tx.publish({ type: 'notification.read', userId: actor.userId, notificationId: null, unread: 0 })
    return marked
  })
}

function sum(counts: ReadonlyMap<string, number>): number {
  return counts.values().reduce((total, count) => total + count, 0)
}
