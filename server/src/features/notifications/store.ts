import type { Db, Tx } from '#db/database.ts'
import type { NotificationTable } from '#db/tables.ts'
import type { Level, Wishes } from './policy.ts'

/** Somebody who may be told of something, and what they have said about that. */
export interface Candidate extends Wishes {
  readonly id: string
  /** Under which they are mentioned. */
  readonly key: string
}

/**
 * People of this server, of those that are meant, who can be told of what `actorId` does in a channel: not that person, nor
 * who has blocked them, nor who is banned.
 *
 * @param which by user ids or by folded names, or both; or, with neither, those after `after` in the order of ids
 */
export async function candidates(
  db: Db,
  which:
    | { readonly ids: readonly string[]; readonly names: readonly string[] }
    | { readonly of: 'online' | 'subscribed'; readonly after: string; readonly limit: number },
  about: { readonly actorId: string; readonly channelId: string; readonly now: number },
): Promise<Candidate[]> {
  const { actorId, channelId, now } = about
  let query = db
    .selectFrom('user')
    .leftJoin('notification_preference as wish', (join) =>
      join.onRef('wish.user_id', '=', 'user.id').on('wish.channel_id', '=', channelId),
    )
    .leftJoin('notification_setting as setting', 'setting.user_id', 'user.id')
    .select([
      'user.id',
      'user.username_key as key',
      'wish.level',
      'wish.muted_at as mutedAt',
      'wish.muted_until as mutedUntil',
      'setting.level as everywhere',
    ])
    .where('user.origin_server', 'is', null)
    .where('user.id', '!=', actorId)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('person_block as block')
            .select('block.blocker_id')
            .whereRef('block.blocker_id', '=', 'user.id')
            .where('block.blocked_id', '=', actorId),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('restriction')
            .select('restriction.user_id')
            .whereRef('restriction.user_id', '=', 'user.id')
            .where('restriction.kind', '=', 'ban')
            .where((or) => or.or([or('restriction.until', 'is', null), or('restriction.until', '>', now)])),
        ),
      ),
    )
  if ('ids' in which) {
    const { ids, names } = which
    query = query.where((where) =>
      where.or([
        ...(ids.length > 0 ? [where('user.id', 'in', ids)] : []),
        ...(names.length > 0 ? [where('user.username_key', 'in', names)] : []),
      ]),
    )
  } else {
    const { of, after, limit } = which
    query = query.where('user.id', '>', after).orderBy('user.id').limit(limit)
    query =
      of === 'online'
        ? query.where(({ exists, selectFrom }) =>
            exists(
              selectFrom('presence').select('presence.stream').whereRef('presence.user_id', '=', 'user.id'),
            ),
          )
        : query.where(({ exists, selectFrom }) =>
            exists(
              selectFrom('push_subscription')
                .select('push_subscription.id')
                .whereRef('push_subscription.user_id', '=', 'user.id'),
            ),
          )
  }
  return query.execute()
}

/** They are of a message that is new or locked, so the write cannot fail and is not waited for. */
export function insertNotifications(tx: Tx, rows: readonly NotificationTable[]): void {
  if (rows.length === 0) return
  tx.later(
    tx
      .insertInto('notification')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing()),
  )
}

/** Like {@link insertNotifications}. @returns ids of those that were not there already */
export async function addNotifications(tx: Tx, rows: readonly NotificationTable[]): Promise<Set<string>> {
  if (rows.length === 0) return new Set()
  const added = await tx
    .insertInto('notification')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .execute()
  return new Set(added.map(({ id }) => id))
}

/** All that a message has brought about, also what was withdrawn. */
export function notificationsOf(db: Db, messageId: string): Promise<NotificationTable[]> {
  return db.selectFrom('notification').selectAll().where('message_id', '=', messageId).execute()
}

/** Changes whether, and for whom, a notification counts. */
export function reviseNotification(
  tx: Tx,
  id: string,
  change: Partial<Pick<NotificationTable, 'withdrawn_at' | 'roles'>>,
): void {
  tx.later(tx.updateTable('notification').set(change).where('id', '=', id))
}

/** Forgets that a message concerned anybody. @returns what it had brought about */
export function deleteNotificationsOf(tx: Tx, messageId: string): Promise<NotificationTable[]> {
  return tx.deleteFrom('notification').where('message_id', '=', messageId).returningAll().execute()
}

/** Whose notifications: what they may see, and what they are. */
export interface Recipient {
  readonly userId: string
  readonly roleIds: readonly string[]
  /** Channels and conversations that they may see. */
  readonly channelIds: readonly string[]
  /** What they want to be told of where they have not said otherwise. */
  readonly everywhere: Level
}

/** A notification as its recipient has it. */
export interface NotificationSeen {
  readonly id: string
  readonly isBroadcast: boolean
  readonly type: NotificationTable['type']
  readonly actor_id: string
  readonly channel_id: string
  readonly message_id: string
  readonly created_at: number
  /** Null while it is unread. */
  readonly read_at: number | null
}

const columns = ['n.id', 'n.type', 'n.actor_id', 'n.channel_id', 'n.message_id', 'n.created_at'] as const

function personal(db: Db, { userId, channelIds }: Recipient) {
  return db
    .selectFrom('notification as n')
    .leftJoin('read_state as place', (join) =>
      join.onRef('place.channel_id', '=', 'n.channel_id').on('place.user_id', '=', userId),
    )
    .where('n.user_id', '=', userId)
    .where('n.withdrawn_at', 'is', null)
    .where('n.channel_id', 'in', channelIds)
    .where('n.actor_id', 'not in', blockedBy(db, userId))
}

function broadcasts(db: Db, { userId, roleIds, channelIds, everywhere }: Recipient) {
  return (
    db
      .selectFrom('notification as n')
      .leftJoin('read_state as place', (join) =>
        join.onRef('place.channel_id', '=', 'n.channel_id').on('place.user_id', '=', userId),
      )
      .leftJoin('notification_read as mark', (join) =>
        join.onRef('mark.notification_id', '=', 'n.id').on('mark.user_id', '=', userId),
      )
      .leftJoin('notification_preference as wish', (join) =>
        join.onRef('wish.channel_id', '=', 'n.channel_id').on('wish.user_id', '=', userId),
      )
      .leftJoin('channel_member as membership', (join) =>
        join.onRef('membership.channel_id', '=', 'n.channel_id').on('membership.user_id', '=', userId),
      )
      .where('n.user_id', 'is', null)
      .where('n.withdrawn_at', 'is', null)
      .where('n.channel_id', 'in', channelIds)
      .where('n.actor_id', '!=', userId)
      .where('n.actor_id', 'not in', blockedBy(db, userId))
      .where(({ eb, or }) =>
        or([
          eb('n.roles', 'is', null),
          // Ids of roles are letters, digits and dashes: none of them means anything in a pattern.
          ...roleIds.map((id) => eb('n.roles', 'like', `% ${id} %`)),
        ]),
      )
      // Who came later was not spoken to.
      .where(({ eb, selectFrom }) =>
        eb('n.created_at', '>=', selectFrom('user').select('user.created_at').where('user.id', '=', userId)),
      )
      .where(({ eb, or, ref }) =>
        or([eb('membership.added_at', 'is', null), eb('membership.added_at', '<=', ref('n.created_at'))]),
      )
      .where(({ eb, or, and, ref }) =>
        or([
          eb('wish.muted_at', 'is', null),
          eb('n.created_at', '<', ref('wish.muted_at')),
          and([eb('wish.muted_until', 'is not', null), eb('n.created_at', '>=', ref('wish.muted_until'))]),
        ]),
      )
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('notification_silence as silence')
              .select('silence.muted_at')
              .where('silence.user_id', '=', userId)
              .whereRef('silence.channel_id', '=', 'n.channel_id')
              .whereRef('silence.muted_at', '<=', 'n.created_at')
              .whereRef('silence.muted_until', '>', 'n.created_at'),
          ),
        ),
      )
      .$if(everywhere === 'nothing', (query) => query.where('wish.level', 'is not', null))
      // Somebody whom the message also names has that in their list.
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('notification as own')
              .select('own.id')
              .whereRef('own.message_id', '=', 'n.message_id')
              .where('own.user_id', '=', userId)
              .where('own.withdrawn_at', 'is', null),
          ),
        ),
      )
  )
}

function unreadPersonal(db: Db, recipient: Recipient) {
  return personal(db, recipient)
    .where('n.read_at', 'is', null)
    .where(({ eb, or, ref }) =>
      or([eb('place.read_seq', 'is', null), eb('place.read_seq', '<', ref('n.seq'))]),
    )
}

function unreadBroadcasts(db: Db, recipient: Recipient) {
  return broadcasts(db, recipient)
    .where('mark.read_at', 'is', null)
    .where(({ eb, or, ref }) =>
      or([eb('place.read_seq', 'is', null), eb('place.read_seq', '<', ref('n.seq'))]),
    )
}

function blockedBy(db: Db, userId: string) {
  return db
    .selectFrom('person_block as block')
    .select('block.blocked_id')
    .where('block.blocker_id', '=', userId)
}

export interface ListRequest {
  readonly limit: number
  readonly unreadOnly: boolean
  /** Id of the notification before which to go on. */
  readonly before?: string | undefined
  /** Only the one with this id. */
  readonly only?: string | undefined
}

/** How far somebody has read the channel of a notification, and when that was. */
const place = ['n.seq', 'place.read_seq', 'place.updated_at as passed_at'] as const

/** Notifications of somebody, newest first. */
export async function listNotifications(
  db: Db,
  recipient: Recipient,
  { limit, unreadOnly, before, only }: ListRequest,
): Promise<NotificationSeen[]> {
  if (recipient.channelIds.length === 0) return []
  let own = (unreadOnly ? unreadPersonal : personal)(db, recipient)
    .select([...columns, 'n.read_at', ...place])
    .orderBy('n.id', 'desc')
    .limit(limit)
  let shared = (unreadOnly ? unreadBroadcasts : broadcasts)(db, recipient)
    .select([...columns, 'mark.read_at', ...place])
    .orderBy('n.id', 'desc')
    .limit(limit)
  if (before !== undefined) {
    own = own.where('n.id', '<', before)
    shared = shared.where('n.id', '<', before)
  }
  if (only !== undefined) {
    own = own.where('n.id', '=', only)
    shared = shared.where('n.id', '=', only)
  }
  const rows = [
    ...(await own.execute()).map((row) => ({ ...row, isBroadcast: false })),
    ...(await shared.execute()).map((row) => ({ ...row, isBroadcast: true })),
  ].map(({ seq, read_seq, passed_at, ...row }) => ({
    ...row,
    // Who has read the channel up to it has read it.
    read_at: row.read_at ?? (read_seq !== null && read_seq >= seq ? passed_at : null),
  }))
  return rows.toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit)
}

/** How many notifications somebody has not read, by channel; channels without any are left out. */
export async function countUnread(db: Db, recipient: Recipient): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  if (recipient.channelIds.length === 0) return counts
  const own = unreadPersonal(db, recipient)
    .select(({ fn }) => ['n.channel_id', fn.countAll<number | string>().as('count')])
    .groupBy('n.channel_id')
  const shared = unreadBroadcasts(db, recipient)
    .select(({ fn }) => ['n.channel_id', fn.countAll<number | string>().as('count')])
    .groupBy('n.channel_id')
  for (const { channel_id, count } of [...(await own.execute()), ...(await shared.execute())]) {
    counts.set(channel_id, (counts.get(channel_id) ?? 0) + Number(count))
  }
  return counts
}

/** The channel of a notification that is somebody's, or of a broadcast. */
export async function channelOfNotification(db: Db, id: string, userId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('notification')
    .select('channel_id')
    .where('id', '=', id)
    .where((where) => where.or([where('user_id', '=', userId), where('user_id', 'is', null)]))
    .executeTakeFirst()
  return row?.channel_id
}

/** @returns false if it was read already */
export async function markRead(
  tx: Tx,
  userId: string,
  { id, isBroadcast }: Pick<NotificationSeen, 'id' | 'isBroadcast'>,
  now: number,
): Promise<boolean> {
  if (isBroadcast) {
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('notification_read')
      .values({ user_id: userId, notification_id: id, read_at: now })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow()
    return numInsertedOrUpdatedRows === 1n
  }
  const { numUpdatedRows } = await tx
    .updateTable('notification')
    .set({ read_at: now })
    .where('id', '=', id)
    .where('user_id', '=', userId)
    .where('read_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Marks all that somebody has not read. @returns how many those were */
export async function markAllRead(tx: Tx, recipient: Recipient, now: number): Promise<number> {
  if (recipient.channelIds.length === 0) return 0
  const { userId } = recipient
  const own = await tx
    .updateTable('notification')
    .set({ read_at: now })
    .where('user_id', '=', userId)
    .where('read_at', 'is', null)
    .where('id', 'in', () => unreadPersonal(tx, recipient).select('n.id'))
    .executeTakeFirstOrThrow()
  const shared = await tx
    .insertInto('notification_read')
    .columns(['user_id', 'notification_id', 'read_at'])
    .expression(
      unreadBroadcasts(tx, recipient).select((eb) => [
        eb.cast<string>(eb.val(userId), 'text').as('user_id'),
        'n.id',
        eb.cast<number>(eb.val(now), 'bigint').as('read_at'),
      ]),
    )
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return Number(own.numUpdatedRows) + Number(shared.numInsertedOrUpdatedRows ?? 0n)
}

/** Removes notifications that are old. @returns how many */
export async function deleteOldNotifications(tx: Tx, before: number, limit: number): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('notification')
    .where('id', 'in', ({ selectFrom }) =>
      selectFrom('notification')
        .select('notification.id')
        .where('created_at', '<', before)
        .orderBy('created_at')
        .limit(limit),
    )
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

/** Who is not to be told of a broadcast: it is silent for them, they blocked its author, or they were told by name before. */
export async function deafTo(
  db: Db,
  { channelId, actorId, messageId }: { channelId: string; actorId: string; messageId: string },
  now: number,
): Promise<Set<string>> {
  const silent = await db
    .selectFrom('notification_preference')
    .select('user_id')
    .where('channel_id', '=', channelId)
    .where('muted_at', '<=', now)
    .where((where) => where.or([where('muted_until', 'is', null), where('muted_until', '>', now)]))
    .execute()
  const nothing = await db
    .selectFrom('notification_setting as setting')
    .leftJoin('notification_preference as wish', (join) =>
      join.onRef('wish.user_id', '=', 'setting.user_id').on('wish.channel_id', '=', channelId),
    )
    .select('setting.user_id')
    .where('setting.level', '=', 'nothing')
    .where('wish.level', 'is', null)
    .execute()
  const blocking = await db
    .selectFrom('person_block')
    .select('blocker_id as user_id')
    .where('blocked_id', '=', actorId)
    .execute()
  const named = await db
    .selectFrom('notification')
    .select('user_id')
    .where('message_id', '=', messageId)
    .where('user_id', 'is not', null)
    .execute()
  return new Set([...silent, ...nothing, ...blocking, ...named].map(({ user_id }) => user_id!))
}
