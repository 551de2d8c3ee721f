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

/** How many people of one thread are told of what is added to it: those who wrote last. */
const MAX_IN_THREAD = 50

/** Who takes part in a thread: who began it, and who wrote in it. */
export async function thoseInThread(db: Db, threadId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('message')
    .select(({ fn }) => ['sender_id', fn.max('seq').as('last')])
    .where((where) => where.or([where('thread_id', '=', threadId), where('id', '=', threadId)]))
    .where('deleted_at', 'is', null)
    .groupBy('sender_id')
    .orderBy('last', 'desc')
    .limit(MAX_IN_THREAD)
    .execute()
  return rows.map(({ sender_id }) => sender_id)
}
