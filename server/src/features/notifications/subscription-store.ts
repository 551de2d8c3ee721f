import type { Db, Tx } from '#db/database.ts'
import type { PushSubscriptionTable } from '#db/tables.ts'

export async function insertSubscription(tx: Tx, row: PushSubscriptionTable): Promise<void> {
  await tx.insertInto('push_subscription').values(row).execute()
}

/** Removes what a new subscription replaces: that of its session, and that of its address, whosever it is. */
export async function deleteSubscriptionsLike(
  tx: Tx,
  { sessionId, endpointHash }: { sessionId: string; endpointHash: string },
): Promise<void> {
  await tx
    .deleteFrom('push_subscription')
    .where((where) =>
      where.or([where('session_id', '=', sessionId), where('endpoint_hash', '=', endpointHash)]),
    )
    .execute()
}

export async function countSubscriptions(db: Db, userId: string): Promise<number> {
  const { count } = await db
    .selectFrom('push_subscription')
    .select(({ fn }) => fn.countAll<number | string>().as('count'))
    .where('user_id', '=', userId)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** @param userId whose it must be, if given @returns false if there was none */
export async function deleteSubscription(tx: Tx, id: string, userId?: string): Promise<boolean> {
  let query = tx.deleteFrom('push_subscription').where('id', '=', id)
  if (userId !== undefined) query = query.where('user_id', '=', userId)
  const { numDeletedRows } = await query.executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

/** Subscriptions of people, of sessions that stand. */
export async function livingSubscriptions(
  db: Db,
  userIds: readonly string[],
  now: number,
): Promise<PushSubscriptionTable[]> {
  if (userIds.length === 0) return []
  return living(db, now).where('push_subscription.user_id', 'in', userIds).execute()
}

export function livingSubscription(
  db: Db,
  id: string,
  now: number,
): Promise<PushSubscriptionTable | undefined> {
  return living(db, now).where('push_subscription.id', '=', id).executeTakeFirst()
}

function living(db: Db, now: number) {
  return db
    .selectFrom('push_subscription')
    .innerJoin('session', 'session.id', 'push_subscription.session_id')
    .selectAll('push_subscription')
    .where('session.ended_at', 'is', null)
    .where('session.expires_at', '>', now)
    .orderBy('push_subscription.id')
}

/** Who there is to be reached: anybody at all, somebody who wants all messages, or all of some channels. */
export async function readInterest(
  db: Db,
): Promise<{ anybody: boolean; everywhere: boolean; channels: Set<string> }> {
  const anybody = await db.selectFrom('push_subscription').select('id').limit(1).executeTakeFirst()
  if (!anybody) return { anybody: false, everywhere: false, channels: new Set() }
  const everywhere = await db
    .selectFrom('notification_setting as setting')
    .innerJoin('push_subscription as subscription', 'subscription.user_id', 'setting.user_id')
    .select('setting.user_id')
    .where('setting.level', '=', 'all')
    .limit(1)
    .executeTakeFirst()
  const channels = await db
    .selectFrom('notification_preference as wish')
    .innerJoin('push_subscription as subscription', 'subscription.user_id', 'wish.user_id')
    .select('wish.channel_id')
    .distinct()
    .where('wish.level', '=', 'all')
    .execute()
  return {
    anybody: true,
    everywhere: everywhere !== undefined,
    channels: new Set(channels.map(({ channel_id }) => channel_id)),
  }
}

/** What says whether somebody is reached by a message now. */
export async function attentionOf(
  db: Db,
  userIds: readonly string[],
  channelId: string,
): Promise<Map<string, { isPresent: boolean; wantsQuiet: boolean; readSeq: number }>> {
  if (userIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('user')
    .leftJoin('read_state as place', (join) =>
      join.onRef('place.user_id', '=', 'user.id').on('place.channel_id', '=', channelId),
    )
    .select(({ selectFrom }) => [
      'user.id',
      'user.chosen_status',
      'place.read_seq',
      selectFrom('presence')
        .select(({ fn }) => fn.countAll<number | string>().as('count'))
        .whereRef('presence.user_id', '=', 'user.id')
        .as('present'),
    ])
    .where('user.id', 'in', userIds)
    .execute()
  return new Map(
    rows.map(({ id, chosen_status, read_seq, present }) => [
      id,
      { isPresent: Number(present) > 0, wantsQuiet: chosen_status === 'dnd', readSeq: read_seq ?? 0 },
    ]),
  )
}
