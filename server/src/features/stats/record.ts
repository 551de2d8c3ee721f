import type { Tx } from '#db/database.ts'
import { newId } from '#lib/id.ts'
import { addCount, hasActivitySince, insertActivity } from './store.ts'

/** What the activity of the server is made of. The words are part of the API. */
export type ActivityType =
  | 'user_joined'
  | 'user_signed_in'
  | 'user_left'
  | 'channel_created'
  | 'server_settings_updated'
  | 'server_avatar_updated'
  | 'file_upload'
  | 'logs_viewed'

/** Something that happened, as it is told to the activity of the server. */
export interface NewActivity {
  readonly type: ActivityType
  /** Whose doing it is; null for the operator of the machine. */
  readonly userId: string | null
  /** The channel that it is about. Who may not see it is not told. */
  readonly channelId?: string
  /** What else is to be shown, without secrets and without what people wrote to each other. */
  readonly details?: Readonly<Record<string, unknown>>
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Which of them are counted, and as what. */
const metricOf: Partial<Record<ActivityType, 'registrations' | 'channels'>> = {
  user_joined: 'registrations',
  channel_created: 'channels',
}

/** Notes what happened, and counts it, if and when the transaction commits. */
export function recordActivity(tx: Tx, { type, userId, channelId, details, at }: NewActivity): void {
  insertActivity(tx, {
    id: newId(at),
    at,
    type,
    user_id: userId,
    channel_id: channelId ?? null,
    details: JSON.stringify(details ?? {}),
  })
  const metric = metricOf[type]
  if (metric) addCount(tx, metric, at)
}

/**
 * Notes what somebody does again and again, unless it was noted already since a time. Of calls at the same moment, each
 * may count.
 *
 * @returns whether it was noted
 */
export async function recordActivityOnce(
  tx: Tx,
  activity: NewActivity & { readonly userId: string },
  since: number,
): Promise<boolean> {
  if (await hasActivitySince(tx, activity, since)) return false
  recordActivity(tx, activity)
  return true
}
