import type { Db, Tx } from '#db/database.ts'
import type { NotificationPreferenceTable, NotificationSilenceTable } from '#db/tables.ts'
import type { Level } from './policy.ts'

/** What somebody wants to be told of where they have not said otherwise. */
export async function readEverywhere(db: Db, userId: string): Promise<Level> {
  const row = await db
    .selectFrom('notification_setting')
    .select('level')
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row?.level ?? 'mentions'
}

export async function writeEverywhere(tx: Tx, userId: string, level: Level, now: number): Promise<void> {
  const change = { level, updated_at: now }
  await tx
    .insertInto('notification_setting')
    .values({ user_id: userId, ...change })
    .onConflict((conflict) => conflict.column('user_id').doUpdateSet(change))
    .execute()
}

/** What somebody has chosen for single channels, the last choice first. */
export function listPreferences(
  db: Db,
  userId: string,
  channelIds: readonly string[],
): Promise<NotificationPreferenceTable[]> {
  if (channelIds.length === 0) return Promise.resolve([])
  return db
    .selectFrom('notification_preference')
    .selectAll()
    .where('user_id', '=', userId)
    .where('channel_id', 'in', channelIds)
    .orderBy('updated_at', 'desc')
    .orderBy('channel_id')
    .execute()
}

/** What somebody has chosen for a channel. */
export function findPreference(
  db: Db,
  userId: string,
  channelId: string,
): Promise<NotificationPreferenceTable | undefined> {
  return db
    .selectFrom('notification_preference')
    .selectAll()
    .where('user_id', '=', userId)
    .where('channel_id', '=', channelId)
    .executeTakeFirst()
}

export async function putPreference(tx: Tx, row: NotificationPreferenceTable): Promise<void> {
  const { user_id: _user, channel_id: _channel, ...change } = row
  await tx
    .insertInto('notification_preference')
    .values(row)
    .onConflict((conflict) => conflict.columns(['user_id', 'channel_id']).doUpdateSet(change))
    .execute()
}

/** @returns what was chosen, undefined if nothing was */
export function deletePreference(
  tx: Tx,
  userId: string,
  channelId: string,
): Promise<NotificationPreferenceTable | undefined> {
  return tx
    .deleteFrom('notification_preference')
    .where('user_id', '=', userId)
    .where('channel_id', '=', channelId)
    .returningAll()
    .executeTakeFirst()
}

/** Keeps a silence that is over. */
export async function insertSilence(tx: Tx, row: NotificationSilenceTable): Promise<void> {
  const { muted_until } = row
  await tx
    .insertInto('notification_silence')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['user_id', 'channel_id', 'muted_at']).doUpdateSet({ muted_until }),
    )
    .execute()
}

/** Forgets silences from which no notification is left. */
export async function deleteOldSilences(tx: Tx, before: number): Promise<void> {
  await tx.deleteFrom('notification_silence').where('muted_until', '<', before).execute()
}
