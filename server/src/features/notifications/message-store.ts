import type { Db } from '#db/database.ts'
import type { Concerning } from './notifications.ts'

/** A message that still has content, as far as it decides whom it concerns. */
export async function findConcerning(db: Db, messageId: string): Promise<Concerning | undefined> {
  const row = await db
    .selectFrom('message')
    .innerJoin('channel', 'channel.id', 'message.channel_id')
    .select(['message.id', 'message.channel_id', 'message.seq', 'message.sender_id', 'channel.type'])
    .where('message.id', '=', messageId)
    .where('message.deleted_at', 'is', null)
    .where('channel.deleted_at', 'is', null)
    .executeTakeFirst()
  if (!row) return undefined
  return {
    id: row.id,
    channelId: row.channel_id,
    isDirect: row.type === 'dm',
    seq: row.seq,
    senderId: row.sender_id,
  }
}
