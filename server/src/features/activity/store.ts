import type { Db } from '#db/database.ts'
import type { ActivityTable } from '#db/tables.ts'

export interface ActivityWithUser extends ActivityTable {
  username: string | null
  avatar: string | null
}

/**
 * The newest activity that somebody may see.
 *
 * @param channelIds channels they see; what is about others does not exist
 */
export function listActivity(
  db: Db,
  channelIds: readonly string[],
  limit: number,
): Promise<ActivityWithUser[]> {
  return db
    .selectFrom('activity')
    .leftJoin('user', 'user.id', 'activity.user_id')
    .selectAll('activity')
    .select(['user.username', 'user.avatar'])
    .where((where) =>
      channelIds.length === 0
        ? where('activity.channel_id', 'is', null)
        : where.or([
            where('activity.channel_id', 'is', null),
            where('activity.channel_id', 'in', channelIds),
          ]),
    )
    .orderBy('activity.at', 'desc')
    .orderBy('activity.id', 'desc')
    .limit(limit)
    .execute()
}
